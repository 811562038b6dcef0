"""Every key of the program: what it is called, what it does, in which words, and where.

A screen or a pane takes its `BINDINGS` from here. A letter has one meaning in the whole program; `OTHER_MEANINGS` names
those that mean something else in a list of runs. Tests compare the keys that help and README name with this table.
"""

from __future__ import annotations

from textual.binding import Binding

Keys = tuple[Binding, ...]

OTHER_MEANINGS = {"s": "a run saves, a list sorts", "g": "a run goes on, a sweep groups"}


def _key(
    keys: str, action: str, label: str, words: str, name: str, *, shown: bool = True, first: bool = False
) -> Binding:
    """A key: `keys` as Textual names them, `label` for the last line, `words` for the help and the palette.

    `shown` says whether the last line names it at all. `name` is what the key is called elsewhere; `first` has it act
    before a key of the focused widget.
    """
    return Binding(keys, action, label, show=shown, tooltip=words, id=name, priority=first)


# --- everywhere --------------------------------------------------------------------------------

PROGRAM: Keys = (
    _key("ctrl+c,ctrl+q", "quit", "quit", "", "app.leave", shown=False, first=True),
    _key("ctrl+z", "suspend_process", "suspend", "", "app.suspend", shown=False),
    _key("ctrl+l", "paint_again", "repaint", "", "app.repaint", shown=False),
)
HELP: Keys = (
    _key("escape,q,question_mark", "dismiss", "close", "", "help.close"),
    _key("down,j", "down", "down", "", "help.down", shown=False),
    _key("up,k", "up", "up", "", "help.up", shown=False),
)

# --- a run on the screen: what teaches stands first ----------------------------------------------

MOMENTS: Keys = (
    _key("left_parenthesis", "walk(-1)", "moment", "All panes at the moment before", "moment.before"),
    _key("right_parenthesis", "walk(1)", "moment", "All panes at the moment after", "moment.after"),
    _key("m", "beside_now", "with now", "Lay now over the moment, or take it away", "moment.beside-now"),
    _key("end,escape", "now", "now", "Back from the moment to now", "moment.now"),
    _key("M", "mark", "mark", "Keep the present weights as a moment for good", "moment.mark", shown=False),
)
RUN: Keys = (
    _key("space", "pause", "pause", "Pause the training", "run.pause"),
    _key("space", "resume", "resume", "Resume the training", "run.resume"),
    _key("b", "roll_back", "go back", "Go back to the last good weights", "run.roll-back"),
    _key("g", "app.go_on", "go on", "Go on with this run, which has ended", "run.go-on"),
    _key("v", "turn_view", "view", "The next view of this pane", "pane.view"),
    _key("i", "app.inside", "inside", "Take one time step apart, forward and back", "step.inside"),
    *MOMENTS,
    _key("escape", "app.back", "back", "Back to the list or the sweep that the run was opened from", "app.back"),
    _key("p", "prompt", "prompt", "Type a prompt", "prompt.focus"),
    _key("full_stop", "step_once", "step", "Make one step, then pause", "run.step"),
    _key("d", "app.detach", "detach", "Let the run go on without this screen", "run.detach"),
    _key("n", "app.new_run", "new", "Start a new run", "run.new"),
    _key("z", "zoom", "zoom", "Show one pane, or all of them", "pane.zoom"),
    _key("equals_sign", "layout", "layout", "Choose which panes are seen", "pane.layout"),
    _key("s", "save", "save", "Save the weights now", "run.save"),
    _key("y", "app.copy_pane", "copy", "Copy what this pane says", "pane.copy"),
    _key("Y", "app.picture_pane", "picture", "Export this pane as a picture (SVG) beside the run", "pane.picture"),
    _key(
        "ctrl+y", "app.picture_screen", "screen", "Export the screen as a picture (SVG)", "screen.picture", shown=False
    ),
    _key("left_square_bracket", "app.change_lr(0.8)", "lr", "Lower the learning rate", "lr.down"),
    _key("right_square_bracket", "app.change_lr(1.25)", "lr", "Raise the learning rate", "lr.up"),
    _key("left_curly_bracket", "app.warm(-0.1)", "temp", "Lower the temperature", "temp.down"),
    _key("right_curly_bracket", "app.warm(0.1)", "temp", "Raise the temperature", "temp.up"),
    _key("A", "app.turn_notifying", "alert", "Notify me of the run, or not any more", "app.notify", shown=False),
    _key("question_mark", "app.help", "help", "Help: keys, and how to read each pane", "app.help"),
    _key("q", "app.quit", "quit", "Leave the program", "app.quit"),
    _key("tab", "turn(1)", "next pane", "Go to the next pane", "pane.next", shown=False),
    _key("shift+tab", "turn(-1)", "pane before", "Go to the pane before", "pane.before", shown=False),
    _key("1", "show_pane('loss')", "loss", "Go to Loss", "pane.loss", shown=False),
    _key("2", "show_pane('samples')", "samples", "Go to Samples", "pane.samples", shown=False),
    _key("3", "show_pane('gradients')", "gradients", "Go to Gradients", "pane.gradients", shown=False),
    _key("4", "show_pane('connectivity')", "connectivity", "Go to Connectivity", "pane.connectivity", shown=False),
    _key("5", "show_pane('cells')", "cells", "Go to Cells", "pane.cells", shown=False),
)

