"""The first lesson, walked with real keys on a run that trains: each step waits, and what it says is on the screen."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from textual.pilot import Pilot

from engine.config import Config
from engine.runs.reader import RunReader
from engine.session.messages import Plateau, View
from engine.session.session import Session
from engine.session.start import new_session
from engine.text.brackets import blocks
from tests.finished_run import flow_of
from tests.tui.fake_run import FakeLink
from tests.tui.on_screen import dashboard, lines_of, text_of, until, watching
from tui.app.app import CharrnnApp
from tui.app.foreground import Foreground
from tui.cli import main
from tui.cli.arguments.training import LESSON_STEPS
from tui.rendering.gradient_windows import ratio
from tui.screens.dialogs import LessonDialog
from tui.screens.first_lesson import END, STEPS, fits, settings
from tui.screens.inside import InsideScreen
from tui.screens.lesson import BINDINGS, Lesson, Look, holes
from tui.screens.lesson_facts import FACTS, holds_one_at_most
from tui.widgets.lesson_strip import LessonStrip

pytestmark = pytest.mark.usefixtures("keys_wait_for_no_idle_process")

LINES = 3  # that a step may take from a small screen


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """The lesson's own run, which learns faster than it does for people."""
    return new_session(settings().replace(lr=1e-2, threads=1, workers=1), tmp_path / "keen-fox")


@asynccontextmanager
async def lesson_on(
    session: Session, foreground: Foreground, size: tuple[int, int], at: int = 1
) -> AsyncIterator[tuple[CharrnnApp, Pilot[None]]]:
    async with watching(foreground.begin(session), size=size) as (app, pilot):
        app._begin_lesson(at)
        yield app, pilot


def at(app: CharrnnApp) -> int:
    """The number of the step that is shown, from 1; 11 after the last one."""
    assert app._lesson is not None
    return app._lesson.at + 1


def of(app: CharrnnApp) -> Any:
    """The newest snapshot."""
    return app.viewer.latest


def strip(app: CharrnnApp) -> str:
    """What the lesson says now, in one line; nothing before it says anything on this screen."""
    return " ".join(" ".join(each._shown.plain for each in app.screen.query(LessonStrip)).split())


async def press(pilot: Pilot[None], *names: str) -> None:
    """Press the keys of bindings."""
    await pilot.press(*(BINDINGS[name].key for name in names))


async def begun(app: CharrnnApp, pilot: Pilot[None], number: int, idle: tuple[str, ...] = ("lr.up", "lr.down")) -> None:
    """Wait until step `number` says what to do; then see that it waits, whatever else is done (`idle`)."""
    await until(pilot, lambda: at(app) == number and app._lesson is not None and app._lesson._began is not None)
    await until(pilot, lambda: strip(app).startswith(f"{number}/10 {STEPS[number - 1].title}: "))
    assert app.screen.query_one(LessonStrip).size.height <= LINES, strip(app)
    await press(pilot, *idle)
    await until(pilot, lambda: not app.viewer.is_waiting)
    for _ in range(3):
        app._follow_lesson()
        await pilot.pause(0)
    assert at(app) == number


async def resume(app: CharrnnApp, pilot: Pilot[None]) -> None:
    """Let the paused run train on."""
    await until(pilot, lambda: not app.viewer.is_waiting and of(app).state == "paused")
    await press(pilot, "run.resume")
    await until(pilot, lambda: of(app).state == "training")


async def leads_to(app: CharrnnApp, pilot: Pilot[None], words: str) -> None:
    """Wait until the strip has `words`, and see that they have room."""
    try:
        await until(pilot, lambda: words in strip(app))
    except AssertionError:
        raise AssertionError(f"{words!r} is not in {strip(app)!r}") from None
    assert app.screen.query_one(LessonStrip).size.height <= LINES, strip(app)


async def choose_a_unit(app: CharrnnApp, pilot: Pilot[None]) -> None:
    """Go from unit to unit until the lesson has found what it asks for."""
    while "Find straight" not in (said := strip(app)):
        if "goes to another unit" in said:
            await press(pilot, "inside.strongest")
        await until(pilot, lambda said=said: strip(app) != said)  # type: ignore[misc]


