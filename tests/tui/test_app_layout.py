"""Five panes where they fit, one with tabs where they do not, and nothing cut off."""

from __future__ import annotations

import dataclasses

import pytest
from textual.geometry import Region
from textual.pilot import Pilot
from textual.strip import Strip

from engine.config import Config
from engine.session.messages import INSTRUMENTS, Snapshot
from tests.tui.fake_run import FakeLink
from tests.tui.on_screen import at_rest, dashboard, text_of, until
from tui.app.app import CharrnnApp
from tui.panes.cells import CellsPane
from tui.panes.pane import PaintedPane
from tui.rendering.colour import Palette
from tui.rendering.strips import PLAIN, line
from tui.screens.places import PLACES
from tui.widgets.status import StatusLine

PANES = ["loss", "samples", "gradients", "connectivity", "cells"]


def shown(app: CharrnnApp) -> list[str]:
    return [name for name in PANES if app.dashboard.panes[name].is_on_screen]


async def until_shown(pilot: Pilot[None], app: CharrnnApp, *panes: str) -> None:
    await until(pilot, lambda: shown(app) == list(panes))


async def until_asked(pilot: Pilot[None], link: FakeLink, *instruments: str) -> None:
    await until(pilot, lambda: link.view.visible == instruments)


def assert_nothing_cut_off(app: CharrnnApp) -> None:
    """Every pane that is shown has a place of its own, and together with the lines they fill the screen."""
    regions = [app.dashboard.panes[name].region for name in shown(app)]
    screen = Region(0, 0, *app.screen.size)
    assert all(screen.contains_region(region) for region in regions)
    assert not any(a.overlaps(b) for i, a in enumerate(regions) for b in regions[:i])
    assert Region.from_union(regions).width == screen.width
    assert max(region.bottom for region in regions) == screen.height - 1


@pytest.mark.parametrize("size", [(120, 36), (200, 60), (110, 32)])
async def test_five_panes_fill_a_large_screen(size: tuple[int, int]) -> None:
    async with dashboard(size=size) as (app, link, _):
        assert shown(app) == PANES
        assert_nothing_cut_off(app)
        assert link.view.visible == INSTRUMENTS


@pytest.mark.parametrize("size", [(80, 24), (99, 39), (200, 23)])
async def test_a_small_screen_shows_one_pane_and_all_are_reached_by_number(size: tuple[int, int]) -> None:
    async with dashboard(size=size) as (app, link, pilot):
        assert shown(app) == ["loss"]
        for number, name in enumerate(PANES, start=1):
            await pilot.press(str(number))
            await until_shown(pilot, app, name)
            assert_nothing_cut_off(app)
            assert app.dashboard.panes[name].has_focus
            await until_asked(pilot, link, *{name} & set(INSTRUMENTS))


async def test_tab_goes_round_and_clicks_on_tabs_count() -> None:
    async with dashboard(size=(80, 24)) as (app, _, pilot):
        for name in [*PANES[1:], "loss"]:
            await pilot.press("tab")
            await until_shown(pilot, app, name)
        await pilot.press("shift+tab")
        await until_shown(pilot, app, "cells")
        await pilot.click(app.screen.query("PaneTab")[2])
        await until_shown(pilot, app, "gradients")


async def test_the_prompt_is_reached_from_any_pane() -> None:
    async with dashboard(size=(80, 24)) as (app, _, pilot):
        await pilot.press("p")
        await until_shown(pilot, app, "connectivity")


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
async def test_the_lines_say_it_all_at_every_size(size: tuple[int, int]) -> None:
    async with dashboard(FakeLink(Config(steps=5000), reports=250), size=size) as (app, _, _):
        text = text_of(app)
        for word in (
            "charrnn-tui", "gru 1×128", "saltmere", "run brisk-otter", "▶ training",
            "step 2,500", "epoch 3.6", "loss ", "val ", "best ", "chars/s", "lr 2.0e-3", "0:01:02", "▕█████     ▏",
            "1m left", "cpu 187%", "mem 312 MB", "space pause", "? help", "q quit",
        ):  # fmt: skip
            assert word in text
        assert all(len(line) == size[0] for line in text.splitlines())


async def test_zoom_gives_one_pane_the_screen_and_the_others_back() -> None:
    async with dashboard() as (app, link, pilot):
        await pilot.press("2", "z")
        await until_shown(pilot, app, "samples")
        assert_nothing_cut_off(app)
        await until_asked(pilot, link, "samples")
        await pilot.press("5")
        await until_shown(pilot, app, "cells")
        await pilot.press("z")
        await until_shown(pilot, app, *PANES)
        await until_asked(pilot, link, *INSTRUMENTS)


async def test_a_pane_that_appears_shows_what_is_known() -> None:
    async with dashboard(size=(80, 24)) as (app, _, pilot):
        await pilot.press("5")
        await until(pilot, lambda: "unit 0 · " in text_of(app))


