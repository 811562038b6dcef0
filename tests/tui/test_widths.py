"""What panes say in little room: whole words, or nothing."""

from __future__ import annotations

import dataclasses
import re

import pytest
from textual.strip import Strip

from engine.config import Config
from tests.tui.fake_run import FakeLink
from tests.tui.one_pane import OnePane
from tui.panes.gradients import GradientsPane
from tui.panes.pane import PaintedPane
from tui.rendering.colour import Palette, palette
from tui.rendering.gradient_words import verdict
from tui.screens.places import PLACES

PAINTED = [pane for place in PLACES.values() for pane in place if issubclass(pane, PaintedPane)]
WIDTHS = (38, 40, 42, 44, 46, 50, 58, 70)
CUT = re.compile(r"\w…|\(\w* ?…")  # within a word, or within parentheses
ON_PAPER = palette("none")


@pytest.mark.parametrize("kind", PAINTED, ids=lambda kind: kind.__name__)
async def test_no_pane_cuts_a_word(kind: type[PaintedPane]) -> None:
    app = OnePane(kind(), FakeLink(Config(cell="lstm")))
    async with app.run_test(size=(100, 30)) as pilot:
        for view in kind.VIEWS or ("",):
            if view:
                app.pane.choose_view(view)
                await pilot.pause()
            app.link.view = dataclasses.replace(app.link.view, visible=(kind.INSTRUMENT,))
            app.answer()
            for width in WIDTHS:
                for height in (8, 12, 20):
                    lines = [strip.text.rstrip() for strip in app.pane.paint(width, height, ON_PAPER)]
                    assert not any(map(CUT.search, lines)), (width, height, lines)


async def test_the_verdict_on_the_gradient_is_there_to_its_end_or_to_its_colon() -> None:
    app = OnePane(GradientsPane(), FakeLink(Config(cell="lstm")))
    async with app.run_test(size=(100, 30)):
        app.answer()
        flow = app.link.snapshot().gradients
        assert flow is not None
        whole, claim = verdict(flow), verdict(flow).partition(": ")[0]
        for width in WIDTHS:
            for height in (14, 20, 29):
                said = " ".join(" ".join(strip.text for strip in app.pane.paint(width, height, ON_PAPER)).split())
                assert claim in said
                assert whole in said or f"{claim}." in said


class Titled(PaintedPane):
    """A pane with many words on its border."""

    def paint(self, width: int, height: int, palette: Palette) -> list[Strip]:
        return []


async def test_a_border_has_the_parts_of_its_words_that_fit_and_all_of_them_again_when_there_is_room() -> None:
    app = OnePane(Titled())
    async with app.run_test(size=(22, 8)) as pilot:
        app.pane.entitle("Title", "h of layer 1/2 · unit 12 · by variance")
        assert str(app.lower_border) == "h of layer 1/2"
        assert app.pane.subtitle == "h of layer 1/2 · unit 12 · by variance"  # which `y` copies
        await pilot.resize_terminal(60, 8)
        await pilot.pause()
        assert str(app.lower_border) == "h of layer 1/2 · unit 12 · by variance"
