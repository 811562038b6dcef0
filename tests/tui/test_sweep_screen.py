"""The screen of a sweep: all its runs with what differs, their curves by groups, and the way to a run and back."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from xml.etree import ElementTree

import pytest
from textual.pilot import Pilot

from engine.errors import UserError
from engine.session.messages import Link
from tests.test_sweep_board import sweep as _sweep
from tests.tui.on_screen import lines_of, text_of, until
from tui.app.sweep_app import SweepApp, picture
from tui.cli import main
from tui.screens.sweep import SweepScreen

sweep = _sweep


@asynccontextmanager
async def shown(path: Path, size: tuple[int, int] = (120, 36)) -> AsyncIterator[tuple[SweepApp, Pilot[Link]]]:
    app = SweepApp(SweepScreen(path))
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: "Validation loss" in text_of(app) and len(app.sweep.runs) > 0)
        yield app, pilot


@pytest.mark.parametrize("size", [(120, 36), (80, 24), (200, 60)])
async def test_all_runs_and_what_differs_are_in_sight(sweep: Path, size: tuple[int, int]) -> None:
    async with shown(sweep, size) as (app, pilot):
        await until(pilot, lambda: text_of(app).count("✓ finished") == 4)
        assert lines_of(app)[1].split()[:5] == ["cell", "seed", "state", "step", "val"]
        assert "4 of 4 runs have ended" in lines_of(app)[0]
        assert "grouped by cell" in lines_of(app)[0]
        assert [line.split()[:2] for line in lines_of(app)[2:6]] == [
            ["rnn", "1"],
            ["rnn", "2"],
            ["gru", "1"],
            ["gru", "2"],
        ]
        titles = ["‖G_t‖ against t", "Reach, characters"] if size[0] > 80 else []
        assert all(title in text_of(app) for title in titles)


async def test_the_screen_begins_with_what_the_user_should_know(sweep: Path) -> None:
    app = SweepApp(SweepScreen(sweep), remark="the held-out text is unlike the rest")
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        await until(pilot, lambda: "the held-out text is unlike" in text_of(app))


async def test_what_the_runs_are_grouped_by_is_not_cut(sweep: Path) -> None:
    async with shown(sweep, (80, 24)) as (app, pilot):
        await until(pilot, lambda: text_of(app).count("✓ finished") == 4)
        await pilot.resize_terminal(len(lines_of(app)[0].rstrip()) - 1, 24)
        await until(pilot, lambda: "4 of 4 ended · by cell" in lines_of(app)[0])


async def test_one_chart_at_a_time_where_there_is_room_for_one(sweep: Path) -> None:
    async with shown(sweep, (80, 24)) as (app, pilot):
        for title in ("Training loss", "‖G_t‖ against t", "Reach, characters", "Validation loss"):
            await pilot.press("v")
            await until(pilot, lambda title=title: title in text_of(app))  # type: ignore[misc]


async def test_runs_are_grouped_filtered_and_sorted(sweep: Path) -> None:
    async with shown(sweep) as (app, pilot):
        await until(pilot, lambda: text_of(app).count("gru") >= 3)  # two rows and the name of a curve
        await pilot.press("g")
        await until(pilot, lambda: "grouped by seed" in text_of(app) and "seed 1" in text_of(app))
        await pilot.press("g")
        await until(pilot, lambda: "grouped" not in text_of(app))
        await pilot.press("slash", *"cell=gru", "enter")
        await until(pilot, lambda: len(app.sweep.runs) == 2)
        await pilot.press("s", "s", "S")
        assert app.sweep.by == "-seed"
        assert [run.settings["seed"] for run in app.sweep.runs.values()] == [2, 1]


async def test_a_run_that_waits_is_in_its_place_and_cannot_be_opened(sweep: Path, tmp_path: Path) -> None:
    shutil.copytree(sweep, tmp_path / "sw")
    study = json.loads((tmp_path / "sw" / "sweep.json").read_text())
    last = study["runs"][-1]
    last |= {"state": "waiting", "steps": 0}
    shutil.rmtree(tmp_path / "sw" / last["name"])
    (tmp_path / "sw" / "sweep.json").write_text(json.dumps(study))
    async with shown(tmp_path / "sw") as (app, pilot):
        await until(pilot, lambda: "· waiting" in text_of(app))
        await pilot.press("end", "enter")
        await until(pilot, lambda: "has not begun" in text_of(app))
        assert app.is_running


async def test_enter_opens_a_run(sweep: Path) -> None:
    async with shown(sweep) as (app, pilot):
        await pilot.press("down", "enter")
        await until(pilot, lambda: not app.is_running)
    assert app.return_value is not None
    assert app.return_value.info.directory == str(list(app.sweep.runs.values())[1].path)
    app.return_value.close()


async def test_values_are_read_with_a_cursor_and_the_scales_are_chosen(sweep: Path) -> None:
    async with shown(sweep) as (app, pilot):
        await until(pilot, lambda: app.sweep._board is not None and len(app.sweep._board.curves) == 4)
        app.sweep.set_focus(app.sweep._curves)
        await pilot.press("l", "a", "plus", "left")
        await until(pilot, lambda: "step " in str(app.sweep._curves.border_subtitle))
        await pilot.press("escape", "0")
        assert str(app.sweep._curves.border_subtitle) == ""


async def test_help_explains_the_screen(sweep: Path) -> None:
    async with shown(sweep) as (app, pilot):
        await pilot.press("question_mark")
        await until(pilot, lambda: "One row for each run" in text_of(app))


def test_the_screen_is_drawn_as_a_picture(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())  # colours are asked for there
    assert main(["runs", str(sweep), "--svg", str(tmp_path / "sweep.svg")]) == 0
    image = ElementTree.parse(tmp_path / "sweep.svg").getroot()
    words = {each.text for each in image.iter("{http://www.w3.org/2000/svg}text")}
    assert {"rnn", "gru", "Validation", "Reach,"} <= words
    assert "filter" not in words  # a picture has no keys
    assert main(["runs", str(tmp_path), "--svg", str(tmp_path / "none.svg")]) == 2
    assert "is no sweep" in capsys.readouterr().err
    assert not (tmp_path / "none.svg").exists()


def test_a_picture_of_a_damaged_sweep_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text("{")
    with pytest.raises(UserError, match=r"sweep\.json"):
        picture(tmp_path)