async def take_a_step_apart(app: CharrnnApp, pilot: Pilot[None]) -> None:
    """From a run that trains to the unit that is to be followed back by hand."""
    await leads_to(app, pilot, "pauses, so that")
    await press(pilot, "run.pause")
    await leads_to(app, pilot, "takes one time step apart")
    await press(pilot, "step.inside")
    await leads_to(app, pilot, "to the way back")
    await press(pilot, "inside.strongest", "inside.turn")
    await choose_a_unit(app, pilot)
    await begun(app, pilot, 6, idle=("inside.down", "inside.up"))


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_lesson_is_walked_to_its_end(session: Session, foreground: Foreground, size: tuple[int, int]) -> None:
    async with lesson_on(session, foreground, size) as (app, pilot):
        await begun(app, pilot, 1)
        assert f"ln 8 = {math.log(8):.2f}" in strip(app)
        await press(pilot, "loss.unit")
        await leads_to(app, pilot, "2.08 nats are 3 bits")
        app._announce(Plateau(1000, 5, 0.5))
        app.notify("This stands above the lesson")
        await until(pilot, lambda: "stands above" in text_of(app))
        notice, lesson = app.screen.query_one("Toast").region, app.screen.query_one(LessonStrip).region
        assert notice.bottom <= lesson.y
        assert "2.08 nats are 3 bits" in " ".join(text_of(app).split())
        assert "has not fallen" not in text_of(app)
        app.clear_notifications()
        await until(pilot, lambda: "stands above" not in text_of(app))
        await press(pilot, "loss.unit", "pane.samples")

        await begun(app, pilot, 2)
        await press(pilot, *["samples.hotter"] * 5)
        await leads_to(app, pilot, "Hotter is bolder")
        deepest = max(filter(str.isdigit, "".join(blocks(10_000))))
        await leads_to(app, pilot, f"a digit says how many brackets are open, at most {deepest}.")
        await press(pilot, *["temp.down"] * 5)
        await leads_to(app, pilot, "pauses the training")
        await press(pilot, "run.pause")

        await begun(app, pilot, 3)
        assert f"reads {32 * 10} characters" in strip(app)
        assert f"moves {session.info.parameters:,} weights" in strip(app)
        step = session.loop.trainer.steps
        await press(pilot, "run.step")
        await until(pilot, lambda: at(app) == 4)
        assert session.loop.trainer.steps == step + 1
        await leads_to(app, pilot, "lets the training go on")
        await resume(app, pilot)
        await leads_to(app, pilot, "brings Gradients")
        await press(pilot, "pane.gradients")

        await begun(app, pilot, 4)
        while app.dashboard.moment != 0:
            here = app.dashboard.moment
            await press(pilot, "moment.before")
            await until(pilot, lambda here=here: app.dashboard.moment != here)  # type: ignore[misc]

        await begun(app, pilot, 5)
        shrinking = 1 / ratio(flow_of(RunReader(session.directory), 0)).median
        assert f"shrinks {float(f'{shrinking:.2g}'):g}-fold from t = 9 to 0" in strip(app)
        assert (
            sum(f"{float(f'{shrinking:.2g}'):g}-fold" in line for line in lines_of(app)) == 2
        )  # the pane says so, too
        (factor,) = re.findall(r"here 9 times by ([0-9.]+) ", strip(app))
        assert float(factor) ** -9 == pytest.approx(shrinking, rel=0.1)
        await press(pilot, "moment.now")
        await take_a_step_apart(app, pilot)
        if size == (80, 24):  # the page is left, and opened again with other weights
            await press(pilot, "inside.close")
            await resume(app, pilot)
            await take_a_step_apart(app, pilot)
        await choose_a_unit(app, pilot)  # a key may have come before its answer to the one before
        await leads_to(app, pilot, "Find straight")
        sentence = re.search(r"of unit (\d+) at t = (\d+).* d_h · z = (\S+): .* goes to step (\d+)", strip(app))
        assert sentence is not None
        unit, at_step, straight, before = sentence.groups()
        assert re.search(rf"straight = .* = {re.escape(straight)} ", text_of(app))
        await press(pilot, "inside.left")
        await until(pilot, lambda: at(app) == 7)
        assert int(before) == int(at_step) - 1
        total = " ".join(" ".join(lines_of(app)).replace("│", " ").split())
        (again,) = re.findall(rf"(\S+) \(straight of step {at_step}\)", total)
        assert _value(again) == pytest.approx(_value(straight), rel=0.01, abs=_last_place(again))
        assert f"back, unit {unit}" in total
        await press(pilot, "inside.close")
        await leads_to(app, pilot, "lets the training go on")
        await resume(app, pilot)
        await leads_to(app, pilot, "lets you type")
        await press(pilot, "prompt.focus")

        await begun(app, pilot, 7, idle=())
        await pilot.press(*"1 ( ", "backspace", " ", *"( 3 ")
        assert at(app) == 7
        await press(pilot, "connectivity.done")
        await leads_to(app, pilot, "depends most on")
        await press(pilot, "pane.cells")  # a pane in which nothing of what was seen is on the screen
        await until(pilot, lambda: of(app).cells is not None and (size[0] > 100 or of(app).connectivity is None))
        await leads_to(app, pilot, "depends most on")
        await press(pilot, "pane.connectivity")
        await until(pilot, lambda: of(app).connectivity is not None)
        await until(pilot, lambda: f", {_distance(of(app).connectivity.matrix[-1].tolist())} back" in strip(app))
        await press(pilot, "pane.loss", "pane.view")

        await begun(app, pilot, 8, idle=())
        await leads_to(app, pilot, "Blanks are 50% of the characters and <1% of the loss")
        best = of(app).best_val_loss - of(app).regret  # it does not depend on the network
        words = f"probabilities have a loss of {best:.3f} over all. The network has"
        await until(pilot, lambda: f"{words} {of(app).where.loss:.3f}: it counts" in strip(app))
        await press(pilot, "pane.cells")
        await leads_to(app, pilot, "brings the view contexts")
        await press(pilot, "pane.view")
        await until(pilot, lambda: of(app).contexts is not None)
        while (feature := of(app).contexts.feature) != "bracket depth":
            await press(pilot, "contexts.feature")
            await until(pilot, lambda feature=feature: of(app).contexts.feature != feature)  # type: ignore[misc]

        await begun(app, pilot, 9, idle=())
        await until(pilot, lambda: f"▸ Unit {of(app).contexts.unit} follows the depth: r = {_r(app)}." in strip(app))
        await until(pilot, lambda: _chosen(app) == pytest.approx(abs(of(app).contexts.correlation).max()))
        await until(pilot, lambda: _chosen(app) > of(app).contexts.chance)
        await press(pilot, "contexts.down")
        await leads_to(app, pilot, "until map")
        await press(pilot, *["pane.view"] * 3)
        await leads_to(app, pilot, "sorts the units")
        await press(pilot, "cells.sort", "cells.sort")

        await begun(app, pilot, 10, idle=())
        await press(pilot, "cells.clamp")
        await until(pilot, lambda: at(app) == 11)
        await leads_to(app, pilot, "the validation loss changes by")
        await until(pilot, lambda: _effect(app) == pytest.approx(of(app).cells.clamp_effect, abs=0.001))
        said = strip(app)
        assert ("the network counts with it" in said) == (_effect_in(said) > 0.01)
        await pilot.press("escape")
        await until(pilot, lambda: not app.screen.query(LessonStrip))
        assert app._lesson is None