# --- the panes -----------------------------------------------------------------------------------

CHART: Keys = (
    _key("left", "cursor(-1)", "cursor", "Read values: cursor to the left", "chart.cursor-left"),
    _key("right", "cursor(1)", "cursor right", "Cursor to the right", "chart.cursor-right", shown=False),
    _key("plus", "zoom(0.5)", "zoom", "Show half as much, around the cursor", "chart.zoom-in"),
    _key("minus", "zoom(2)", "zoom out", "Show twice as much", "chart.zoom-out", shown=False),
    _key("shift+left,less_than_sign", "pan(-1)", "pan left", "Pan left", "chart.pan-left", shown=False),
    _key("shift+right,greater_than_sign", "pan(1)", "pan right", "Pan right", "chart.pan-right", shown=False),
    _key("0,home", "reset", "all", "Show all of it, and follow it", "chart.reset", shown=False),
    _key("escape", "hide_cursor", "hide cursor", "Hide the cursor", "chart.hide-cursor", shown=False),
)
LOSS: Keys = (
    _key("l", "log", "log", "Logarithmic or linear loss", "loss.log"),
    _key("u", "unit", "bits", "Loss in nats or bits per character (1 bit is 0.69 nats)", "loss.unit"),
    _key("a", "along", "x axis", "Along steps, epochs or training time", "loss.along"),
    _key("N", "ladder", "n-grams", "Show or hide the losses of n-gram models", "loss.ladder"),
    *CHART,
)
WHERE: Keys = (_key("u", "unit", "bits", "Losses in nats or bits per character", "where.unit"),)
SAMPLES: Keys = (
    _key("t", "temperature(-1)", "cooler", "Lower temperature: safer, duller text", "samples.cooler"),
    _key("T", "temperature(1)", "hotter", "Higher temperature: bolder text", "samples.hotter"),
    _key("r", "again", "again", "Write another sample with the same settings", "samples.again"),
    _key("P", "prime", "with prompt", "Begin samples with the typed prompt, or with nothing", "samples.prime"),
    _key("w", "top_k(-1)", "narrower", "Fewer candidates (top-k)", "samples.top-k-less", shown=False),
    _key("W", "top_k(1)", "wider", "More candidates (top-k)", "samples.top-k-more", shown=False),
    _key("e", "top_p(-1)", "exclude", "Exclude more of the improbable ones (top-p)", "samples.top-p-less", shown=False),
    _key("E", "top_p(1)", "include", "Exclude less of the improbable ones (top-p)", "samples.top-p-more", shown=False),
    _key("up", "move(-1)", "earlier", "Scroll to earlier samples", "samples.up"),
    _key("down", "move(1)", "scroll down", "Scroll towards now", "samples.down", shown=False),
    _key("pageup", "page(-1)", "page up", "A page up", "samples.page-up", shown=False),
    _key("pagedown", "page(1)", "page down", "A page down", "samples.page-down", shown=False),
    _key("home", "first", "first", "The first sample that is kept", "samples.first", shown=False),
    _key("end", "follow", "follow", "Follow the text that is written", "samples.follow", shown=False),
)
GRADIENTS: Keys = (
    _key("k", "state", "kind", "The gradient of the hidden state or the LSTM's cell state", "gradients.state"),
    _key("L", "layer", "layer", "The gradient in the next layer", "gradients.layer"),
)
SPECTRUM: Keys = (
    _key("k", "gate", "kind", "The eigenvalues of one gate alone, or of all", "spectrum.gate"),
    _key("L", "layer", "layer", "The eigenvalues of the next layer", "spectrum.layer"),
)
CONNECTIVITY: Keys = (
    _key("enter", "type", "type", "Type a prompt", "connectivity.type"),
    _key("enter,escape", "stop_typing", "done", "Letters are keys again", "connectivity.done"),
    _key("o", "occlusion", "occlude", "Check by replacing each character", "connectivity.occlusion"),
    _key("left", "walk(-1)", "walk", "What the previous prediction depends on", "connectivity.left"),
    _key("right", "walk(1)", "walk", "What the next prediction depends on", "connectivity.right"),
    _key("up", "ask(-1)", "ask", "What would have made it say this one? The candidate above", "connectivity.up"),
    _key("down", "ask(1)", "ask", "What would have made it say this one? The candidate below", "connectivity.down"),
    _key("k", "mode", "kind", "Gradient of the logit, squared, or of the loss", "connectivity.mode"),
    _key("home", "go(0)", "start", "To the first character", "connectivity.home", shown=False),
    _key("end", "go(-1)", "end", "To the last character", "connectivity.end", shown=False),
)
CELLS: Keys = (
    _key("up", "move(-1)", "unit", "The unit above", "cells.up"),
    _key("down", "move(1)", "unit", "The unit below", "cells.down"),
    _key("f", "sort", "feature", "Units by index, variance, or how well they follow a feature", "cells.sort"),
    _key("enter", "text", "as text", "The text in this unit's colour, or all units", "cells.text"),
    _key("H", "clamp", "hold", "Hold the unit: as it is, at 0, 1, −1, then free", "cells.clamp"),
    _key("k", "kind", "kind", "Hidden state, cell state, or a gate", "cells.kind"),
    _key("L", "layer", "layer", "The units of the next layer", "cells.layer"),
    _key("pageup", "page(-1)", "page", "A screen of units up", "cells.page-up", shown=False),
    _key("pagedown", "page(1)", "page", "A screen of units down", "cells.page-down", shown=False),
    _key("left", "scroll(8)", "scroll", "Earlier characters", "cells.left", shown=False),
    _key("right", "scroll(-8)", "scroll", "Later characters", "cells.right", shown=False),
)
CONTEXTS: Keys = (
    _key("up", "move(-1)", "unit", "The unit above", "contexts.up"),
    _key("down", "move(1)", "unit", "The unit below", "contexts.down"),
    _key("f", "feature", "feature", "Another feature of the text", "contexts.feature"),
    _key("slash", "type", "pattern", "Type a regular expression as a feature", "contexts.pattern"),
    _key("enter", "search", "search", "Which units follow its matches?", "contexts.search"),
    _key("escape", "stop_typing", "done", "Letters are keys again", "contexts.done"),
    _key("k", "kind", "kind", "Hidden state, cell state, or a gate", "contexts.kind"),
    _key("L", "layer", "layer", "The units of the next layer", "contexts.layer"),
    _key("pageup", "move(-10)", "units", "Ten units up", "contexts.page-up", shown=False),
    _key("pagedown", "move(10)", "units", "Ten units down", "contexts.page-down", shown=False),
)
GATES: Keys = (
    _key("up", "move(-1)", "unit", "The unit before", "gates.up"),
    _key("down", "move(1)", "unit", "The unit after", "gates.down"),
    _key("k", "gate", "kind", "One gate alone, or all", "gates.gate"),
    _key("L", "layer", "layer", "The gates of the next layer", "gates.layer"),
)
PORTRAIT: Keys = (
    _key("f", "feature", "feature", "Colour the states by another feature", "portrait.feature"),
    _key("up", "constant(-1)", "read", "Fixed points of the character before", "portrait.up"),
    _key("down", "constant(1)", "read", "Fixed points of the next character", "portrait.down"),
    _key("left", "walk(-1)", "walk", "The state before, on the prompt's path", "portrait.left"),
    _key("right", "walk(1)", "walk", "The next state, on the prompt's path", "portrait.right"),
)

