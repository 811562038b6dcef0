"""The mouse on the panes: the wheel, dragging, clicks, selected text; and what keys copy and draw."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.events import MouseDown, MouseMove, MouseScrollDown, MouseScrollUp, MouseUp
from textual.pilot import Pilot
from textual.widget import Widget

from engine.errors import UserError
from engine.runs.pictures import add_picture
from tests.tui.fake_run import FakeLink
from tests.tui.on_screen import dashboard, lines_of, text_of, until
from tui.app.app import CharrnnApp
from tui.panes.connectivity import ConnectivityPane
from tui.panes.loss import LossPane
from tui.rendering.strips import PLAIN, line, mark_at, marked
from tui.terminal.repaint import Canvas


def find(app: CharrnnApp, text: str, after: int = 0) -> tuple[int, int]:
    """The column and the line of `text` on the screen."""
    for y, each in enumerate(lines_of(app)):
        if y >= after and text in each:
            return each.index(text), y
    raise AssertionError(f"{text} is not on the screen")


async def turn(pilot: Pilot[Any], up: bool, at: tuple[int, int]) -> None:
    kind = MouseScrollUp if up else MouseScrollDown
    await pilot._post_mouse_events([kind], offset=at, button=0)


async def drag(pilot: Pilot[Any], start: tuple[int, int], end: tuple[int, int]) -> None:
    await pilot._post_mouse_events([MouseDown], offset=start, button=1)
    await pilot._post_mouse_events([MouseMove], offset=end, button=1)
    await pilot._post_mouse_events([MouseUp], offset=end, button=1)


def loss_of(app: CharrnnApp) -> LossPane:
    return app.dashboard.query_one(LossPane)


async def test_the_wheel_zooms_the_loss_at_the_pointer_and_dragging_pans_it() -> None:
    async with dashboard(size=(80, 24)) as (app, _, pilot):
        pane = loss_of(app)
        await until(pilot, lambda: pane.extent() is not None and "└" in text_of(app))
        corner = find(app, "└")
        place = (corner[0] + 10, 10)
        below = pane._x_at(place[0] - pane.content_region.x)
        await turn(pilot, True, place)
        await turn(pilot, True, place)
        await until(pilot, lambda: pane.chart_view.visible.width is not None)
        extent = pane.extent()
        assert extent is not None
        assert below is not None
        assert pane.chart_view.visible.width == pytest.approx((extent.last - extent.first) * 0.64)
        assert pane._x_at(place[0] - pane.content_region.x) == pytest.approx(below, rel=0.02)  # it stays where it was
        low, _ = pane.chart_view.visible.limits(*extent.limits)
        await drag(pilot, (50, 10), (40, 10))  # the curves follow the pointer to the left
        assert pane.chart_view.visible.limits(*extent.limits)[0] > low
        assert pane.chart_view.cursor is None  # dragging is no click
        for _ in range(4):
            await turn(pilot, False, place)
        await until(pilot, lambda: pane.chart_view.visible.width is None)


async def test_a_click_puts_the_cursor_where_it_is() -> None:
    async with dashboard(size=(80, 24)) as (app, _, pilot):
        pane = loss_of(app)
        await until(pilot, lambda: pane.extent() is not None and "└" in text_of(app))
        await pilot.click(offset=(30, 10))
        await until(pilot, lambda: pane.chart_view.cursor is not None)
        assert "│" in lines_of(app)[8][29:32]  # the cursor's line
        assert pane.chart_view.cursor == pytest.approx(pane._x_at(30 - pane.content_region.x))


@pytest.mark.parametrize("place", ["gradients", "header"])
async def test_the_wheel_walks_through_the_moments(place: str) -> None:
    async with dashboard() as (app, link, pilot):
        widget: Widget = app.dashboard.panes["gradients"] if place == "gradients" else app.dashboard._header
        at = widget.region.center
        there = (int(at[0]), int(at[1]))
        await turn(pilot, True, there)
        await until(pilot, lambda: app.dashboard.moment == max(m for m in link.moments if m < link.step))
        await turn(pilot, False, there)
        await until(pilot, lambda: app.dashboard.moment is None)


async def test_the_wheel_and_clicks_choose_units_in_the_map() -> None:
    async with dashboard(size=(80, 24)) as (app, link, pilot):
        await pilot.press("5")
        await until(pilot, lambda: "▸  0" in text_of(app))
        await turn(pilot, False, (30, 12))
        await until(pilot, lambda: "▸  1" in text_of(app))
        x, y = find(app, "   4 ")
        await pilot.click(offset=(x + 20, y))  # in the colours, too
        await until(pilot, lambda: "▸  4" in text_of(app))
        assert link.view.cells_unit == 4


async def test_a_click_chooses_a_unit_in_the_contexts_and_a_point_of_the_gates() -> None:
    async with dashboard(size=(100, 30)) as (app, link, pilot):
        await pilot.press("5", "z", "v")
        await until(pilot, lambda: "units  r" in text_of(app))
        x, y = find(app, "units  r")
        unit = int(lines_of(app)[y + 3][x - 4 : x + 3].split()[0])
        await pilot.click(offset=(x, y + 3))
        await until(pilot, lambda: link.view.cells_unit == unit)
        await pilot.press("v")
        await until(pilot, lambda: "◆ unit 0" in text_of(app))
        await turn(pilot, False, (30, 12))
        await until(pilot, lambda: "◆ unit 1" in text_of(app))
        y, row = next((y, row) for y, row in enumerate(lines_of(app)) if y > 7 and re.search(r" [1-9] ", row))
        await pilot.click(offset=(re.search(r" [1-9] ", row).start() + 1, y))  # type: ignore[union-attr]
        await until(pilot, lambda: "◆ unit 1 " not in text_of(app))


async def test_a_click_walks_to_a_character_sets_the_caret_and_asks_about_a_candidate() -> None:
    async with dashboard(size=(80, 24)) as (app, link, pilot):
        await pilot.press("p", *"thelamp", "escape")
        await until(pilot, lambda: "▲" in text_of(app) and "›" in text_of(app))
        x, y = find(app, "› thelamp")
        await pilot.click(offset=(x + 4, y))
        await until(pilot, lambda: link.view.position == 2)
        await pilot.press("enter")
        await pilot.click(offset=(x + 3, y))
        await pilot.press("x")
        await until(pilot, lambda: link.view.prompt == "txhelamp")
        await pilot.press("escape")
        pane = app.dashboard.query_one(ConnectivityPane)
        await until(pilot, lambda: not pane.typing and "%" in text_of(app))
        rows = [y for y, row in enumerate(lines_of(app)) if "%" in row and y > 6]
        await pilot.click(offset=(30, rows[1]))  # on the bar, or beside it
        await until(pilot, lambda: link.view.candidate != "")


def watch_writes(app: CharrnnApp, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """What was copied since."""
    written: list[str] = []
    assert app._driver is not None
    monkeypatch.setattr(app._driver, "write", written.append)
    monkeypatch.setenv("TERM", "xterm-256color")
    return lambda: [base64.b64decode(code).decode() for code in re.findall(r"\x1b]52;c;([^\a]*)\a", "".join(written))]


async def test_text_that_is_selected_with_the_mouse_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    async with dashboard() as (app, _, pilot):
        copied = watch_writes(app, monkeypatch)
        x, y = find(app, "The lamp was lit")
        await drag(pilot, (x + 4, y), (x + 7, y))
        await until(pilot, lambda: copied() == ["lamp"])
        assert not app.screen.selections  # what stands there changes
        await drag(pilot, (x + 9, y), (2, 33))  # it does not leave the pane in which it began
        await until(pilot, lambda: len(copied()) == 2)
        assert copied()[1].startswith("was lit")
        assert "Gradients" not in copied()[1]


async def test_y_copies_what_the_pane_says(monkeypatch: pytest.MonkeyPatch) -> None:
    async with dashboard() as (app, _, pilot):
        await until(pilot, lambda: "‖G_t‖" in text_of(app))
        copied = watch_writes(app, monkeypatch)
        await pilot.press("3", "y")
        await until(pilot, lambda: len(copied()) == 1)
        assert copied()[0].startswith("Gradients")
        assert "● step 1,200" in copied()[0]
        assert "T 0.8" not in copied()[0]
        await until(pilot, lambda: "Copied" in text_of(app))


async def test_a_dumb_terminal_is_asked_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with dashboard() as (app, _, pilot):
        copied = watch_writes(app, monkeypatch)
        monkeypatch.setenv("TERM", "dumb")
        await pilot.press("y")
        await until(pilot, lambda: "no clipboard" in text_of(app))
        assert copied() == []


@pytest.mark.parametrize(("key", "name"), [("Y", "picture-single-1200.svg"), ("ctrl+y", "picture-screen-1200.svg")])
async def test_pictures_go_beside_the_run(key: str, name: str, tmp_path: Path) -> None:
    import dataclasses

    link = FakeLink()
    link.info = dataclasses.replace(link.info, directory=str(tmp_path))
    async with dashboard(link) as (app, _, pilot):
        await pilot.press("3")
        await until(pilot, lambda: "● step 1,200" in text_of(app))
        await pilot.press(key)
        await until(pilot, lambda: (tmp_path / name).exists() and "Written to" in text_of(app))
        image = (tmp_path / name).read_text("utf-8")
        assert image.startswith("<svg")
        assert "Gradients" in image
        assert ("Samples" in image) == (key != "Y")


def test_a_picture_never_replaces_another_nor_goes_to_somebody_else(tmp_path: Path) -> None:
    names = [add_picture(tmp_path, "loss-7", b"<svg/>").name for _ in range(2)]
    assert names == ["picture-loss-7.svg", "picture-loss-7-2.svg"]
    tmp_path.chmod(0o777)
    with pytest.raises(UserError, match="other users may write"):
        add_picture(tmp_path, "loss-7", b"<svg/>")
    with pytest.raises(UserError, match="cannot be written"):
        add_picture(tmp_path / "gone", "loss-7", b"<svg/>")


def test_a_mark_is_found_at_its_character_or_in_its_line() -> None:
    strip = line([("ab", PLAIN), ("漢", marked(PLAIN, "unit", 3)), ("c", PLAIN)], 8)
    assert [mark_at(strip, column) for column in range(5)] == [{}, {}, {"unit": 3}, {"unit": 3}, {}]
    assert mark_at(strip, 7, in_row=True) == {"unit": 3}


def test_marks_cost_no_bytes_on_the_wire() -> None:
    from rich.color import ColorSystem
    from rich.segment import Segment
    from textual.geometry import Size

    canvas = Canvas()
    canvas.resize(Size(4, 1))
    plain = canvas.paint([Segment("abcd", PLAIN)], ColorSystem.TRUECOLOR)
    assert "abcd" in plain
    again = [Segment(char, marked(PLAIN, "unit", place)) for place, char in enumerate("abcd")]
    assert canvas.paint(again, ColorSystem.TRUECOLOR) == ""