def test_an_effect_of_several_held_units_is_not_put_down_to_one() -> None:
    link = FakeLink()
    snapshot = link.take()
    assert snapshot is not None
    needs = dict(STEPS[-1].needs)
    one, both = ((3, 1.0),), ((3, 1.0), (4, 0.0))
    for clamped, alone, words in (((), True, "the unit"), (one, True, "the unit"), (both, False, "2 units")):
        shown = replace(link.cells(1200), clamped=clamped, clamp_effect=0.5)
        look = Look("cells", "map", False, False, None, View(), replace(snapshot, cells=shown), link.info)
        assert holds_one_at_most(look) == alone
        assert FACTS["held"](look) == words
        assert (FACTS["verdict"](look) == "all of them together do that") != alone
    assert "press {cells.clamp} until each is free" in needs[holds_one_at_most]


def _distance(row: list[float]) -> int:
    """How far the largest value lies before the end."""
    return len(row) - 1 - row.index(max(row))


def _r(app: CharrnnApp) -> str:
    contexts = of(app).contexts
    return f"{float(contexts.correlation[contexts.unit]):+.2f}".replace("-", "−")


def _chosen(app: CharrnnApp) -> float:
    """How closely the chosen unit follows the feature, 0 … 1."""
    contexts = of(app).contexts
    return abs(float(contexts.correlation[contexts.unit]))


def _effect(app: CharrnnApp) -> float:
    return _effect_in(strip(app))


def _effect_in(text: str) -> float:
    """What holding the unit does to the validation loss, in nats, as the lesson says it."""
    (effect,) = re.findall(r"changes by ([+−0-9.]+) nats", text)
    return _value(effect)


def _last_place(text: str) -> float:
    """What a number that is rounded as `text` is may be off by."""
    mantissa, _, exponent = text.replace("−", "-").partition("e")
    decimals = len(mantissa.partition(".")[2])
    return 10.0 ** (int(exponent or 0) - decimals) if decimals else 1e-3