# --- inside a step -------------------------------------------------------------------------------

INSIDE: Keys = (
    _key("left", "walk(-1)", "step", "Take the time step before apart", "inside.left"),
    _key("right", "walk(1)", "step", "Take the next time step apart", "inside.right"),
    _key("up", "unit(-1)", "unit", "Write out the numbers of the unit before", "inside.up"),
    _key("down", "unit(1)", "unit", "Write out the numbers of the next unit", "inside.down"),
    _key("G", "strongest", "largest", "To the unit with the largest |∂ℓ/∂h_t|, then the next", "inside.strongest"),
    _key("tab,L", "layer(1)", "layer", "Show the next layer", "inside.layer"),
    _key("v", "turn", "view", "To the way back, or to the way forward", "inside.turn"),
    _key("p", "other_text", "prompt", "Your prompt, or what is trained next", "inside.window"),
    _key("B", "sequence(1)", "sequence", "The next sequence of the batch", "inside.sequence"),
    _key("home", "go(0)", "first", "To the first time step", "inside.home", shown=False),
    _key("end", "go(-1)", "last", "To the last time step that has a loss", "inside.end", shown=False),
    _key("shift+up", "unit(-10)", "units", "Ten units back", "inside.up-many", shown=False),
    _key("shift+down", "unit(10)", "units", "Ten units on", "inside.down-many", shown=False),
    _key("shift+tab", "layer(-1)", "layer", "The layer before", "inside.layer-before", shown=False),
    _key("pageup", "scroll_lines(-1)", "up", "Scroll up", "inside.page-up", shown=False),
    _key("pagedown", "scroll_lines(1)", "down", "Scroll down", "inside.page-down", shown=False),
)
INSIDE_RUN: Keys = (
    _key("full_stop", "step_once", "train a step", "Make one training step, then pause", "run.step"),
    _key("space", "pause", "pause", "Pause the training", "run.pause"),
    _key("space", "resume", "resume", "Resume the training", "run.resume"),
    _key("question_mark", "help", "help", "Help: how to read the numbers", "inside.help"),
    _key("escape", "dismiss", "close", "Back to the dashboard", "inside.close"),
    _key("y", "app.copy_pane", "copy", "Copy what this page says", "inside.copy"),
    _key("Y", "app.picture_pane", "picture", "Export this page as a picture (SVG) beside the run", "inside.picture"),
    _key("i,q", "dismiss", "close", "Back to the dashboard", "inside.close-too", shown=False),
)

