"""One clock: all panes, the cursor and the header show one moment of the run, and a question never another's answer."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from engine.config import Config
from engine.remote.archive import ArchiveLink
from engine.runs.reader import RunReader
from engine.session.messages import MarkMoment, View
from engine.session.start import new_session
from tests.tui.fake_run import FakeLink
from tests.tui.on_screen import dashboard, lines_of, sent, text_of, until, watching
from tui.app.app import CharrnnApp
from tui.panes.pane import ViewChanged
from tui.rendering.sample_log import SampleLog
from tui.screens.moments import NOW, neighbour

CONFIG = Config(text=("physics",), hidden=12, embedding=6, batch=4, seq=10, threads=1, steps=120)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("moments") / "calm-fox"
    new_session(CONFIG, path).run()
    return path


def log_of(app: CharrnnApp) -> SampleLog:
    """The samples on the screen."""
    log = vars(app.dashboard.panes["samples"])["_log"]
    assert isinstance(log, SampleLog)
    return log


def steps_shown(app: CharrnnApp) -> set[str]:
    """The steps that gradients, connectivity and cells say that they are of, and that of the newest sample."""
    found = set()
    for name in ("gradients", "connectivity", "cells"):
        pane = app.dashboard.panes[name]
        text = "\n".join(pane.render_line(y).text for y in range(pane.size.height))
        found.add((re.findall(r"step ([\d,]+)", text) or ["none"])[0])
    samples = list(log_of(app))
    return found | {f"{samples[-1].step:,}" if samples else "none"}


def is_awaiting(app: CharrnnApp) -> bool:
    return any(pane.is_awaiting for pane in app.dashboard.panes.values() if pane.display)


@asynccontextmanager
async def walking(link: FakeLink) -> AsyncIterator[tuple[CharrnnApp, FakeLink, Pilot[None]]]:
    """The dashboard on a scripted run, with a prompt, so that every pane has an answer."""
    async with dashboard(link) as (app, _, pilot):
        app.on_view_changed(ViewChanged(prompt="the"))
        await until(pilot, lambda: steps_shown(app) == {f"{link.step:,}"})
        yield app, link, pilot


@pytest.mark.parametrize(
    ("here", "before", "after"),
    [(None, 50, None), (50, 20, NOW), (20, 0, 50), (0, None, 20), (30, 20, 50)],
)
def test_the_moments_before_and_after(here: int | None, before: int | None, after: int | str | None) -> None:
    assert neighbour([0, 20, 50], 60, here, -1) == before
    assert neighbour([0, 20, 50], 60, here, 1) == after


def test_before_a_moment_that_is_now_comes_another_one() -> None:
    assert neighbour([0, 20, 60], 60, None, -1) == 20


async def test_two_keys_walk_the_whole_dashboard_and_end_goes_back() -> None:
    async with walking(FakeLink(reports=64)) as (app, link, pilot):
        await pilot.press("left_parenthesis", "left_parenthesis")
        await until(pilot, lambda: not is_awaiting(app))
        assert link.view.moment == 160  # 320 is the one before it
        assert steps_shown(app) == {"160"}
        assert "◀ step 160 " in lines_of(app)[0]
        assert "training goes on" in lines_of(app)[0]
        await pilot.press("right_parenthesis")
        await until(pilot, lambda: not is_awaiting(app))
        assert steps_shown(app) == {"320"}
        for key in ("end", "escape"):
            for pane in "12345":  # in each of which the key may mean something else
                await pilot.press(pane, "left_parenthesis")
                await until(pilot, lambda: app.viewer.view.moment is not None)
                await pilot.press(key)
                await until(pilot, lambda: app.viewer.view.moment is None and not is_awaiting(app))
                assert "◀" not in lines_of(app)[0]
        assert steps_shown(app) == {"640"}


async def test_the_loss_has_its_cursor_at_the_moment_and_says_what_is_now() -> None:
    async with walking(FakeLink(reports=64)) as (app, link, pilot):
        await pilot.press("left_parenthesis", "left_parenthesis")
        loss = app.dashboard.panes["loss"]
        await until(pilot, lambda: str(loss.border_subtitle).startswith("160: raw"))
        await pilot.press("m")
        then = f"step 160 {link.smoothed(160):.3f} ◆ {link.val_loss(100):.3f}"
        now = f"now {link.smoothed(640):.3f} ◆ {link.val_loss(600):.3f}"
        await until(pilot, lambda: str(loss.border_subtitle) == f"{then} · {now}")
        await pilot.press("end")
        await until(pilot, lambda: "smooth" in str(loss.border_subtitle))


async def test_now_is_laid_over_the_moment_and_taken_away() -> None:
    async with walking(FakeLink(reports=64)) as (app, link, pilot):
        await pilot.press("m")
        await pilot.pause()
        assert not link.view.beside_now  # there is nothing to lay it over
        await pilot.press("left_parenthesis", "m")
        gradients = app.dashboard.panes["gradients"]
        await until(pilot, lambda: "● step 640 · now · ○ step 320" in gradients.render_line(0).text)
        await pilot.press("left_parenthesis")  # it stays while one walks
        await until(pilot, lambda: "○ step 160" in gradients.render_line(0).text)
        await pilot.press("m")
        await until(pilot, lambda: "○" not in gradients.render_line(0).text)
        assert (link.view.moment, link.view.beside_now) == (160, False)


async def test_until_the_answer_comes_the_header_and_each_pane_say_what_is_awaited() -> None:
    async with walking(FakeLink(reports=64)) as (app, link, pilot):
        await until(pilot, lambda: not app.viewer.is_waiting)
        take, held = link.take, []
        link.take = lambda: held.append(take())  # type: ignore[method-assign]
        await pilot.press("left_parenthesis")
        await pilot.pause()
        assert "→ step 320 …" in lines_of(app)[0]
        for name in ("gradients", "connectivity", "cells", "samples"):
            assert "→ step 320 …" in str(app.dashboard.panes[name].border_title), name
        # An answer to the question before, which comes late, is not taken for that of the moment.
        late = dataclasses.replace(link.snapshot(), moment=None, obeyed=len(link.sent) - 1)
        app.dashboard.show(late)
        assert is_awaiting(app)
        link.take = take  # type: ignore[method-assign]
        link._fresh = True
        await until(pilot, lambda: not is_awaiting(app))
        assert "…" not in "".join(str(pane.border_title) for pane in app.dashboard.panes.values())
        assert steps_shown(app) == {"320"}


async def test_a_moment_that_is_kept_no_more_leads_back_to_now() -> None:
    async with walking(FakeLink(reports=64)) as (app, link, pilot):
        await pilot.press("left_parenthesis")
        await until(pilot, lambda: not is_awaiting(app))
        link.dropped.add(320)
        link.advance()
        await until(pilot, lambda: "The weights of step 320 are kept no more" in " ".join(text_of(app).split()))
        assert app.dashboard.moment is None


async def test_the_present_weights_are_marked_and_the_keys_are_offered_where_they_do_something() -> None:
    async with dashboard(FakeLink(reports=0)) as (app, link, pilot):
        app.dashboard.set_focus(None)
        actions = {"walk": (-1,), "now": (), "beside_now": ()}
        assert [app.dashboard.check_action(*each) for each in actions.items()] == [False] * 3
        link.advance(5)
        await pilot.press("M")
        await until(pilot, lambda: sent(link, MarkMoment))
        assert link.marked == {50}
        link.finish()
        await until(pilot, lambda: not app.dashboard.check_action("mark", ()))
        assert app.dashboard.check_action("walk", (-1,))
        await pilot.press("left_parenthesis")
        await until(pilot, lambda: "the run has ended" in lines_of(app)[0])


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_an_ended_run_is_walked_from_disk_to_its_first_moment_and_back(
    ended: Path, size: tuple[int, int]
) -> None:
    """As fast as keys repeat: of each frame in which nothing is awaited, all panes are of the moment asked for."""
    async with watching(ArchiveLink(ended), size=size) as (app, pilot):
        await until(pilot, lambda: app.viewer.latest is not None and app.viewer.latest.moments)
        frames = 0
        for key in ["left_parenthesis"] * 12 + ["right_parenthesis"] * 12:
            await pilot.press(key)
            if not is_awaiting(app) and not app.viewer.is_waiting:
                frames += 1
                moment = app.dashboard.moment
                wanted = "120" if moment is None else f"{moment:,}"
                if size == (120, 36):
                    assert steps_shown(app) == {wanted}
                assert moment is None or f"step {wanted} " in lines_of(app)[0]
        assert frames > 0
        await until(pilot, lambda: app.viewer.view.moment is None and not app.viewer.is_waiting)
        assert app.viewer.latest is not None
        assert app.viewer.latest.moments == tuple(RunReader(ended).kept_steps()) == (0, 1, 2, 5, 10, 20, 50, 100)
        await pilot.press(*["left_parenthesis"] * 8)
        await until(pilot, lambda: app.viewer.latest is not None and app.viewer.latest.moment == 0)
        assert "the run has ended" in lines_of(app)[0]


async def test_an_ended_run_shows_every_pane_answered_and_writes_what_it_is_asked_for(ended: Path) -> None:
    async with watching(ArchiveLink(ended)) as (app, pilot):
        await until(pilot, lambda: steps_shown(app) == {"120"})
        assert "Waiting" not in text_of(app)
        await pilot.press("2", "T", "T")
        samples = app.dashboard.panes["samples"]
        await until(pilot, lambda: "T 1 " in str(samples.border_subtitle))
        await until(pilot, lambda: [*log_of(app)][-1].temperature == 1 and [*log_of(app)][-1].complete)


async def test_another_run_begins_at_now() -> None:
    async with walking(FakeLink(reports=64)) as (app, _, pilot):
        await pilot.press("left_parenthesis")
        await until(pilot, lambda: not is_awaiting(app))
        app._put_on_screen(FakeLink(reports=3))
        await until(pilot, lambda: app.viewer.latest is not None and app.viewer.latest.step == 30)
        assert app.dashboard.moment is None
        assert app.viewer.view == View(visible=app.viewer.view.visible)
        assert "◀" not in lines_of(app)[0]
