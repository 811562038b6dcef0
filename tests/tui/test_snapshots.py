"""Whole screens, compared with the pictures in `__snapshots__`.

After a change that is meant to be seen: `pytest tests/tui/test_snapshots.py --snapshot-update`, and look at the new
pictures before they are committed. A test that fails writes snapshot_report.html with the old and the new one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input

from engine.config import Config
from engine.runs.listing import RunList, RunSummary
from tests.tui.fake_run import FakeLink
from tests.tui.on_screen import at_rest, text_of, until
from tui.app.app import CharrnnApp
from tui.app.runs_app import RunsApp
from tui.app.themes import LIGHT

Prepare = Callable[[Pilot[Any]], Awaitable[None]]
Look = Callable[[App[Any], tuple[int, int], Prepare], bool]
SMALL, LARGE = (80, 24), (120, 36)
RUNS = [
    RunSummary("brisk-otter", Path("runs/brisk-otter"), "live", 1_200, 1.532, 1.61, "gru 1×128", "saltmere", 300, 7),
    RunSummary("calm-fox", Path("runs/calm-fox"), "finished", 20_000, 1.31, 1.388, "lstm 2×256", "wikitext", 9e4, None),
    RunSummary("shy-mole", Path("runs/shy-mole"), "diverged", 412, 2.86e31, 2.2, "rnn 1×100", "漢字.txt", 4e6, None),
]


@pytest.fixture
def looks_as_before(snap_compare: Callable[..., bool], monkeypatch: pytest.MonkeyPatch) -> Look:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def compare(app: App[Any], size: tuple[int, int], prepare: Prepare) -> bool:
        app.animation_level = "none"
        return snap_compare(app, terminal_size=size, run_before=prepare)

    return compare


def pressing(*keys: str, until_shown: str) -> Prepare:
    """Press keys, and wait for a text on the screen."""

    async def prepare(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: "1,200" in text_of(pilot.app))  # the first snapshot has come
        await pilot.press(*keys)
        await until(pilot, lambda: until_shown in text_of(pilot.app))
        for field in pilot.app.screen.query(Input):
            field.cursor_blink = False
        await at_rest(pilot)

    return prepare


def app_on_a_run() -> CharrnnApp:
    """A run of 5,000 steps that stands still after 1,200."""
    return CharrnnApp(FakeLink(Config(steps=5000)), lambda config: FakeLink(config))


def test_dashboard(looks_as_before: Look) -> None:
    typed = ["space" if char == " " else char for char in "The lamp was "]
    assert looks_as_before(app_on_a_run(), LARGE, pressing("p", *typed, "escape", until_shown="▸"))


def test_dashboard_small_and_light(looks_as_before: Look) -> None:
    app = app_on_a_run()
    app.theme = LIGHT.name
    assert looks_as_before(app, SMALL, pressing("3", until_shown="‖G_t‖"))


def test_help(looks_as_before: Look) -> None:
    assert looks_as_before(app_on_a_run(), SMALL, pressing("question_mark", until_shown="Help"))


def test_new_run(looks_as_before: Look) -> None:
    assert looks_as_before(app_on_a_run(), LARGE, pressing("n", until_shown="Cancel"))


def test_runs(looks_as_before: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunList, "look", lambda runs: RUNS)
    assert looks_as_before(RunsApp(Path("runs")), SMALL, pressing("down", "c", until_shown="1 marked"))
