"""Every private name of a library that the program or its tests use: an update that moves one fails here."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import textwrap
from argparse import ArgumentParser
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from rich.console import Console
from rich.style import Style
from textual._compositor import Compositor, CompositorUpdate
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.command import CommandPalette
from textual.drivers._writer_thread import WriterThread
from textual.drivers.linux_driver import LinuxDriver
from textual.screen import Screen
from textual.widget import Widget

import tui

TESTS, DRIVER, FRAME = "tests/tui", "tui/terminal/driver.py", "tui/terminal/frame.py"
INPUT, KEYS, REPAINT = "tui/terminal/input_parser.py", "tui/terminal/hasty_input.py", "tui/terminal/repaint.py"
# Whose it is, its name, and where it is used; tests may use any of them. What a private module holds is private too.
PRIVATE = (
    (ArgumentParser, "_actions", "tui/cli/completion.py"),
    (App, "_check_bindings", KEYS),
    (App, "_display", REPAINT),
    (App, "_driver", DRIVER),
    (App, "_handle_exception", KEYS),
    (App, "_notifications", TESTS),
    (CommandPalette, "_GATHER_COMMANDS_GROUP", KEYS),
    (CommandPalette, "_action_command_list", KEYS),
    (CommandPalette, "_gather_commands", KEYS),
    (CommandPalette, "_watch__show_busy", KEYS),
    (Compositor, "render_strips", TESTS),
    (CompositorUpdate, "render_segments", REPAINT),
    (Console, "_color_system", REPAINT),
    (LinuxDriver, "_in_band_window_resize", DRIVER),
    (LinuxDriver, "_must_signal_resume", DRIVER),
    (LinuxDriver, "_sigcont_application", DRIVER),
    (LinuxDriver, "_writer_thread", DRIVER),
    (Screen, "_compositor", TESTS),
    (Screen, "_select_state", "tui/terminal/selection.py"),
    (Screen, "_selecting", "tui/terminal/selection.py"),
    (Screen, "_compositor", FRAME),
    (Style, "_meta", REPAINT),
    (WriterThread, "_queue", DRIVER),
    (Widget, "_scroll_update", "tui/terminal/scrolling.py"),
    (XTermParser, "_sequence_to_key_events", INPUT),
)
MODULES = {("_compositor", REPAINT), ("_xterm_parser", INPUT)}
ROOT = Path(tui.__path__[0]).parent


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


@cache
def syntax(cls: type) -> ast.Module:
    return ast.parse(textwrap.dedent(inspect.getsource(cls)))


def used_on_self(cls: type, *contexts: type) -> set[str]:
    """The names after `self.` in the body of a class, and those of its methods."""
    names = {node.name for node in ast.walk(syntax(cls)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    for node in ast.walk(syntax(cls)):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, contexts) and ast.unparse(node.value) == "self":
            names.add(node.attr)
    return names


@cache
def names_of(cls: type) -> frozenset[str]:
    """The names that a class and those above it have, or set on `self`."""
    written = [base for base in cls.__mro__ if base.__module__.split(".")[0] in ("argparse", "rich", "textual")]
    return frozenset(dir(cls)).union(*(used_on_self(base, ast.Store) for base in written))


def our_classes() -> Iterator[type]:
    for module in pkgutil.walk_packages(tui.__path__, "tui."):
        if module.name != "tui.__main__":
            members = vars(importlib.import_module(module.name)).values()
            yield from (each for each in members if isinstance(each, type) and each.__module__ == module.name)


def reached_for(folder: str) -> Iterator[tuple[str, str]]:
    """Each private name that a file of `folder` imports or takes from another object, and the file."""
    for path in sorted(ROOT.joinpath(folder).rglob("*.py")):
        where = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = []
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) not in ("self", "os"):
                names = [node.attr]
            elif isinstance(node, ast.ImportFrom):
                names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            yield from ((name, where) for name in names if is_private(name))


def taken_over() -> Iterator[tuple[str, str]]:
    """Each private name of Textual that a class of ours uses or overrides, and the file."""
    for cls in our_classes():
        bases = [base for base in cls.__mro__ if base.__module__.split(".")[0] == "textual"]
        if bases:
            theirs = frozenset().union(*map(names_of, bases))
            where = cls.__module__.replace(".", "/") + ".py"
            used = used_on_self(cls, ast.Load, ast.Store) & theirs
            yield from ((name, where) for name in used if is_private(name))


@pytest.mark.parametrize(("owner", "name", "where"), PRIVATE)
def test_the_installed_textual_still_has_it(owner: type, name: str, where: str) -> None:
    assert name in names_of(owner), f"{owner.__module__}.{owner.__name__}.{name} has gone; {where} uses it"


def test_the_program_uses_those_of_the_list_and_no_other() -> None:
    listed = {(name, where) for _, name, where in PRIVATE if is_private(name) and where != TESTS}
    assert {*reached_for("tui"), *taken_over()} == listed | MODULES


def test_the_tests_use_those_of_the_list_and_no_other() -> None:
    theirs = set().union(*(names_of(owner) for owner, _, _ in PRIVATE))
    used = {name for name, _ in reached_for(TESTS)} & theirs
    assert {name for _, name, where in PRIVATE if is_private(name) and where == TESTS} <= used
    assert used <= {name for _, name, _ in PRIVATE}
