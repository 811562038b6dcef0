"""What each command accepts, and help texts that fit one screen. Imports nothing heavy: `--help` answers at once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from engine.config import CHOICES, PRESETS, Config

COMMANDS = {
    "train": "train on a text and watch (the default: `charrnn-tui TEXT`)",
    "attach": "watch a run that goes on in the background",
    "runs": "list the runs",
    "sample": "print generated text",
    "probe": "ask saved weights what a prediction rests on",
    "gradients": "print the gradient flow of a saved run",
    "corpora": "list the texts that are always there",
    "bench": "measure training against PyTorch, JAX and the textbook loop",
}

MEANINGS = {
    "cell": "|".join(CHOICES["cell"]),
    "layers": "N",
    "hidden": "N",
    "input": "|".join(CHOICES["input"]),
    "embedding": "N",
    "loss": "|".join(CHOICES["loss"]),
    "batch": "N",
    "seq": "N",
    "dropout": "P",
    "init": "uniform|normal:STD",
    "optimizer": "|".join(CHOICES["optimizer"]),
    "lr": "X",
    "schedule": "constant|step:EVERY:FACTOR|cosine:STEPS, after warmup:N,",
    "clip": "none|norm:MAX|value:MAX",
    "validation": "SHARE",
    "seed": "N",
    "threads": "N",
    "workers": "N",
    "encoding": "NAME",
}

GROUPS = {
    "network": ("cell", "layers", "hidden", "input", "embedding", "dropout", "init"),
    "training": ("loss", "batch", "seq", "optimizer", "lr", "clip", "schedule"),
    "text": ("validation", "encoding", "seed", "threads", "workers"),
}


def complain(sentence: str) -> None:
    """One line on standard error, whatever the names in it hold."""
    from tui.rendering.text import visible_text

    print(f"charrnn-tui: {visible_text(sentence)}", file=sys.stderr)


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage before it."""

    help_text: Callable[[], str] | None = None

    def error(self, message: str) -> NoReturn:
        complain(f"{message}; `{self.prog} --help` shows what there is")
        raise SystemExit(2)

    def format_help(self) -> str:
        return self.help_text() if self.help_text else super().format_help()


def build_parser(name: str) -> Parser:
    """The parser of one command, or of the program where `name` is none."""
    builder: Callable[[], Parser] = globals().get(f"_{name}", _program)
    parser = builder()
    if name in COMMANDS:
        parser.prog = f"charrnn-tui {name}"
    return parser


def _new(description: str = "") -> Parser:
    return Parser(description=description, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter)


def _program() -> Parser:
    parser = _new()
    parser.prog = "charrnn-tui"
    parser.add_argument("--version", action="version", version=_Version("%(prog)s"))
    parser.help_text = lambda: "\n".join([
        "usage: charrnn-tui [TEXT...]            train on a text and watch it learn",
        "       charrnn-tui COMMAND [--help]",
        "",
        *(f"  {command:<10} {text}" for command, text in COMMANDS.items()),
        "",
        "Without a TEXT it trains on a novel that comes with it. `charrnn-tui train --help` shows all settings.",
        "",
    ])  # fmt: skip
    return parser


class _Version(str):
    """The version, looked up only when it is asked for: reading the metadata takes time."""

    def __mod__(self, other: Any) -> str:
        from importlib.metadata import version

        return f"charrnn-tui {version('charrnn-tui')}"


def _train() -> Parser:
    parser = _new()
    parser.add_argument("text", nargs="*", metavar="TEXT")
    parser.add_argument("--headless", action="store_true")
    parser.add_argument("--detach", action="store_true")
    parser.add_argument("--background", action="store_true")  # what --detach and the dashboard start: no terminal
    parser.add_argument("--steps")
    parser.add_argument("--run", metavar="DIR")
    parser.add_argument("--resume", metavar="RUN")
    parser.add_argument("--preset")
    parser.add_argument("--config", metavar="FILE.toml")
    parser.add_argument("--fps", type=_frames, default=4.0)
    for name in MEANINGS:
        parser.add_argument(f"--{name}")
    parser.help_text = _train_help
    return parser