def _value(text: str) -> float:
    return float(text.replace("−", "-"))


def test_the_network_is_as_small_as_the_readme_says() -> None:
    assert (settings().hidden, settings().text, len(STEPS)) == (15, ("brackets",), LESSON_STEPS)


def test_every_key_that_is_named_exists_and_every_number_is_a_fact() -> None:
    texts = [END, *(step.text for step in STEPS), *(text for step in STEPS for _, text in step.needs)]
    assert holes(texts) <= BINDINGS.keys() | FACTS.keys()
    assert holes(texts) >= FACTS.keys()
    bare = [re.sub(r"\{[^}]*\}", "", text) for text in texts]
    allowed = "below 1 |1 \\( \\( 3|in 5% of cases|step 0|t = | to 0"
    assert not [text for text in bare if re.search(r"\d", re.sub(allowed, "", text))]


def test_a_step_that_is_lost_begins_anew() -> None:
    """What was done between two pauses is not the one step that was asked for."""
    paused, made = (FakeLink(reports=count) for count in (3, 4))
    looks = {}
    for name, link, state in (("paused", paused, "paused"), ("going on", made, "training"), ("again", made, "paused")):
        link.state = state  # type: ignore[assignment]
        snapshot = link.take()
        assert snapshot is not None
        looks[name] = Look("loss", "curves", False, False, None, View(), snapshot, link.info)
        link.advance(0)
    lesson = Lesson(STEPS, END, FACTS, 2)
    for name in ("paused", "going on", "again", "again"):
        lesson.follow(looks[name])
        assert lesson.at == 2
    assert lesson.follow(looks["again"])[1] == STEPS[2].text
    one_more = replace(looks["again"].snapshot, step=looks["again"].snapshot.step + 1)
    lesson.follow(replace(looks["again"], snapshot=one_more))
    assert lesson.at == 3


async def test_it_is_left_at_any_step_without_a_question_and_says_how_to_come_back(
    session: Session, foreground: Foreground
) -> None:
    async with lesson_on(session, foreground, (80, 24), at=7) as (app, pilot):
        await until(pilot, lambda: strip(app).startswith("7/10 Connectivity"))
        await press(pilot, "run.pause")
        await until(pilot, lambda: of(app).state == "paused")
        await press(pilot, "step.inside")
        await until(pilot, lambda: isinstance(app.screen, InsideScreen) and strip(app))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.dashboard)
        assert app._lesson is not None  # the key had another meaning there
        await pilot.press("escape")
        await until(pilot, lambda: app._lesson is None)
        assert not app.screen.query(LessonStrip)
        assert of(app).state == "paused"
        (notice,) = app._notifications
        assert "ctrl+p" in notice.message
        assert "`charrnn-tui lesson 7`" in notice.message
        commands = {command.title: command.callback for command in app.get_system_commands(app.screen)}
        commands["Lesson 7/10: Connectivity"]()
        await until(pilot, lambda: at(app) == 7 and strip(app))


async def test_on_another_run_it_is_asked_for_and_begins_a_network_of_its_own() -> None:
    started: list[Config] = []

    def start(config: Config) -> FakeLink:
        started.append(config)
        return FakeLink(config, reports=0)

    async with dashboard(start=start) as (app, _, pilot):
        assert not fits(app.viewer.link.info)
        for answer in ("escape", "s"):
            app.take_lesson(1)
            await until(pilot, lambda: isinstance(app.screen, LessonDialog))
            assert not started
            await pilot.press(answer)
            await until(pilot, lambda: app.screen is app.dashboard)
        await until(pilot, lambda: started)
        assert started == [settings()]


@pytest.mark.parametrize("step", ["0", "11", "first"])
def test_a_step_that_there_is_not_is_refused(step: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["lesson", step])
    assert left.value.code == 2
    assert f"{step} is not a step of the lesson, 1 to {LESSON_STEPS}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "is_walked"),
    [
        ({"position": 2}, True),
        ({"position": 3}, False),
        ({"position": 2, "step": 9}, False),
        ({"position": 2, "source": "prompt"}, False),
        ({"position": 2, "sequence": 1}, False),
    ],
)
def test_back_in_time_is_only_where_weights_and_text_are_the_same(change: dict[str, Any], is_walked: bool) -> None:
    def look(**place: Any) -> Any:
        return SimpleNamespace(way_back=True, inside=SimpleNamespace(**place))

    began = {"step": 5, "source": "training", "sequence": 0, "position": 3}
    by_hand = next(step for step in STEPS if step.title == "By hand")
    assert by_hand.done(look(**began | change), look(**began)) == is_walked