# --- lists of runs -------------------------------------------------------------------------------

TABLE: Keys = (
    _key("enter", "select_cursor", "open", "Open this run, or watch it if it is live", "runs.open"),
    _key("home", "scroll_top", "first", "The first run", "runs.first", shown=False),
    _key("end", "scroll_bottom", "last", "The last run", "runs.last", shown=False),
)
LIST: Keys = (
    _key("slash", "filter", "filter", "Show only some runs, as cell=gru best<1.6", "runs.filter"),
    _key("s", "sort", "sort", "In the order of the next column", "runs.sort"),
    _key("S", "turn", "turn", "Turn the order round", "runs.turn", shown=False),
)
RUNS: Keys = (
    _key("c", "mark", "compare", "Draw this run's curves over the run you open", "runs.mark"),
    _key("x", "stop", "stop", "Save this live run and stop it", "runs.stop"),
    _key("R", "rename", "rename", "Give this run another name", "runs.rename"),
    _key("D,delete", "remove", "remove", "Remove this run, which has ended", "runs.remove"),
    _key("question_mark", "help", "help", "Help: keys, and how to read the list", "runs.help"),
    _key("q", "app.quit", "quit", "Leave the program", "app.quit"),
)
SWEEP: Keys = (
    _key("g", "group", "group", "Group the runs by the next setting", "sweep.group"),
    _key("v", "turn_view", "view", "Another curve of each run", "sweep.view"),
    _key("x", "stop", "stop", "Save this run and stop it", "sweep.stop"),
    _key("space", "pause", "pause", "Pause all runs, or let them go on", "sweep.pause"),
    _key("tab", "app.focus_next", "next", "To the next part of the screen", "sweep.next", shown=False),
    _key("question_mark", "help", "help", "Help: keys, and how to read the curves", "sweep.help"),
    _key("q", "app.quit", "quit", "Leave the program", "app.quit"),
)
SWEEP_PROGRAM: Keys = (_key("d", "detach", "detach", "Let the sweep go on without this screen", "sweep.detach"),)
BANDS: Keys = (
    _key("l", "log_y", "log", "Logarithmic or linear loss", "bands.log-y"),
    _key("a", "log_x", "x axis", "Logarithmic or linear steps", "bands.log-x"),
    *CHART,
)

