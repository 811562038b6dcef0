"""Which panes are seen: as many of the chosen ones as there is room for."""

from __future__ import annotations

import pytest
from textual.geometry import Size

from engine.session.messages import INSTRUMENTS
from tests.tui.on_screen import dashboard, lines_of, text_of, until
from tests.tui.test_app_layout import PANES, assert_nothing_cut_off, shown, until_asked, until_shown
from tui.app.app import CharrnnApp
from tui.screens.layout import Layout, is_stacked, room


@pytest.mark.parametrize(
    ("size", "count"),
    [((79, 60), 1), ((80, 24), 1), ((80, 39), 1), ((99, 39), 1), ((300, 23), 1), ((100, 24), 2), ((80, 40), 2),
     ((109, 80), 2), ((200, 31), 2), ((110, 32), 5), ((300, 80), 5)],
)  # fmt: skip
def test_two_panes_from_100_by_24_or_80_by_40_on_and_all_from_110_by_32(size: tuple[int, int], count: int) -> None:
    assert room(Size(*size), 5) == count


def test_two_lie_where_both_are_legible() -> None:
    assert not is_stacked(Size(100, 24))
    assert not is_stacked(Size(200, 60))
    assert is_stacked(Size(80, 40))
    assert is_stacked(Size(109, 80))


def test_the_panes_that_had_the_focus_last_stay() -> None:
    layout, size = Layout(PANES), Size(100, 24)
    seen = [layout.seen(size)]
    for place in ("samples", "gradients", "cells"):
        layout.go_to(place)
        seen.append(layout.seen(size))
    assert seen == [("loss", "samples"), ("loss", "samples"), ("samples", "gradients"), ("gradients", "cells")]


def test_a_pane_that_is_not_chosen_is_seen_as_long_as_it_has_the_focus() -> None:
    layout, size = Layout(PANES), Size(120, 36)
    layout.choose(["cells", "loss"])
    layout.go_to("connectivity")
    assert layout.seen(size) == ("loss", "connectivity")
    assert layout.after(1) == "cells"
    layout.go_to("cells")
    assert layout.seen(size) == ("loss", "cells")


def test_a_choice_of_nothing_that_there_is_shows_everything() -> None:
    layout = Layout(PANES)
    layout.choose(["no such pane"])
    assert layout.chosen == tuple(PANES)


def tops(app: CharrnnApp) -> list[tuple[int, int]]:
    return [app.dashboard.panes[name].region.offset for name in shown(app)]


async def test_two_panes_lie_beside_or_below_each_other() -> None:
    async with dashboard(size=(100, 24)) as (app, link, pilot):
        assert shown(app) == ["loss", "samples"]
        assert_nothing_cut_off(app)
        assert len({y for _, y in tops(app)}) == 1
        await pilot.press("3")
        await until_shown(pilot, app, "loss", "gradients")  # both of the left column
        assert_nothing_cut_off(app)
        assert len({y for _, y in tops(app)}) == 1
        await until_asked(pilot, link, "gradients")
        await pilot.resize_terminal(80, 40)
        await until(pilot, lambda: len({x for x, _ in tops(app)}) == 1)
        assert shown(app) == ["loss", "gradients"]
        assert_nothing_cut_off(app)
        await pilot.press("z")
        await until_shown(pilot, app, "gradients")
        await pilot.press("z")
        await until_shown(pilot, app, "loss", "gradients")


async def test_panes_are_chosen_by_key_and_by_click_and_one_is_always_left() -> None:
    async with dashboard() as (app, link, pilot):
        await pilot.press("equals_sign", "1", "3")
        await until(pilot, lambda: "□ 3 Gradients" in text_of(app))
        await until_shown(pilot, app, "samples", "connectivity", "cells")
        line = next(y for y, line in enumerate(lines_of(app)) if "■ 2 Samples" in line)
        await pilot.click(offset=(lines_of(app)[line].index("Samples"), line))
        await until_shown(pilot, app, "connectivity", "cells")
        await pilot.press("4", "5", "escape")
        await until(pilot, lambda: app.screen is app.dashboard)
        assert shown(app) == ["cells"]
        assert app.dashboard.panes["cells"].has_focus
        await until_asked(pilot, link, "cells")
        await pilot.press("equals_sign", *"1234", "escape")
        await until_shown(pilot, app, *PANES)
        await until_asked(pilot, link, *INSTRUMENTS)
