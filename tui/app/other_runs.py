"""The curves of other runs, drawn over those of the run on the dashboard; they grow as long as those runs train."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from engine.errors import UserError
from engine.runs.files import stamp
from engine.runs.listing import summarize
from engine.runs.reader import RunReader
from engine.runs.table import labels
from engine.runs.writer import METRICS
from engine.session.messages import History
from tui.panes.loss import LossPane
from tui.rendering.text import visible_text
from tui.screens.dashboard import Dashboard
from tui.screens.in_thread import in_thread

SECONDS_BETWEEN_LOOKS = 2.0  # at the files


def named(shown: Path, others: Iterable[Path]) -> dict[str, Path]:
    """The runs in `others` by short names, which say how they differ from the run `shown` and from each other.

    A run on another text says so: losses on different texts cannot be compared. Runs that cannot be read are left out.
    """
    readers = []
    for path in (shown, *others):
        with contextlib.suppress(UserError):
            reader = RunReader(path)
            readers.append((reader, summarize(reader)))
    found = {}
    for (reader, _), label in zip(readers, labels([summary for _, summary in readers]), strict=True):
        if reader.record.fingerprint != readers[0][0].record.fingerprint:
            label = f"{visible_text(label)} (other text)"
        found[label] = reader.path
    return {label: path for label, path in found.items() if path != readers[0][0].path}


def lay_over(others: dict[str, Path], dashboard: Dashboard) -> None:
    """Draw the smoothed losses of the runs `others`, by name, in the loss pane of `dashboard`, which fills the screen.

    They are renewed while that run is on the dashboard.
    """
    if others:
        dashboard.action_zoom()
        dashboard.run_worker(_follow(others, dashboard.query_one(LossPane)))


async def _follow(others: dict[str, Path], pane: LossPane) -> None:
    run = pane.run
    drawn: dict[str, tuple[int, ...]] = {}
    while pane.run is run:
        for name, path in others.items():
            now = stamp(path / METRICS)
            if now in ((), drawn.get(name)):
                continue
            with contextlib.suppress(UserError):
                history = await in_thread(partial(_history, path))
                if pane.run is run:
                    pane.overlay(name, history.step.tolist(), history.smoothed.tolist())
            drawn[name] = now
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS)


def _history(path: Path) -> History:
    return RunReader(path).history().history()