# --- others --------------------------------------------------------------------------------------

FILM: Keys = (
    _key("space", "hold", "hold", "Hold the film", "film.hold", first=True),
    _key("space", "play", "play", "Go on with the film; at its end, from its beginning", "film.play", first=True),
    _key("plus", "speed(1)", "speed", "Faster", "film.faster", first=True),
    _key("minus", "speed(-1)", "speed", "Slower", "film.slower", first=True),
)
LESSON: Keys = (_key("escape", "leave_lesson", "end lesson", "Leave the lesson", "lesson.leave", shown=False),)
FORM: Keys = (
    _key("ctrl+s", "start", "start", "Start the run", "form.start", first=True),
    _key("escape", "cancel", "cancel", "Back to the run on the screen", "form.cancel"),
    _key("down", "app.focus_next", "next", "", "form.next", shown=False),
    _key("up", "app.focus_previous", "previous", "", "form.previous", shown=False),
)
LAYOUT: Keys = (
    _key("escape,enter,q,equals_sign", "dismiss", "close", "Back to the panes", "layout.close"),
    *(_key(str(n), f"turn({n})", "pane", "See this pane, or see it no more", f"layout.{n}") for n in range(1, 6)),
)
DIALOG: Keys = (
    *(_key(key, f"choose('{key}')", key, "", f"dialog.{key}") for key in ("s", "d", "x", "escape")),
    _key("left", "app.focus_previous", "previous", "", "dialog.previous"),
    _key("right", "app.focus_next", "next", "", "dialog.next"),
)
QUIT_DIALOG: Keys = (_key("q", "choose_first", "first answer", "", "dialog.first"),)

ON_A_RUN = {
    "run": RUN, "loss": LOSS, "where": WHERE, "samples": SAMPLES, "gradients": GRADIENTS, "spectrum": SPECTRUM,
    "connectivity": CONNECTIVITY, "cells": CELLS, "contexts": CONTEXTS, "gates": GATES, "portrait": PORTRAIT,
    "inside": INSIDE + INSIDE_RUN, "dialog": DIALOG,
}  # fmt: skip
ON_A_LIST = {"table": TABLE, "list": LIST, "runs": RUNS, "sweep": SWEEP + SWEEP_PROGRAM, "bands": BANDS}
