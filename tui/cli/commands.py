"""The table of the commands, and the help of the program, which appears at once: no slow imports here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tui.cli.arguments import probes, runs, training
from tui.cli.parser import Parser

SHELLS = ("bash", "zsh", "fish")
OF_THE_PROGRAM = ("-h", "--help", "--version", "--print-completion")  # options that stand without a command

# The name of a command, its meaning, and the function that adds its arguments. `tui.cli.NAME` runs it.
COMMANDS: dict[str, tuple[str, Callable[[Parser], None]]] = {
    "train": ("train on a text and watch (the default: `charrnn-tui TEXT`)", training.add_train),
    "lesson": ("a first lesson over the live dashboard, in ten steps", training.add_lesson),
    "compare": ("train an RNN, a GRU and an LSTM, and print how far back each looks", training.add_compare),
    "sweep": ("train many runs: every combination of lists of settings", training.add_sweep),
    "attach": ("watch a run that trains in the background", runs.add_attach),
    "serve": ("open the dashboard in a browser", training.add_serve),
    "replay": ("play a run's moments as a film", runs.add_replay),
    "runs": ("list the runs", runs.add_runs),
    "stop": ("have runs save and stop", runs.add_stop),
    "rm": ("remove runs", runs.add_rm),
    "sample": ("print generated text", probes.add_sample),
    "inside": ("take one time step apart: each equation with its numbers", probes.add_inside),
    "probe": ("colour a prompt by what each prediction depends on", probes.add_probe),
    "gradients": ("print the gradient flow of a saved run", probes.add_gradients),
    "cells": ("show what each hidden unit does over a text", probes.add_cells),
    "eval": ("print the loss on the whole held-out text or another, and where it is", probes.add_eval),
    "import": ("make a run of weights that PyTorch has trained", runs.add_import),
    "export": ("write a run's curves, samples and gradients for TensorBoard", runs.add_export),
    "corpora": ("list the built-in texts", training.add_corpora),
    "bench": ("measure training against PyTorch, JAX and the textbook loop", training.add_bench),
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
