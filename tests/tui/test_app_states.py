"""A run that ends or fails stays on the screen, which says what happened and what one can do."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from rich.console import RenderableType
from textual.screen import Screen

from engine.errors import UserError
from engine.remote.archive import ArchiveLink
from engine.session.messages import Command, SetView, Stop
from tests.finished_run import finish_run
from tests.tui.fake_run import FakeLink
from tests.tui.on_screen import at_rest, dashboard, text_of, until, watching
from tui.app.base_app import MOST_NOTICES
from tui.app.foreground import Foreground


async def test_a_finished_run_says_so_and_offers_a_new_one() -> None:
    async with dashboard() as (app, link, pilot):
        link.finish()
        await until(pilot, lambda: "✓ finished" in text_of(app) and "Finished" in text_of(app))
        assert "Finished at step 1,200: all 1,200 steps are done. n new run · q quit" in text_of(app)
        assert "Loss" in text_of(app)
        await pilot.press("space", "full_stop", "s", "]")
        await pilot.pause(0.1)
        assert {type(command) for command in link.sent} == {SetView}


async def test_a_run_that_has_ended_goes_on() -> None:
    ended = FakeLink()
    asked: list[Path] = []
    ended.finish()

    def resume(directory: Path) -> FakeLink:
        asked.append(directory)
        return FakeLink(reports=121)

    async with dashboard(ended, size=(80, 24), resume=resume) as (app, link, pilot):
        await until(pilot, lambda: "g go on without an end · n new run · q quit" in " ".join(text_of(app).split()))
        await pilot.press("g")
        await until(pilot, lambda: "▶ training" in text_of(app))
        assert asked == [Path("runs/brisk-otter")]
        assert app.viewer.link is not link
        await until(pilot, lambda: link.closed)
        assert "go on" not in text_of(app)
        await pilot.press("g")  # it is going on already
        await pilot.pause(0.05)
        assert len(asked) == 1


async def test_a_run_that_cannot_go_on_stays_as_it_was() -> None:
    def refuse(directory: Path) -> FakeLink:
        raise UserError("its text has changed since")

    async with dashboard(resume=refuse) as (app, link, pilot):
        await pilot.press("g")  # one that has not ended is left alone
        link.send(Stop())
        await until(pilot, lambda: "g go on · n new run" in text_of(app))
        await pilot.press("g")
        await until(pilot, lambda: "its text has changed since" in text_of(app))
        assert app.viewer.link is link
        assert not link.closed


async def test_the_banner_offers_nothing_that_does_nothing() -> None:
    link = FakeLink()
    link.finish()
    async with watching(link) as (app, pilot):
        await until(pilot, lambda: "all 1,200 steps are done. q quit" in text_of(app))
    async with watching(link, has_list=True) as (app, pilot):
        await until(pilot, lambda: "all 1,200 steps are done. esc back" in text_of(app))


async def test_a_divergence_says_why_and_offers_the_way_back() -> None:
    async with dashboard(size=(80, 24)) as (app, link, pilot):
        link.diverge()
        await until(pilot, lambda: "✗ diverged" in text_of(app) and "Diverged" in text_of(app))
        words = " ".join(text_of(app).split())
        assert "Diverged: the loss is not a number; the weights of step 1,100 are kept." in words
        assert "b go back with half the learning rate · n new run · q quit" in words
        await pilot.press("b")
        await until(pilot, lambda: "Diverged" not in text_of(app))


def diverged_run(directory: Path) -> Path:
    """A run that has ended because its loss was no number any more."""
    return finish_run(directory / "calm-fox", optimizer="sgd", clip="none", cell="rnn", lr=50.0)


class ListeningArchiveLink(ArchiveLink):
    """Keeps what is sent to a run that has ended."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.sent: list[Command] = []

    def send(self, command: Command) -> int:
        self.sent.append(command)
        return super().send(command)


