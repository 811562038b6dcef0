"""Parses a command line, and says in one screen what a command takes: no slow imports here."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Collection, Iterable
from typing import Any, NoReturn

from engine.config import PRESETS, Config
from engine.errors import ConfigError
from engine.setting import Setting, groups_of, settings_of
from tui.cli.output import complain, say

WIDTH = 79  # columns of a help text
DEFAULTS = Config()
NAMES = ("ADDRESS", "COMMAND", "DIR", "FILE", "FILE.toml", "PRESET", "RUN", "SWEEP")  # that stand for a thing
COMPARED = Config(steps=2000)  # the defaults of `compare`


class Parser(argparse.ArgumentParser):
    """Reports an error in one sentence, without the usage before it."""

    help_text: Callable[[], str] | None = None

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog=prog, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        complain(f"{message}; `{self.prog} --help` shows the options")
        raise SystemExit(2)

    def parse_known_args(self, *arguments: Any, **more: Any) -> Any:
        """As in argparse, but the name of a thing is not empty: an unset variable of a script is no default."""
        found, rest = super().parse_known_args(*arguments, **more)
        for action in self._actions:
            value = getattr(found, action.dest, None)
            given = value if isinstance(value, list) else [value]
            if action.metavar in NAMES and value != action.default and "" in given:
                self.error(f"argument {''.join(action.option_strings) or action.metavar}: is empty; give one")
        return found, rest

    def _print_message(self, message: str, file: object = None) -> None:
        """Print the help or the version; argparse itself would ignore that standard output is full."""
        for line in message.splitlines():
            say(line)

    def format_help(self) -> str:
        return self.help_text() if self.help_text else super().format_help()


# --- settings, which are options of `train` and `compare` ----------------------------------------------


def option(setting: Setting) -> str:
    """A setting on the command line: `--name`, or a positional argument if it may hold several texts."""
    return setting.usage if setting.kind is tuple else f"--{setting.name.replace('_', '-')}"


def in_options(error: ConfigError) -> str:
    """The problems with settings, each named by its option."""
    known = settings_of(Config)
    names = {name: option(known[name]) if name in known else name for name in error.problems}
    return "; ".join(f"{names[name]}: {problem}" for name, problem in error.problems.items())


def add_settings(parser: Parser, defaults: Config, without: Collection[str] = ()) -> None:
    """Add `--preset`, `--config`, `--run`, and an option for every setting, whose value is kept as it was typed."""
    for name, setting in settings_of(type(defaults)).items():
        if setting.kind is tuple:
            parser.add_argument(name, nargs="*", metavar=setting.usage)
        elif name not in without:
            parser.add_argument(option(setting))
    parser.add_argument("--preset", metavar="PRESET")
    parser.add_argument("--config", metavar="FILE.toml")
    parser.add_argument("--run", metavar="DIR")


def settings_help(
    lines: Iterable[str], run_options: Iterable[str], defaults: Config, without: Collection[str] = ()
) -> str:
    """`lines`, then the options that `add_settings` adds, by group, several to a line."""
    blocks = _side_by_side("run", [*run_options, "--config FILE.toml", f"--preset {'|'.join(PRESETS)}"])
    for group, settings in groups_of(type(defaults)).items():
        shown = [each for each in settings if each.kind is not tuple and each.name not in without]
        blocks += _side_by_side(group, [f"{option(each)} {each.usage} ({_default(each, defaults)})" for each in shown])
    return "\n".join([*lines, "", *blocks, ""])


def _default(setting: Setting, defaults: Config) -> str:
    value = getattr(defaults, setting.name)
    return setting.shown_as if setting.shown_as and value == setting.default else str(value)


def _side_by_side(label: str, items: Iterable[str]) -> list[str]:
    """Lines with as many items each as fit; the first line has a label in its margin."""
    lines, line = [], f"{label:<9}"
    for item in items:
        if len(line) + 1 + len(item) > WIDTH and line.strip():
            lines.append(line)
            line = " " * 9
        line += f" {item} "
    return [text.rstrip() for text in (*lines, line)]


# --- arguments of several commands -----------------------------------------------------------------------


def add_run(parser: Parser, *, optional: bool = False) -> None:
    """The run that a command is about."""
    help_text = "a run's name or its directory" + (" (the latest)" if optional else "")
    parser.add_argument("run", metavar="RUN", nargs="?" if optional else None, help=help_text)


def add_saved(parser: Parser) -> None:
    """A run, and which of its weights: `tui.cli.saved.open_saved` takes both."""
    add_run(parser)
    parser.add_argument(
        "--weights",
        metavar="WHICH",
        type=weights,
        default="latest",
        help="latest, best (lowest validation loss), or a kept step",
    )


def add_layer(parser: Parser) -> None:
    """The layer that a command is about: `tui.cli.saved.layer_of` takes it."""
    parser.add_argument("--layer", type=int, default=1, help="layer, counted from 1 (1)")


def add_pictures(parser: Parser) -> None:
    """The files into which a command writes its picture: `tui.cli.picture.give` takes them."""
    parser.add_argument("--html", metavar="FILE", help="write the picture as a page")
    parser.add_argument("--svg", metavar="FILE", help="write the picture as SVG")


def weights(text: str) -> str | int:
    """The value of `--weights`: "latest", "best" or a step."""
    if text in ("latest", "best"):
        return text
    if re.fullmatch(r"[0-9]{1,18}", text):
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is none of latest, best, or a step")


def port(text: str) -> int:
    """The value of `--port`; 0 is any that is free."""
    if re.fullmatch(r"[0-9]{1,5}", text) and int(text) < 1 << 16:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is no port: a number from 0 to 65535")


def add_fps(parser: Parser) -> None:
    """How often a screen is drawn, and in which colours."""
    parser.add_argument("--theme", type=_theme, default="", metavar="dark|light", help="the colours (as the last time)")
    parser.add_argument("--fps", metavar="N", type=_frames, default=4.0, help="frames a second, at most (4)")


def _theme(text: str) -> str:
    """The name of the program's theme that is meant; empty for the one of the last time."""
    if text not in ("dark", "light", ""):
        raise argparse.ArgumentTypeError(f"{text} is neither dark nor light; ctrl+p finds other themes")
    return text and f"charrnn-{text}"


def add_notify(parser: Parser) -> None:
    """Whether the user is called, who may be looking elsewhere."""
    help_text = "ring and notify at the end, at a divergence, and at a plateau"
    parser.add_argument("--notify", action="store_true", help=help_text)


def _frames(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 30:
        raise argparse.ArgumentTypeError(f"{text} is not a number of frames a second between 0.1 and 30")
    return value
