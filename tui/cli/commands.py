"""The commands with their arguments and their help, which fits one screen and appears at once: no slow imports here."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from engine.config import Config
from tui.cli.parser import (
    COMPARED,
    DEFAULTS,
    Parser,
    add_fps,
    add_notify,
    add_run,
    add_saved,
    add_settings,
    port,
    settings_help,
    weights,
)

LESSON_STEPS = 10
SHELLS = ("bash", "zsh", "fish")
OF_THE_PROGRAM = ("-h", "--help", "--version", "--print-completion")  # options that stand without a command


def add_train(parser: Parser, defaults: Config = DEFAULTS) -> None:
    """Arguments of `charrnn-tui train`."""
    add_settings(parser, defaults)
    parser.add_argument("--resume", metavar="RUN")
    parser.add_argument("--from", metavar="RUN", dest="from_run")
    parser.add_argument("--weights", type=weights, default="latest")
    parser.add_argument("--headless", action="store_true")
    parser.add_argument("--detach", action="store_true")
    # What --detach and the dashboard start: no terminal. With --as-it-was a paused or diverged run stays so.
    parser.add_argument("--background", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--as-it-was", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--tensorboard", metavar="DIR")
    parser.add_argument("--on-end", metavar="COMMAND", default="")
    add_notify(parser)
    add_fps(parser)
    parser.help_text = lambda: settings_help(
        [
            "usage: charrnn-tui train [TEXT...] [options]",
            "Train on TEXT and watch: a path, a directory, - for standard input, or a name",
            "that `charrnn-tui corpora` lists. In parentheses: the default.",
        ],
        [
            "--run DIR",
            "--resume RUN",
            "--from RUN (begin with its weights)",
            "--weights latest|best|STEP (of that run)",
            "--headless (no screen)",
            "--detach (in the background)",
            "--on-end COMMAND",
            "--tensorboard DIR",
            "--notify",
            "--fps N (4)",
            "--theme dark|light",
        ],
        defaults,
    )


def _add_lesson(parser: Parser) -> None:
    parser.description = "Ten steps over the live dashboard of a small network, which trains for them."
    parser.add_argument("step", metavar="STEP", nargs="?", type=_step, default=1, help="where to begin, 1 to 10 (1)")
    add_fps(parser)


def _step(text: str) -> int:
    if text in map(str, range(1, LESSON_STEPS + 1)):
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is not a step of the lesson, 1 to {LESSON_STEPS}")


def _add_compare(parser: Parser) -> None:
    add_settings(parser, COMPARED, without=("cell",))
    parser.help_text = lambda: settings_help(
        [
            "usage: charrnn-tui compare [TEXT...] [options]",
            "Train an RNN, a GRU and an LSTM on TEXT, one after the other, with the same",
            "settings; print their losses, their gradients, and how far back each looks.",
        ],
        ["--run DIR (holds one run of each cell)"],
        COMPARED,
        without=("cell",),
    )


def _add_sweep(parser: Parser) -> None:
    add_settings(parser, COMPARED, without=("threads", "workers"))
    parser.add_argument("--seeds", type=int, metavar="N", default=1)
    parser.add_argument("--jobs", type=int, metavar="N", default=0)
    parser.add_argument("--scheduler", metavar="ADDRESS")
    parser.add_argument("--trials", type=int, metavar="N", default=0)
    parser.add_argument("--stop-worst", type=int, metavar="K", default=0)
    parser.add_argument("--resume", metavar="SWEEP")
    parser.add_argument("--headless", action="store_true")
    parser.add_argument("--detach", action="store_true")
    parser.add_argument("--background", action="store_true", help=argparse.SUPPRESS)  # what --detach starts
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--csv", metavar="FILE")
    parser.help_text = lambda: settings_help(
        [
            "usage: charrnn-tui sweep [TEXT...] [options]",
            "Train every combination: --cell rnn,gru --hidden 64,128 --seeds 3 is 12 runs,",
            "one a core. --trials N searches ranges instead, as --lr 1e-4..1e-2.",
        ],
        [
            "--run DIR",
            "--resume SWEEP",
            "--seeds N",
            "--jobs N",
            "--trials N",
            "--stop-worst K",
            "--scheduler ADDRESS (of Dask)",
            "--headless",
            "--detach",
            "--json",
            "--csv FILE",
        ],
        COMPARED,
        without=("threads", "workers"),
    )


def _add_attach(parser: Parser) -> None:
    parser.description = (
        "Watch a run that trains in the background, or look at one that has ended.\n"
        "HOST:RUN is on another host, reached over ssh; HOST: is the latest there."
    )
    add_run(parser, optional=True)
    parser.add_argument("--ssh", metavar="COMMAND", help="how to reach the host, as 'ssh -p 2222' (ssh)")
    parser.add_argument("--remote-command", metavar="COMMAND", help="how its shell calls this program (charrnn-tui)")
    parser.add_argument("--relay", action="store_true", help=argparse.SUPPRESS)  # what HOST:RUN starts on the host
    add_notify(parser)
    add_fps(parser)


def _add_serve(parser: Parser) -> None:
    add_settings(parser, DEFAULTS)
    parser.add_argument("--resume", metavar="RUN")
    parser.add_argument("--from", metavar="RUN", dest="from_run")
    parser.add_argument("--weights", type=weights, default="latest")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=port, default=8000)
    parser.add_argument("--token", action="store_true")
    add_fps(parser)
    parser.set_defaults(background=False, as_it_was=False)
    parser.help_text = lambda: settings_help(
        [
            "usage: charrnn-tui serve [RUN | TEXT... options] [--port N] [--host HOST]",
            "Open the dashboard of RUN (the latest), or of a new run on TEXT, in a browser.",
            "Without --host only this machine may look, else who has the token it prints.",
        ],
        [
            "--port N (8000)",
            "--host HOST (127.0.0.1)",
            "--token",
            "--run DIR",
            "--resume RUN",
            "--from RUN",
            "--weights latest|best|STEP",
            "--fps N (4)",
        ],
        DEFAULTS,
    )


def _add_replay(parser: Parser) -> None:
    parser.description = "Play a run's moments, the steps whose weights are kept, as a film on the dashboard."
    add_run(parser)
    parser.add_argument("--svg", metavar="FILE", help="write the film to a file, as an animated picture")
    add_fps(parser)


def _add_runs(parser: Parser) -> None:
    parser.description = "List the runs in a directory. On a terminal, a screen can open and stop them."
    parser.add_argument("directory", metavar="DIR", nargs="?", default="runs", help="where the runs are (runs)")
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    parser.add_argument("--list", action="store_true", help="print a table, without a screen")
    parser.add_argument("--csv", metavar="FILE", help="write a table with all columns, for a spreadsheet")
    parser.add_argument("--svg", metavar="FILE", help="write the screen of a sweep, which DIR is then, as a picture")
    parser.add_argument("--filter", metavar="WORDS", help="only runs like that, as 'cell=gru hidden>=128 best<1.6'")
    parser.add_argument("--sort", metavar="COLUMN", help="by a column of --json, falling after a minus: --sort=-best")


def _add_stop(parser: Parser) -> None:
    parser.description = "Have runs that train in the background save and stop, and wait for that."
    _add_runs_named(parser)


def _add_rm(parser: Parser) -> None:
    parser.description = "Remove runs that have ended, with all that the program wrote into their directories."
    _add_runs_named(parser)


def _add_runs_named(parser: Parser) -> None:
    parser.add_argument("runs", metavar="RUN", nargs="+", help="a run's name or its directory")


def _add_sample(parser: Parser) -> None:
    parser.description = "Print text generated by a run's weights."
    add_saved(parser)
    parser.add_argument("--length", type=int, default=1000, metavar="N", help="characters (1000)")
    parser.add_argument("--prompt", default="", help="text that the network reads first")
    parser.add_argument(
        "--temperature", type=float, default=0.8, metavar="T", help="below 1 safer, above 1 wilder (0.8)"
    )
    parser.add_argument("--top-k", type=int, default=0, metavar="K", help="only the K most probable characters")
    parser.add_argument("--top-p", type=float, default=1.0, metavar="P", help="only the most probable that add up to P")
    parser.add_argument("--greedy", action="store_true", help="always the most probable character")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same text (0)")
    parser.add_argument("--count", type=int, default=1, metavar="N", help="N texts at once, seeds SEED, SEED + 1 … (1)")
    parser.add_argument("--json", action="store_true", help="print a list of objects: seed, text")


def _add_probe(parser: Parser) -> None:
    parser.description = "Colour a PROMPT by what each prediction depends on, or type one on a screen."
    add_saved(parser)
    parser.add_argument("prompt", metavar="PROMPT", nargs="?")
    parser.add_argument(
        "--mode",
        choices=("logit", "squared", "loss"),
        default="logit",
        help="gradient of the logit, its square, or gradient of the loss (logit)",
    )
    parser.add_argument("--json", action="store_true", help="print all numbers; connectivity[s][t] is not normalised")
    parser.add_argument("--html", metavar="FILE", help="write the picture as a page")
    parser.add_argument("--svg", metavar="FILE", help="write the picture as SVG")


def _add_inside(parser: Parser) -> None:
    parser.description = "Take one time step of a PROMPT apart: every equation of the cell with its numbers, and back."
    add_saved(parser)
    parser.add_argument("prompt", metavar="PROMPT")
    parser.add_argument("--at", type=int, metavar="T", help="time step, counted from 0 (the last one with a loss)")
    parser.add_argument("--unit", type=int, default=0, help="hidden unit whose numbers are written out, from 0 (0)")
    parser.add_argument("--layer", type=int, default=1, help="layer, counted from 1 (1)")
    parser.add_argument("--json", action="store_true", help="print the numbers of all units")


def _add_gradients(parser: Parser) -> None:
    parser.description = "Print the gradient at every time step of a window, for a run's saved weights."
    add_saved(parser)
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--view",
        metavar="VIEW",
        choices=("single", "training", "triangle"),
        default="single",
        help="single: the last step's loss; training: the trained one; triangle: every one by itself (single)",
    )
    shown.add_argument("--spectrum", action="store_true", help="eigenvalues of W_hh and Lyapunov exponents instead")
    parser.add_argument("--layer", type=int, default=1, help="layer, counted from 1 (1)")
    parser.add_argument("--state", choices=("h", "c"), default="h", help="hidden state, or the LSTM's cell state (h)")
    parser.add_argument("--json", action="store_true", help="print the numbers, and the inputs and targets")
    parser.add_argument("--html", metavar="FILE", help="write the picture as a page")
    parser.add_argument("--svg", metavar="FILE", help="write the picture as SVG")


def _add_cells(parser: Parser) -> None:
    parser.description = "Show what each hidden unit does over a TEXT: a heat map of units and characters."
    add_saved(parser)
    parser.add_argument("text", metavar="TEXT", nargs="?", help="what is read (the beginning of the held-out text)")
    parser.add_argument("--layer", type=int, default=1, help="layer, counted from 1 (1)")
    parser.add_argument("--kind", default="h", help="hidden state h, cell state c, or a gate (h)")
    parser.add_argument("--sort", default="index", help="index, variance, or a feature, as 'bracket depth' (index)")
    parser.add_argument("--json", action="store_true", help="print the numbers; values[unit][character]")
    parser.add_argument("--html", metavar="FILE", help="write a page: point at a unit, and the text takes its colours")
    parser.add_argument("--svg", metavar="FILE", help="write the map as SVG")


def _add_eval(parser: Parser) -> None:
    parser.description = (
        "Print the loss of a run's saved weights on the whole held-out text, or on TEXT, and where it is."
    )
    add_saved(parser)
    parser.add_argument("text", metavar="TEXT", nargs="*", help="measured in place of the held-out text")
    parser.add_argument(
        "--part",
        choices=("held-out", "test"),
        default="held-out",
        help="what the run validates on, or its test (held-out)",
    )
    parser.add_argument("--encoding", metavar="NAME", help="of the files at TEXT (the run's)")
    parser.add_argument(
        "--by-position", action="store_true", help="print the loss by position since a zero state instead"
    )
    parser.add_argument("--json", action="store_true", help="print the numbers; losses in nats per character")
    parser.add_argument("--html", metavar="FILE", help="write a page: each character coloured by its surprise")


def _add_export(parser: Parser) -> None:
    parser.description = "Write a run's curves, samples and gradients for another program to show."
    add_run(parser)
    parser.add_argument("--tensorboard", metavar="DIR", required=True, help="where to put the event file")


def _add_import(parser: Parser) -> None:
    parser.description = "Make a run of weights that were trained elsewhere; every command and pane works on it."
    parser.add_argument("file", metavar="FILE", help="safetensors, or what torch.save made of a state dict")
    parser.add_argument(
        "--vocabulary",
        metavar="FILE",
        required=True,
        help="JSON list of characters, JSON object of indices, or a text of the characters in order",
    )
    parser.add_argument("--cell", required=True, help="rnn (with tanh), gru, lstm, mingru or minlstm")
    parser.add_argument("--text", metavar="TEXT", nargs="+", help="what it reads (what it writes itself)")
    parser.add_argument("--run", metavar="DIR", help="where to put the run")
    parser.add_argument(
        "--map",
        metavar="OUR=THEIRS",
        action="append",
        default=[],
        help="which tensor is which, as head.weight=out.weight; or module, as rnn=decoder",
    )


def _add_corpora(parser: Parser) -> None:
    parser.description = "List the built-in texts, with the losses of n-gram models: what a good loss is."


def _add_bench(parser: Parser) -> None:
    parser.description = "Compare the speed of this program with others, each in its own process."
    parser.add_argument("--against", metavar="NAMES", default="torch,jax,min-char-rnn", help="rivals (%(default)s)")
    parser.add_argument("--cells", default="rnn,gru,lstm", help="cells (%(default)s)")
    parser.add_argument("--sizes", help="LAYERSxHIDDENxBATCH, as 1x128x32,2x128x50")
    parser.add_argument("--seq", type=int, help="time steps in a window (50)")
    parser.add_argument("--vocabulary", type=int, metavar="N", help="characters in the vocabulary (65)")
    parser.add_argument(
        "--what", default="training", help="training, sampling, connectivity, screen, … or all (training)"
    )
    parser.add_argument("--threads", type=int, help="BLAS threads of every contender (all cores)")
    parser.add_argument("--rounds", type=int, help="turns of each contender")
    parser.add_argument("--seconds", type=float, help="length of a turn")
    parser.add_argument("--json", metavar="FILE", dest="json_file", help="write the figures to a file too")


# The name of a command, its meaning, and the function that adds its arguments. `tui.cli.NAME` runs it.
COMMANDS: dict[str, tuple[str, Callable[[Parser], None]]] = {
    "train": ("train on a text and watch (the default: `charrnn-tui TEXT`)", add_train),
    "lesson": ("a first lesson over the live dashboard, in ten steps", _add_lesson),
    "compare": ("train an RNN, a GRU and an LSTM, and print how far back each looks", _add_compare),
    "sweep": ("train many runs: every combination of lists of settings", _add_sweep),
    "attach": ("watch a run that trains in the background", _add_attach),
    "serve": ("open the dashboard in a browser", _add_serve),
    "replay": ("play a run's moments as a film", _add_replay),
    "runs": ("list the runs", _add_runs),
    "stop": ("have runs save and stop", _add_stop),
    "rm": ("remove runs", _add_rm),
    "sample": ("print generated text", _add_sample),
    "inside": ("take one time step apart: each equation with its numbers", _add_inside),
    "probe": ("colour a prompt by what each prediction depends on", _add_probe),
    "gradients": ("print the gradient flow of a saved run", _add_gradients),
    "cells": ("show what each hidden unit does over a text", _add_cells),
    "eval": ("print the loss on the whole held-out text or another, and where it is", _add_eval),
    "import": ("make a run of weights that PyTorch has trained", _add_import),
    "export": ("write a run's curves, samples and gradients for TensorBoard", _add_export),
    "corpora": ("list the built-in texts", _add_corpora),
    "bench": ("measure training against PyTorch, JAX and the textbook loop", _add_bench),
}


def build_parser(name: str) -> Parser:
    """The parser of the command `name`, or of the whole program if there is no such command."""
    if name in COMMANDS:
        parser = Parser(f"charrnn-tui {name}")
        _, add_arguments = COMMANDS[name]
        add_arguments(parser)
    else:
        parser = Parser("charrnn-tui")
        parser.add_argument("--version", action="version", version=_Version("%(prog)s"))
        parser.add_argument("--print-completion", metavar="SHELL", choices=SHELLS)  # `tui.cli.completion` does it
        parser.help_text = _program_help
    return parser


def _program_help() -> str:
    return "\n".join([
        "usage: charrnn-tui [TEXT...]            train on a text and watch it learn",
        "       charrnn-tui COMMAND [--help]",
        "",
        *(f"  {command:<10} {meaning}" for command, (meaning, _) in COMMANDS.items()),
        "",
        "Without a TEXT it trains on a built-in novel. `charrnn-tui train --help` shows all settings.",
        "--print-completion bash|zsh|fish prints a script that lets the shell complete all this.",
        "",
    ])  # fmt: skip


class _Version(str):
    """The version, looked up only when it is asked for: reading the metadata takes time."""

    def __mod__(self, other: Any) -> str:
        from importlib.metadata import version

        return f"charrnn-tui {version('charrnn-tui')}"
