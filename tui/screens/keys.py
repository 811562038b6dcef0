"""The keys of the dashboard, and the words for them in the last line, the help and the command palette."""

from textual.binding import Binding

TITLES = {
    "loss": "Loss",
    "samples": "Samples",
    "gradients": "Gradients",
    "connectivity": "Connectivity",
    "cells": "Cells",
}

ABOUT_KEYS = """\
These keys work in every pane, except while you type. `ctrl+p` finds any key by its name. `ctrl+z` goes to the shell,
and `fg` comes back. `ctrl+l` paints the screen again.
"""

KEYS = (
    Binding("space", "pause", "pause", tooltip="Pause the training", id="run.pause"),
    Binding("space", "resume", "resume", tooltip="Resume the training", id="run.resume"),
    Binding("b", "roll_back", "go back", tooltip="Go back to the last good weights", id="run.roll-back"),
    Binding("g", "app.go_on", "go on", tooltip="Go on with this run, which has ended", id="run.go-on"),
    Binding("full_stop", "step_once", "step", tooltip="Make one step, then pause", id="run.step"),
    Binding("p", "prompt", "prompt", tooltip="Type a prompt", id="prompt.focus"),
    Binding("s", "save", "save", tooltip="Save the weights now", id="run.save"),
    Binding("left_square_bracket", "app.change_lr(0.8)", "lr", tooltip="Lower the learning rate", id="lr.down"),
    Binding("right_square_bracket", "app.change_lr(1.25)", "lr", tooltip="Raise the learning rate", id="lr.up"),
    Binding("d", "app.detach", "detach", tooltip="Let the run go on without this screen", id="run.detach"),
    Binding("n", "app.new_run", "new", tooltip="Start a new run", id="run.new"),
    Binding("z", "zoom", "zoom", tooltip="Show one pane, or all of them", id="pane.zoom"),
    Binding("left_curly_bracket", "app.warm(-0.1)", "temp", tooltip="Lower the temperature", id="temp.down"),
    Binding("right_curly_bracket", "app.warm(0.1)", "temp", tooltip="Raise the temperature", id="temp.up"),
    Binding("question_mark", "app.help", "help", tooltip="Help: keys, and how to read each pane", id="app.help"),
    Binding("q", "app.quit", "quit", tooltip="Leave the program", id="app.quit"),
    Binding("tab", "turn(1)", "next pane", show=False, tooltip="Go to the next pane", id="pane.next"),
    Binding("shift+tab", "turn(-1)", "pane before", show=False, tooltip="Go to the pane before", id="pane.before"),
    *(
        Binding(str(number), f"show_pane('{pane}')", title, show=False, tooltip=f"Go to {title}", id=f"pane.{pane}")
        for number, (pane, title) in enumerate(TITLES.items(), start=1)
    ),
)