async def test_a_hidden_pane_does_not_see_snapshots_but_hears_events(monkeypatch: pytest.MonkeyPatch) -> None:
    async with dashboard(size=(80, 24)) as (app, link, pilot):
        samples = app.dashboard.panes["samples"]
        seen: list[str] = []
        monkeypatch.setattr(samples, "show", lambda snapshot: seen.append("snapshot"))
        monkeypatch.setattr(samples, "hear", lambda event: seen.append("event"))
        link.advance(20)
        await until(pilot, lambda: "event" in seen)
        await pilot.pause(0.1)
        assert "snapshot" not in seen
        await pilot.press("2")
        await until(pilot, lambda: "snapshot" in seen)


async def test_large_small_and_back_again() -> None:
    async with dashboard(size=(200, 60)) as (app, _, pilot):
        before = await at_rest(pilot)
        await pilot.resize_terminal(80, 24)
        await until_shown(pilot, app, "loss")
        assert_nothing_cut_off(app)
        await pilot.resize_terminal(200, 60)
        await until_shown(pilot, app, *PANES)
        await until(pilot, lambda: text_of(app) == before)


async def test_hostile_names_stay_text() -> None:
    link = FakeLink()
    link.info = dataclasses.replace(link.info, text_name="\x1b[31m[red]x", name="[b]y\n")
    async with dashboard(link) as (app, _, _):
        assert "[red]x" in text_of(app)
        assert "run [b]y" in text_of(app)
        assert "\x1b" not in text_of(app)


@pytest.mark.parametrize("key", ["question_mark", "q"])
async def test_the_numbers_go_on_beneath_a_question(key: str) -> None:
    async with dashboard() as (app, link, pilot):
        await pilot.press(key)
        await until(pilot, lambda: app.screen is not app.dashboard)
        status = app.dashboard.query_one(StatusLine)
        for _ in range(2):
            link.advance()
            await until(pilot, lambda: status.render().plain.startswith(f" step {link.step:,} "))


async def test_what_came_beneath_a_question_is_in_the_panes_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with dashboard() as (app, link, pilot):
        await pilot.press("question_mark")
        await until(pilot, lambda: app.screen is not app.dashboard)
        link.advance()
        await until(pilot, lambda: app.viewer.latest is not None and app.viewer.latest.step == link.step)
        monkeypatch.setattr(link, "take", lambda: None)  # as of a run that has ended: nothing comes any more
        steps: list[int] = []
        monkeypatch.setattr(app.dashboard.panes["loss"], "show", lambda snapshot: steps.append(snapshot.step))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.dashboard)
        await until(pilot, lambda: steps == [link.step])


class SecondPane(PaintedPane):
    """A view of the cells' place that no run answers."""

    INSTRUMENT = "second"
    VIEWS = ("second",)

    def paint(self, width: int, height: int, palette: Palette) -> list[Strip]:
        return [line([("the second view", PLAIN)], width)]

    def show(self, snapshot: Snapshot) -> None:
        self.entitle("Cells")


@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
async def test_views_take_turns_in_their_place(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLACES, "cells", (CellsPane, SecondPane))
    async with dashboard(size=size) as (app, link, pilot):
        await pilot.press("5")
        await until(pilot, lambda: "map · second" in text_of(app))
        first = app.dashboard.panes["cells"]
        place = first.region
        await pilot.press("v")
        await until(pilot, lambda: "the second view" in text_of(app))
        assert "map · second" in text_of(app)
        second = app.dashboard.panes["cells"]
        assert second.has_focus
        assert second.region == place
        assert not first.display
        await until(pilot, lambda: "second" in link.view.visible and "cells" not in link.view.visible)
        await pilot.press("1", "5")
        await until(pilot, lambda: app.dashboard.panes["cells"].has_focus)
        assert app.dashboard.panes["cells"] is second
        await pilot.press("v")
        await until(pilot, lambda: first.has_focus)
        await until(pilot, lambda: "cells" in link.view.visible)


async def test_a_pane_with_several_views_turns_them_itself() -> None:
    async with dashboard() as (app, link, pilot):
        await pilot.press("3", "v")
        await until(pilot, lambda: link.view.gradient_view == "training")
        await pilot.press("v", "v")
        await until(pilot, lambda: "spectrum" in link.view.visible)
        assert "gradients" not in link.view.visible
        await pilot.press("v")
        await until(pilot, lambda: link.view.gradient_view == "single")
        await pilot.press("2")
        assert app.dashboard.check_action("turn_view", ()) is False


async def test_the_border_names_the_view_that_is_shown_however_narrow_the_pane_is() -> None:
    async with dashboard() as (app, _, pilot):
        await pilot.press("3", "v", "v", "v")
        await until(pilot, lambda: "Gradients  spectrum 4/4 ─" in text_of(app))
        await pilot.press("z")
        await until(pilot, lambda: "single · training · triangle · spectrum ─" in text_of(app))
        await pilot.press("z")
        await until(pilot, lambda: "Gradients  spectrum 4/4 ─" in text_of(app))
