"""Every private name of Textual and Rich that the program or its tests use: an update that moves one fails here."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from rich.console import Console
from textual._compositor import Compositor, CompositorUpdate
from textual.app import App
from textual.drivers._writer_thread import WriterThread
from textual.drivers.linux_driver import LinuxDriver
from textual.screen import Screen

import tui

TESTS, DRIVER = "tests", "tui/terminal/driver.py"
KEYS, REPAINT = "tui/terminal/hasty_input.py", "tui/terminal/repaint.py"
# Whose it is, its name, and the only place that may use it. (What a private module holds is private too.)
PRIVATE = (
    (App, "_check_bindings", KEYS),
    (App, "_display", REPAINT),
    (App, "_driver", DRIVER),
    (Compositor, "render_strips", TESTS),
    (CompositorUpdate, "render_segments", REPAINT),
    (Console, "_color_system", REPAINT),
    (LinuxDriver, "_must_signal_resume", DRIVER),
    (LinuxDriver, "_sigcont_application", DRIVER),
    (LinuxDriver, "_writer_thread", DRIVER),
    (Screen, "_compositor", TESTS),
    (WriterThread, "_queue", DRIVER),
)
ALLOWED = {(name, where) for _, name, where in PRIVATE} | {("_compositor", REPAINT)}  # this one is a module
ROOT = Path(tui.__path__[0]).parent
SOURCES = sorted(ROOT.joinpath("tui").rglob("*.py"))


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def is_ours(cls: type) -> bool:
    return cls.__module__.split(".")[0] == "tui"


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
    written = [base for base in cls.__mro__ if base.__module__.split(".")[0] in ("rich", "textual")]
    return frozenset(dir(cls)).union(*(used_on_self(base, ast.Store) for base in written))


def our_classes() -> Iterator[type]:
    for module in pkgutil.walk_packages(tui.__path__, "tui."):
        if module.name != "tui.__main__":
            members = vars(importlib.import_module(module.name)).values()
            yield from (each for each in members if isinstance(each, type) and each.__module__ == module.name)


@pytest.mark.parametrize(("owner", "name", "where"), PRIVATE)
def test_the_installed_textual_still_has_it(owner: type, name: str, where: str) -> None:
    assert name in names_of(owner), f"{owner.__module__}.{owner.__name__}.{name} has gone; {where} uses it"


def test_nothing_else_that_is_private_is_reached_for() -> None:
    found = set()
    for path in SOURCES:
        where = str(path.relative_to(ROOT))
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and is_private(node.attr):
                if ast.unparse(node.value) not in ("self", "os"):
                    found.add((node.attr, where))
            elif isinstance(node, ast.ImportFrom):
                names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
                found |= {(name, where) for name in names if is_private(name)}
    assert found <= ALLOWED


def test_no_class_of_ours_uses_or_overrides_a_private_name_unawares() -> None:
    for cls in our_classes():
        foreign = [base for base in cls.__mro__ if base.__module__.split(".")[0] == "textual"]
        if foreign:
            where = cls.__module__.replace(".", "/") + ".py"
            theirs = frozenset().union(*(names_of(base) for base in foreign))
            used = {name for name in used_on_self(cls, ast.Load, ast.Store) if is_private(name)}
            assert {(name, where) for name in used & theirs} <= ALLOWED, cls