def _frames(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 30:
        raise argparse.ArgumentTypeError(f"{text} is not a number of frames a second between 0.1 and 30")
    return value


def _train_help() -> str:
    lines = [
        "usage: charrnn-tui train [TEXT...] [options]",
        "Train on TEXT and watch: a path, a directory, - for standard input, or a name",
        "that `charrnn-tui corpora` lists. In parentheses: what is taken without the option.",
        "",
    ]
    lines += _wrapped("run", [
        "--steps N", "--run DIR", "--resume RUN", "--headless (no screen)", "--detach (in the background)",
        "--config FILE.toml", "--fps N (4)", f"--preset {'|'.join([*PRESETS, 'vanishing'])}",
    ])  # fmt: skip
    defaults = Config().to_json()
    for group, names in GROUPS.items():
        lines += _wrapped(group, [f"--{name} {MEANINGS[name]} ({_default(defaults[name])})" for name in names])
    return "\n".join([*lines, ""])


def _default(value: Any) -> str:
    return "measured" if value == 0 and isinstance(value, int) else str(value)


def _wrapped(label: str, items: list[str], width: int = 79) -> list[str]:
    """Items side by side, as many as fit, under a label in the margin."""
    lines, line = [], f"{label:<9}"
    for item in items:
        if len(line) + 1 + len(item) > width and line.strip():
            lines.append(line)
            line = " " * 9
        line += f" {item} "
    return [*(text.rstrip() for text in lines), line.rstrip()]


def _run_argument(parser: Parser, *, optional: bool = False) -> None:
    help_text = "a run's name or its directory" + (" (the latest)" if optional else "")
    parser.add_argument("run", metavar="RUN", nargs="?" if optional else None, help=help_text)


def _attach() -> Parser:
    parser = _new("Watch a run that goes on in the background, or look at one that has ended.")
    _run_argument(parser, optional=True)
    parser.add_argument("--fps", type=_frames, default=4.0, help="frames a second, at most (4)")
    return parser


def _runs() -> Parser:
    parser = _new("List the runs of a directory; on a terminal as a screen in which one is opened, or stopped.")
    parser.add_argument("directory", metavar="DIR", nargs="?", default="runs", help="where the runs are (runs)")
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    parser.add_argument("--list", action="store_true", help="print a table, no screen")
    return parser


def _sample() -> Parser:
    parser = _new("Print text generated by a run's weights.")
    _run_argument(parser)
    parser.add_argument("--length", type=int, default=1000, help="characters (1000)")
    parser.add_argument("--prompt", default="", help="what it is primed with")
    parser.add_argument("--temperature", type=float, default=0.8, help="below 1 safer, above 1 wilder (0.8)")
    parser.add_argument("--top-k", type=int, default=0, help="only the K most probable characters")
    parser.add_argument("--top-p", type=float, default=1.0, help="only the most probable ones that reach P together")
    parser.add_argument("--greedy", action="store_true", help="always the most probable character")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same text (0)")
    return parser


def _probe() -> Parser:
    parser = _new("Colour a prompt by what its predictions rest on; without a PROMPT on a screen, to type at.")
    _run_argument(parser)
    parser.add_argument("prompt", metavar="PROMPT", nargs="?")
    parser.add_argument(
        "--mode", choices=("logit", "squared", "loss"), default="logit", help="what is measured (logit)"
    )
    parser.add_argument("--json", action="store_true", help="print all numbers; connectivity[s][t] is not normalised")
    parser.add_argument("--html", metavar="FILE", help="write the picture as a page")
    parser.add_argument("--svg", metavar="FILE", help="write the picture as SVG")
    return parser


def _gradients() -> Parser:
    parser = _new("The back-propagated gradient at every time step, for a saved run's weights.")
    _run_argument(parser)
    parser.add_argument(
        "--view", choices=("single", "training", "triangle"), default="single", help="which loss (single)"
    )
    parser.add_argument(
        "--layer", type=int, default=0, help="layer, counted from 0: 0 is what the picture calls layer 1 (0)"
    )
    parser.add_argument("--json", action="store_true", help="print all that is needed to compute it again elsewhere")
    return parser


def _corpora() -> Parser:
    return _new("List the texts that are always there, with the losses of k-gram models: what a good loss is.")


def _bench() -> Parser:
    parser = _new("Time this program beside others, in turn, each in a process of its own.")
    parser.add_argument("--against", metavar="NAMES", default="torch,jax,min-char-rnn", help="rivals (%(default)s)")
    parser.add_argument("--cells", default="rnn,gru,lstm", help="cells (%(default)s)")
    parser.add_argument("--sizes", help="LAYERSxHIDDENxBATCH, as 1x128x32,2x128x50")
    parser.add_argument(
        "--what", default="training", help="training, sampling, connectivity, screen, … or all (training)"
    )
    parser.add_argument("--threads", type=int, help="BLAS threads of every contender (all cores)")
    parser.add_argument("--rounds", type=int, help="how often each has its turn")
    parser.add_argument("--seconds", type=float, help="of one turn")
    parser.add_argument("--json", metavar="FILE", dest="json_file", help="write the figures to a file too")
    return parser
