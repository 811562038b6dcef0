"""Nothing that the screen shows of a run's names, paths and errors is an escape sequence or markup."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.style import Style
from textual.app import App

from engine.config import Config
from engine.errors import UserError
from engine.session.messages import State
from tests.finished_run import finish_run
from tests.hostile_name import HOSTILE, SHOWN, steers
from tests.tui.fake_run import FakeLink
from tests.tui.on_screen import dashboard, text_of, until
from tui.app.runs_app import RunsApp
from tui.rendering.loss_chart import LossStyles, LossView, Overlay, loss_chart


def hostile_link() -> FakeLink:
    link = FakeLink(Config(text=(HOSTILE,)))
    link.info = replace(link.info, name=HOSTILE, text_name=HOSTILE, directory=f"runs/{HOSTILE}")
    return link


def assert_harmless(app: App[Any]) -> None:
    shown = text_of(app)
    assert not steers(shown), ascii(shown)


@pytest.mark.parametrize("state", ["diverged", "failed", "crashed", "stopped", "finished"])
async def test_the_dashboard(state: State) -> None:
    async with dashboard(hostile_link(), size=(200, 50)) as (app, link, pilot):
        link.end(state, HOSTILE)
        await until(pilot, lambda: f": {SHOWN}" in text_of(app))
        assert f"run {SHOWN}" in text_of(app)
        assert "[red]" in text_of(app)
        assert_harmless(app)


async def test_a_warning() -> None:
    async with dashboard(hostile_link(), size=(200, 50)) as (app, link, pilot):
        link.warn(f"warned {HOSTILE}")
        await until(pilot, lambda: f"warned {SHOWN}" in text_of(app))
        assert_harmless(app)


def is_shown(app: App[Any], words: str) -> bool:
    return words in text_of(app)


async def test_notices() -> None:
    async with dashboard(hostile_link(), size=(200, 50)) as (app, link, pilot):
        link.notice(f"noticed {HOSTILE}")
        await pilot.press("s")  # says where it saved
        for words in (f"noticed {SHOWN}", f"Saved to runs/{SHOWN}"):
            await until(pilot, partial(is_shown, app, words))
        assert "[red]" in text_of(app)
        assert_harmless(app)


def test_the_curves_of_other_runs() -> None:
    history = FakeLink().history()
    overlay = Overlay(HOSTILE, history.step, history.smoothed, Style())
    styles = LossStyles(*[Style()] * len(dataclasses.fields(LossStyles)))
    chart = loss_chart(history, LossView(), styles, (200, 50), overlays=[overlay])
    assert any(curve.label.startswith(SHOWN) for curve in chart.curves)
    assert not steers("".join(curve.label for curve in chart.curves))


async def test_the_form_and_what_refuses_it() -> None:
    def refuse(config: Config) -> FakeLink:
        raise UserError(f"refused {HOSTILE}")

    async with dashboard(hostile_link(), size=(200, 50), start=refuse) as (app, _, pilot):
        await pilot.press("n")
        await until(pilot, lambda: f"{SHOWN}" in text_of(app) and "is saved and ends" in text_of(app))
        assert "[red]" in text_of(app)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: f"refused {SHOWN}" in text_of(app))  # a field holds the name as it is


async def test_the_list_of_runs(tmp_path: Path) -> None:
    root = tmp_path / HOSTILE
    root.mkdir()
    finish_run(root / HOSTILE)
    app = RunsApp(root)
    async with app.run_test(size=(200, 50)) as pilot:
        await until(pilot, lambda: SHOWN in text_of(app))
        assert "[red]" in text_of(app)
        assert_harmless(app)
