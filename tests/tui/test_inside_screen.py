"""The screen of one step taken apart: its numbers are the probe's, on a run that trains and on one that has ended."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from textual.events import MouseScrollDown, MouseScrollUp
from textual.pilot import Pilot

from engine.config import Config
from engine.network.model import Model
from engine.probes.inside import NONE, inside
from engine.remote.archive import ArchiveLink
from engine.runs.reader import RunReader
from engine.session.messages import Inside, Pause
from engine.session.session import Session
from engine.session.start import new_session
from engine.text.vocabulary import Vocabulary
from tests.finished_run import TEXT, finish_run
from tests.small_run import trainer_in
from tests.tui.on_screen import lines_of, text_of, until, watching
from tui.app.app import CharrnnApp
from tui.app.foreground import Foreground
from tui.panes.inside import InsidePane
from tui.rendering.inside_numbers import number
from tui.screens.help import HelpScreen
from tui.screens.inside import InsideScreen

LAYERS, HIDDEN, BATCH, SEQ = 2, 8, 2, 10
PROMPT = "the fox"


@pytest.fixture
def session(tmp_path: Path, foreground: Foreground) -> Session:
    text = tmp_path / "fox.txt"
    text.write_text(TEXT * 60)
    config = Config(
        text=(str(text),), hidden=HIDDEN, layers=LAYERS, embedding=4, batch=BATCH, seq=SEQ, threads=1, workers=1
    )
    return new_session(config, tmp_path / "calm-fox")


@asynccontextmanager
async def opened(
    session: Session, foreground: Foreground, *keys: str, size: tuple[int, int] = (120, 36)
) -> AsyncIterator[tuple[CharrnnApp, Pilot[None], InsidePane]]:
    """The screen on the paused run, once it has an answer; `keys` are pressed before it is opened."""
    link = foreground.begin(session)
    link.send(Pause())
    async with watching(link, size=size) as (app, pilot):
        await pilot.press(*keys, "i")
        await until(pilot, lambda: isinstance(app.screen, InsideScreen))
        pane = app.screen.query_one(InsidePane)
        await until(pilot, lambda: pane._answer is not None)
        yield app, pilot, pane


def shown(pane: InsidePane) -> Inside:
    assert pane._answer is not None
    return pane._answer


async def pressed(pilot: Pilot[None], pane: InsidePane, *keys: str) -> Inside:
    """The answer after `keys`."""
    assert isinstance(pilot.app, CharrnnApp)
    app = pilot.app
    await pilot.press(*keys)
    await until(pilot, lambda: app.viewer.view.inside == pane._question and not app.viewer.is_waiting)
    return shown(pane)


def of_next_window(session: Session, *, sequence: int = 0, position: int = SEQ - 1, layer: int = 0) -> Inside:
    """What the probe says of the run as it stands."""
    trainer = trainer_in(session)
    codes, targets, state = trainer.next_window(sequence)
    return inside(trainer.model, codes, targets, position=position, layer=layer, share=1 / BATCH, state=state)


def assert_same_numbers(one: Inside, other: Inside) -> None:
    assert one.values.keys() == other.values.keys()
    for name, values in one.values.items():
        np.testing.assert_array_equal(values, other.values[name], err_msg=name)
    assert (one.loss, one.codes.tolist()) == (other.loss, other.codes.tolist())


async def test_the_numbers_are_those_of_the_next_step_and_move_when_it_is_made(
    session: Session, foreground: Foreground
) -> None:
    async with opened(session, foreground) as (app, pilot, pane):
        assert_same_numbers(shown(pane), of_next_window(session))
        for _ in range(2):
            before = shown(pane)
            await pilot.press(".")
            await until(pilot, lambda before=before: shown(pane).step == before.step + 1)  # type: ignore[misc]
            after = shown(pane)
            assert_same_numbers(after, of_next_window(session))
            assert f"paused at step {after.step:,} " in text_of(app)
            assert re.search(rf"h = .* = {re.escape(number(float(after.values['h'][0])))} ", text_of(app))
        assert "the mean of the 10 losses of each of 2 sequences; this is sequence 1" in text_of(app)


async def test_keys_walk_in_time_among_layers_sequences_and_texts(session: Session, foreground: Foreground) -> None:
    async with opened(session, foreground, "p", *PROMPT, "escape") as (app, pilot, pane):
        last = len(PROMPT) - 2
        assert (shown(pane).source, shown(pane).position) == ("prompt", last)
        assert (await pressed(pilot, pane, "left", "left")).position == last - 2
        assert (await pressed(pilot, pane, "right")).position == last - 1
        assert (await pressed(pilot, pane, "home")).position == 0
        assert (await pressed(pilot, pane, "left")).position == 0
        assert (await pressed(pilot, pane, "end")).position == last
        end = await pressed(pilot, pane, *["right"] * 9)
        assert end.position == last + 1  # the last character has been read, and nothing follows it
        await pilot.press("v")
        assert "no step comes after" in text_of(app)
        assert (await pressed(pilot, pane, "tab")).layer == 1
        assert "layer 2/2" in text_of(app)
        assert (await pressed(pilot, pane, "tab")).layer == 0
        assert (await pressed(pilot, pane, "shift+tab")).layer == 1
        assert_same_numbers(await pressed(pilot, pane, "p"), of_next_window(session, layer=1))
        other = await pressed(pilot, pane, "B", "left")
        assert_same_numbers(other, of_next_window(session, layer=1, sequence=1, position=SEQ - 2))
        assert "this is sequence 2" in text_of(app)
        assert (await pressed(pilot, pane, "B")).sequence == 0
        assert (await pressed(pilot, pane, "p")).source == "prompt"


async def test_keys_choose_a_unit_without_asking_the_run(session: Session, foreground: Foreground) -> None:
    async with opened(session, foreground, size=(80, 24)) as (app, pilot, pane):
        obeyed = app.viewer._sent
        for key, unit in (("down", 1), ("down", 2), ("up", 1), ("shift+down", 7), ("down", 7), ("shift+up", 0)):
            await pilot.press(key)
            assert pane._unit == unit
            assert f"forward, unit {unit} " in text_of(app)
            assert f"x_r = {number(float(shown(pane).values['x_r'][unit]))} " in text_of(app)
        order = np.argsort(-np.abs(shown(pane).values["d_h"])).tolist()
        await pilot.press("G")
        assert pane._unit == order[0]
        await pilot.press("G", "G")
        assert pane._unit == order[2]
        await pilot.press("up", "G")
        assert pane._unit == order[0]
        assert app.viewer._sent == obeyed


async def test_every_line_can_be_reached_on_a_small_screen(session: Session, foreground: Foreground) -> None:
    async with opened(session, foreground, size=(80, 24)) as (app, pilot, _):
        assert "forward, unit 0" in text_of(app)
        seen = set(lines_of(app))
        for _ in range(6):
            await pilot.press("pagedown")
            seen |= set(lines_of(app))
        assert "↓" not in lines_of(app)[7]
        for names in ("n = np.tanh(a_n)", "d_h = ", "d_a_z = d_z * step.z * (1 - step.z)  # δ_t", "through_z = "):
            assert any(names in line for line in seen), names
        await pilot.press("v")
        assert "forward, unit 0" in text_of(app)
        await pilot.press("v")
        assert "back, unit 0" in lines_of(app)[lines_of(app).index(next(x for x in lines_of(app) if "page" in x)) + 1]
        await pilot.press(*["pageup"] * 4)
        assert "forward, unit 0" in text_of(app)


async def test_a_wide_screen_has_both_ways_side_by_side(session: Session, foreground: Foreground) -> None:
    async with opened(session, foreground, size=(200, 60)) as (app, _, _):
        assert any("forward, unit 0" in line and "back, unit 0" in line for line in lines_of(app))
        assert "through_z = " in text_of(app)


async def test_a_click_chooses_a_step_and_the_wheel_scrolls(session: Session, foreground: Foreground) -> None:
    async with opened(session, foreground, size=(80, 24)) as (app, pilot, pane):
        line = next(line for line in lines_of(app) if "x_t" in line)
        await pilot.click(InsidePane, offset=(line.index("[") - 16, 2))
        await until(pilot, lambda: shown(pane).position == SEQ - 3)
        top = pane._top
        for event, expected in ((MouseScrollDown, top + 3), (MouseScrollUp, top)):
            pane.post_message(event(pane, 5, 15, 0, 1, 0, False, False, False))
            await until(pilot, lambda expected=expected: pane._top == expected)  # type: ignore[misc]


async def test_closing_it_brings_the_dashboard_back(session: Session, foreground: Foreground) -> None:
    async with opened(session, foreground) as (app, pilot, _):
        assert app.viewer.view.inside is not None
        for key in ("escape", "i", "q"):
            await pilot.press(key)
            await until(pilot, lambda: app.screen is app.dashboard)
            await until(pilot, lambda: app.viewer.view.inside is None and not app.viewer.is_waiting)
            assert app.viewer.latest is not None
            assert app.viewer.latest.inside is None
            assert app.viewer.latest.cells is not None
            await pilot.press("i")
            await until(pilot, lambda: isinstance(app.screen, InsideScreen))


async def test_the_help_says_how_to_read_it_and_names_every_key(session: Session, foreground: Foreground) -> None:
    async with opened(session, foreground) as (app, pilot, pane):
        await pilot.press("?")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        assert isinstance(app.screen, HelpScreen)
        sections = [(text, list(keys)) for text, keys in app.screen._sections]
        assert sections[0] == (InsidePane.HELP, InsidePane.BINDINGS)
        for word in ("trained next", "Forward", "Back", "δ_t", "from above", "straight", "does not tell"):
            assert word in pane.HELP
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, InsideScreen))


async def test_a_run_that_has_ended_answers_from_its_saved_weights(tmp_path: Path) -> None:
    run = RunReader(finish_run(tmp_path / "run"))
    parameters, _ = run.saved()
    async with watching(ArchiveLink(run.path)) as (app, pilot):
        await pilot.press("i")
        await until(pilot, lambda: isinstance(app.screen, InsideScreen))
        pane = app.screen.query_one(InsidePane)
        await until(pilot, lambda: pane._answer is not None)
        assert shown(pane).source == "held-out"
        assert "of a window of held-out text, from a zero state" in text_of(app)
        assert "train a step" not in text_of(app)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.dashboard)
        await pilot.press("p", *PROMPT, "escape", "i")
        await until(pilot, lambda: isinstance(app.screen, InsideScreen))
        pane = app.screen.query_one(InsidePane)
        await until(pilot, lambda: pane._answer is not None)
        codes, _ = Vocabulary(run.vocabulary).encode(PROMPT)
        assert_same_numbers(
            shown(pane), inside(Model(parameters), codes, np.append(codes[1:], NONE), position=len(PROMPT) - 2)
        )
