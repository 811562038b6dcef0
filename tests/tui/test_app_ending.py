"""What becomes of the run when the program is left, or when the run leaves the program."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.widgets import Button

from engine.errors import UserError
from engine.session.messages import SetView, Snapshot, Stop
from tests.tui.fake_run import FakeLink
from tests.tui.on_screen import dashboard, sent, text_of, until, watching
from tui.app.app import CharrnnApp


@pytest.mark.parametrize(
    ("keys", "stop"),
    [
        (["q", "s"], Stop(save=True)),
        (["q", "q"], Stop(save=True)),
        (["q", "enter"], Stop(save=True)),
        (["ctrl+c", "ctrl+c"], Stop(save=True)),
        (["q", "x"], Stop(save=False)),
        (["q", "right", "enter"], Stop(save=False)),
    ],
)
async def test_save_and_quit_or_quit(keys: list[str], stop: Stop) -> None:
    async with dashboard() as (app, link, pilot):
        await pilot.press(keys[0])
        await until(pilot, lambda: "Save and quit" in text_of(app))
        await pilot.press(*keys[1:])
        await until(pilot, lambda: not app.is_running)
        assert sent(link, Stop) == [stop]
        assert link.closed
        assert app.return_code == 0


@pytest.mark.parametrize("keys", [["escape"], ["right", "right", "enter"]])
async def test_or_stay(keys: list[str]) -> None:
    async with dashboard(size=(80, 24)) as (app, link, pilot):
        await pilot.press("q")
        await until(pilot, lambda: "Save and quit" in text_of(app))
        assert "Stay" in text_of(app)
        await pilot.press(*keys)
        await until(pilot, lambda: app.screen is app.dashboard)
        assert sent(link, Stop) == []
        link.advance()
        await until(pilot, lambda: "step 1,210" in text_of(app))


async def test_a_run_that_is_over_needs_no_question() -> None:
    async with dashboard() as (app, link, pilot):
        link.finish()
        await until(pilot, lambda: "finished" in text_of(app))
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running)
        assert link.closed


def detached() -> FakeLink:
    link = FakeLink()
    link.info = dataclasses.replace(link.info, detached=True)
    return link


@pytest.mark.parametrize(("key", "stops"), [("d", []), ("q", []), ("s", [Stop(save=True)])])
async def test_a_detached_run_goes_on_unless_it_is_told_not_to(key: str, stops: list[Stop]) -> None:
    async with dashboard(detached()) as (app, link, pilot):
        await pilot.press("q")
        await until(pilot, lambda: "Leave it running" in text_of(app))
        await pilot.press(key)
        await until(pilot, lambda: not app.is_running)
        assert sent(link, Stop) == stops
        assert link.closed


@pytest.mark.parametrize(("make", "stops"), [(FakeLink, [Stop(save=True)]), (detached, [])])
async def test_a_signal_stops_a_run_of_this_process_and_leaves_a_detached_one(
    make: Callable[[], FakeLink], stops: list[Stop]
) -> None:
    async with dashboard(make()) as (app, link, pilot):
        app.end_at_once()
        app.end_at_once()
        await until(pilot, lambda: not app.is_running)
        assert sent(link, Stop) == stops
        assert link.closed


async def test_detaching_goes_on_with_the_same_screen() -> None:
    other = detached()
    async with dashboard(detach=lambda: other) as (app, link, pilot):
        assert "d detach" in text_of(app)
        await pilot.press("3", "d")
        await until(pilot, lambda: "(detached)" in text_of(app))
        assert app.viewer.link is other
        assert sent(other, SetView)[0].view == app.viewer.view
        assert "d detach" not in text_of(app)
        assert sent(link, Stop) == [], "what detaching does to the run is not the screen's business"


async def test_a_refused_detachment_is_told() -> None:
    def refuse() -> FakeLink:
        raise UserError("this text came from standard input; it cannot be read again")

    async with dashboard(detach=refuse) as (app, link, pilot):
        await pilot.press("d")
        await until(pilot, lambda: "Not detached: this text came" in text_of(app))
        assert app.viewer.link is link
        link.advance()
        await until(pilot, lambda: "step 1,210" in text_of(app))


async def test_it_can_be_left_running() -> None:
    other = detached()
    async with dashboard(detach=lambda: other, size=(80, 24)) as (app, link, pilot):
        await pilot.press("q")
        await until(pilot, lambda: "Stay (esc)" in text_of(app))
        buttons = next(line for line in text_of(app).splitlines() if "Stay (esc)" in line)
        assert all(label in buttons for label in ("Save and quit (s)", "Leave it running (d)", "Quit (x)"))
        assert app.screen.query_one("Vertical").region.right <= 80
        await pilot.press("d")
        await until(pilot, lambda: not app.is_running)
        assert other.closed
        assert sent(other, Stop) == sent(link, Stop) == []


async def test_leaving_it_running_is_not_offered_where_it_cannot_be() -> None:
    async with dashboard() as (app, _, pilot):
        await pilot.press("q")
        await until(pilot, lambda: "Save and quit" in text_of(app))
        assert "Leave it running" not in text_of(app)
        await pilot.press("d")
        await pilot.pause(0.05)
        assert app.is_running


async def test_a_run_that_cannot_be_left_running_stays_on_the_screen() -> None:
    def refuse() -> FakeLink:
        raise UserError("the run is still busy")

    async with dashboard(detach=refuse) as (app, link, pilot):
        await pilot.press("q")
        await until(pilot, lambda: "Leave it running" in text_of(app))
        await pilot.press("d")
        await until(pilot, lambda: "still busy" in text_of(app))
        assert app.screen is app.dashboard
        assert not link.closed


def test_a_crash_of_the_screen_saves_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    link = FakeLink()
    app = CharrnnApp(link)

    def crash() -> None:
        raise RuntimeError("the screen is broken")

    monkeypatch.setattr(app, "run", crash)
    with pytest.raises(RuntimeError, match="the screen is broken"):
        app.run_until_left()
    assert sent(link, Stop) == [Stop(save=True)]
    assert link.closed


async def test_what_is_printed_goes_into_a_log_beside_the_run(tmp_path: Path) -> None:
    link = FakeLink()
    link.info = dataclasses.replace(link.info, directory=str(tmp_path))
    async with dashboard(link) as (app, _, pilot):
        print("a library has something to say")
        await until(pilot, lambda: (tmp_path / "screen.log").exists())
        assert "something to say" in (tmp_path / "screen.log").read_text()
        assert "something to say" not in text_of(app)


async def test_a_run_that_has_ended_is_left_without_a_question_even_before_it_has_said_so() -> None:
    class LateLink(FakeLink):
        asked = 0

        def take(self) -> Snapshot | None:
            self.asked += 1
            return super().take() if self.asked > 5 else None

    link = LateLink()
    link.finish()
    app = CharrnnApp(link, fps=50)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running)
    assert link.closed


@pytest.mark.parametrize("remote", [False, True])
async def test_a_run_opened_from_a_list_leads_back_there_and_nothing_is_called_quitting(remote: bool) -> None:
    async with watching(detached() if remote else FakeLink(), has_list=True, size=(80, 24)) as (app, pilot):
        await pilot.press("q")
        await until(pilot, lambda: "Stay (esc)" in text_of(app))
        dialog = "\n".join(str(button.label) for button in app.screen.query(Button))
        assert "Save, stop it and go back" in dialog if remote else "Save and go back" in dialog
        assert "quit" not in dialog.lower()
        assert "with the program" not in text_of(app)
