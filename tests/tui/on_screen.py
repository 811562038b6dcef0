"""The whole dashboard on a run, for tests that press its keys, and what stands on a screen."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from textual.app import App
from textual.pilot import Pilot

from engine.config import Config
from engine.session.messages import Command, Link
from tests.tui.fake_run import FakeLink
from tui.app.app import CharrnnApp

PATIENCE = 120.0  # seconds that a loaded machine may take; nothing waits for them to pass

C = TypeVar("C", bound=Command)


@asynccontextmanager
async def watching(
    link: Link,
    *,
    size: tuple[int, int] = (120, 36),
    start: Callable[[Config], Link] | None = None,
    detach: Callable[[], Link] | None = None,
    resume: Callable[[Path], Link] | None = None,
    has_list: bool = False,
) -> AsyncIterator[tuple[CharrnnApp, Pilot[None]]]:
    """The app on any `link`, and its pilot, once the first snapshot is drawn."""
    app = CharrnnApp(link, start, detach=detach, resume=resume, fps=50, has_list=has_list)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.viewer.latest is not None)
        yield app, pilot


@asynccontextmanager
async def dashboard(
    link: FakeLink | None = None,
    *,
    size: tuple[int, int] = (120, 36),
    start: Callable[[Config], Link] = lambda config: FakeLink(config, reports=0),
    detach: Callable[[], Link] | None = None,
    resume: Callable[[Path], Link] | None = None,
) -> AsyncIterator[tuple[CharrnnApp, FakeLink, Pilot[None]]]:
    """The app on a scripted run, the run's link, and the pilot, once the first snapshot is drawn."""
    link = link or FakeLink()
    async with watching(link, size=size, start=start, detach=detach, resume=resume) as (app, pilot):
        yield app, link, pilot


async def until(pilot: Pilot[Any], condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Let the app go on until `condition` holds."""
    deadline = time.monotonic() + seconds
    while True:
        await pilot.pause(0.01)
        if condition():
            return
        assert time.monotonic() < deadline, "it never came true"


async def at_rest(pilot: Pilot[Any]) -> str:
    """All of the screen, once it has been the same for a while."""
    looks: list[str] = []

    def is_at_rest() -> bool:
        looks.append(text_of(pilot.app))
        return len(looks) >= 20 and len(set(looks[-20:])) == 1

    await until(pilot, is_at_rest)
    return looks[-1]


def lines_of(app: App[Any]) -> list[str]:
    """The rows of the screen."""
    return [strip.text for strip in app.screen._compositor.render_strips()]


def text_of(app: App[Any]) -> str:
    """All of the screen."""
    return "\n".join(lines_of(app))


def sent(link: FakeLink, kind: type[C]) -> list[C]:
    """The commands of one kind that the link got."""
    return [command for command in link.sent if isinstance(command, kind)]
