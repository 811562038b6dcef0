"""The whole dashboard on a `FakeLink`, for tests that press its keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fake_run import FakeLink
from textual.pilot import Pilot

from engine.session.messages import Command
from tui.app.app import CharrnnApp


@asynccontextmanager
async def dashboard(
    link: FakeLink | None = None, *, size: tuple[int, int] = (120, 36), start: Any = None, **options: Any
) -> AsyncIterator[tuple[CharrnnApp, FakeLink, Pilot[None]]]:
    """The app, its link and its pilot, once the first snapshot is drawn."""
    link = link or FakeLink()
    app = CharrnnApp(link, start or (lambda config: FakeLink(config, reports=0)), fps=50, **options)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.viewer.latest is not None)
        yield app, link, pilot


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Let the app go on until `condition` holds."""
    for _ in range(300):
        await pilot.pause(0.01)
        if condition():
            return
    raise AssertionError("it never came true")


def text_of(app: CharrnnApp) -> str:
    """What stands on the screen."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def sent(link: FakeLink, kind: type[Command]) -> list[Any]:
    """The commands of one kind that the link got."""
    return [command for command in link.sent if isinstance(command, kind)]
