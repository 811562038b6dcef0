"""Arguments of the commands about runs as a whole: to watch, list, end, import or export them."""

from __future__ import annotations

import argparse

from tui.cli.parser import Parser, add_fps, add_notify, add_run


def add_attach(parser: Parser) -> None:
    """Arguments of `charrnn-tui attach`."""
    parser.description = (
        "Watch a run that trains in the background, or look at one that has ended. "
        "HOST:RUN is on another host, reached over ssh; HOST: is the latest there."
    )
    add_run(parser, optional=True)
    parser.add_argument("--ssh", metavar="COMMAND", help="how to reach the host, as 'ssh -p 2222' (ssh)")
    parser.add_argument("--remote-command", metavar="COMMAND", help="how its shell calls this program (charrnn-tui)")
    parser.add_argument("--relay", action="store_true", help=argparse.SUPPRESS)  # what HOST:RUN starts on the host
    add_notify(parser)
    add_fps(parser)


def add_replay(parser: Parser) -> None:
    """Arguments of `charrnn-tui replay`."""
    parser.description = "Play a run's moments, the steps whose weights are kept, as a film on the dashboard."
    add_run(parser)
    parser.add_argument("--svg", metavar="FILE", help="write the film to a file, as an animated picture")
    add_fps(parser)


def add_runs(parser: Parser) -> None:
    """Arguments of `charrnn-tui runs`."""
    parser.description = "List the runs in a directory. On a terminal, a screen can open and stop them."
    parser.add_argument("directory", metavar="DIR", nargs="?", default="runs", help="where the runs are (runs)")
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    parser.add_argument("--list", action="store_true", help="print a table, without a screen")
    parser.add_argument("--csv", metavar="FILE", help="write a table with all columns, for a spreadsheet")
    parser.add_argument("--svg", metavar="FILE", help="write the screen of a sweep, which DIR is then, as a picture")
    parser.add_argument("--filter", metavar="WORDS", help="only runs like that, as 'cell=gru hidden>=128 best<1.6'")
    parser.add_argument("--sort", metavar="COLUMN", help="by a column of --json, falling after a minus: --sort=-best")


def add_stop(parser: Parser) -> None:
    """Arguments of `charrnn-tui stop`."""
    parser.description = "Have runs and sweeps in the background save and stop, and wait for that."
    _add_runs_named(parser)


def add_rm(parser: Parser) -> None:
    """Arguments of `charrnn-tui rm`."""
    parser.description = "Remove runs that have ended, with all that the program wrote into their directories."
    _add_runs_named(parser)


def _add_runs_named(parser: Parser) -> None:
    parser.add_argument("runs", metavar="RUN", nargs="+", help="a run's name or its directory")


def add_import(parser: Parser) -> None:
    """Arguments of `charrnn-tui import`."""
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


def add_export(parser: Parser) -> None:
    """Arguments of `charrnn-tui export`."""
    parser.description = "Write a run's curves, samples and gradients for another program to show."
    add_run(parser)
    parser.add_argument("--tensorboard", metavar="DIR", required=True, help="where to put the event file")
