"""Arguments of the commands that train, and of the one that lists the texts to train on."""

from __future__ import annotations

import argparse

from engine.config import Config
from tui.cli.parser import COMPARED, DEFAULTS, Parser, add_fps, add_notify, add_settings, port, settings_help, weights

LESSON_STEPS = 10


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


def add_lesson(parser: Parser) -> None:
    """Arguments of `charrnn-tui lesson`."""
    parser.description = "Ten steps over the live dashboard of a small network, which trains for them."
    parser.add_argument("step", metavar="STEP", nargs="?", type=_step, default=1, help="where to begin, 1 to 10 (1)")
    add_fps(parser)


def _step(text: str) -> int:
    if text in map(str, range(1, LESSON_STEPS + 1)):
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is not a step of the lesson, 1 to {LESSON_STEPS}")


def add_compare(parser: Parser) -> None:
    """Arguments of `charrnn-tui compare`."""
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


def add_sweep(parser: Parser) -> None:
    """Arguments of `charrnn-tui sweep`."""
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


def add_serve(parser: Parser) -> None:
    """Arguments of `charrnn-tui serve`."""
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


def add_corpora(parser: Parser) -> None:
    """Arguments of `charrnn-tui corpora`."""
    parser.description = "List the built-in texts, with the losses of n-gram models: what a good loss is."


def add_bench(parser: Parser) -> None:
    """Arguments of `charrnn-tui bench`."""
    parser.description = "Compare the speed of this program with others, each in its own process."
    parser.add_argument("--against", metavar="NAMES", default="torch,jax,min-char-rnn", help="rivals (%(default)s)")
    parser.add_argument("--cells", default="rnn,gru,lstm", help="cells (%(default)s)")
    parser.add_argument("--sizes", help="LAYERSxHIDDENxBATCH, as 1x128x32,2x128x50")
    parser.add_argument("--seq", type=int, help="time steps in a window (50)")
    parser.add_argument("--vocabulary", type=int, metavar="N", help="characters in the vocabulary (65)")
    parser.add_argument("--what", default="training", help="training, sampling, screen, quality, … or all (training)")
    parser.add_argument("--threads", type=int, help="BLAS threads of every contender (all cores)")
    parser.add_argument("--rounds", type=int, help="turns of each contender")
    parser.add_argument("--seconds", type=float, help="length of a turn")
    parser.add_argument("--text", help="for --what quality: a text (saltmere)")
    parser.add_argument("--losses", help="for --what quality: held-out losses in nats (1.6,1.5)")
    parser.add_argument("--minutes", type=float, help="for --what quality: of training, at most (10)")
    parser.add_argument("--json", metavar="FILE", dest="json_file", help="write the figures to a file too")