async def test_a_divergence_that_is_over_offers_only_to_go_on(tmp_path: Path) -> None:
    link = ListeningArchiveLink(diverged_run(tmp_path))
    async with watching(link, size=(80, 24), detach=FakeLink, resume=lambda directory: FakeLink()) as (app, pilot):
        await until(pilot, lambda: "✗ diverged" in text_of(app) and "Diverged" in text_of(app))
        words = " ".join(text_of(app).split())
        assert "go on from them at the same learning rate; lower that with `[`, or with `b`" in words
        assert "again. g go on · q quit" in words
        assert not any(offer in words for offer in ("go back", "s save", "d detach", "[ ] lr"))
        link.sent.clear()
        await pilot.press("b", "space", "full_stop", "s", "]", "d")
        await pilot.pause(0.05)
        assert link.sent == []
        assert app.viewer.link is link
        await pilot.press("q")  # nothing is lost by it
        await until(pilot, lambda: not app.is_running)


async def test_a_run_that_diverged_again_may_be_gone_back_in(tmp_path: Path, foreground: Foreground) -> None:
    async with watching(ArchiveLink(diverged_run(tmp_path)), resume=foreground.take_up) as (app, pilot):
        await until(pilot, lambda: "g go on" in text_of(app))
        assert "go back with" not in text_of(app)
        await pilot.press("g")
        await until(pilot, lambda: "b go back with half the learning rate" in text_of(app))
        await pilot.press("b")
        await until(pilot, lambda: app.viewer.latest is not None and app.viewer.latest.lr == 25.0)


async def test_a_failure_shows_its_text_and_its_log() -> None:
    async with dashboard() as (app, link, pilot):
        link.fail()
        await until(pilot, lambda: "✗ failed" in text_of(app) and "Failed" in text_of(app))
        words = " ".join(text_of(app).split())
        assert "Failed at step 1,200: ValueError: operands could not be broadcast." in words
        assert "The traceback is in runs/brisk-otter/log." in words


async def test_a_warning_stays_until_its_cause_is_gone() -> None:
    async with dashboard() as (app, link, pilot):
        link.warn("disk full: [Errno 28] the weights of step 900 are the last saved")
        await until(pilot, lambda: "disk full: [Errno 28]" in text_of(app))
        link.advance(5)
        await pilot.pause(0.1)
        assert "disk full" in text_of(app)
        link.warn("")
        await until(pilot, lambda: "disk full" not in text_of(app))


async def test_the_banner_can_be_clicked() -> None:
    async with dashboard() as (app, link, pilot):
        link.diverge()
        await until(pilot, lambda: "go back with" in text_of(app))
        line = next(i for i, text in enumerate(text_of(app).splitlines()) if "go back with" in text)
        column = text_of(app).splitlines()[line].index("go back with")
        await pilot.click(offset=(column, line))
        await until(pilot, lambda: "▶ training" in text_of(app))


async def test_a_notice_is_a_toast_and_a_finished_sample_is_not() -> None:
    async with dashboard() as (app, link, pilot):
        link.advance(40)
        await pilot.pause(0.1)
        assert len(app._notifications) == 0
        link.notice("saving works again [really]")
        await until(pilot, lambda: "saving works again [really]" in text_of(app))


async def test_nothing_is_drawn_while_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    async with dashboard() as (app, link, pilot):
        await at_rest(pilot)
        drawn: list[object] = []
        display = app._display

        def watched(screen: Screen[object], update: RenderableType | None) -> None:
            if update:
                drawn.append(update)
            display(screen, update)

        monkeypatch.setattr(app, "_display", watched)
        quiet, end = 0, time.monotonic() + 120
        while quiet < 2 and time.monotonic() < end:  # what had begun before may be drawn at first
            drawn.clear()
            await pilot.pause(0.3)
            quiet = 0 if drawn else quiet + 1
        assert quiet == 2
        link.advance()
        await until(pilot, lambda: drawn)


async def test_an_untrained_run_has_dashes_for_what_it_does_not_know() -> None:
    async with dashboard(FakeLink(reports=0)) as (app, _, _):
        assert "step 0" in text_of(app)
        assert "val –" in " ".join(text_of(app).split())


async def test_a_run_that_says_thousands_of_things_leaves_the_keys_alone() -> None:
    async with dashboard() as (app, link, pilot):
        for number in range(20_000):
            link.notice(f"notice {number}")
        await until(pilot, lambda: len(app._notifications) > 0)
        assert len(app._notifications) == MOST_NOTICES
        await pilot.press("3")
        await until(pilot, lambda: app.dashboard.panes["gradients"].has_focus)
