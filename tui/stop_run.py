"""Ends a run that lives in another process."""

from __future__ import annotations

import contextlib
from pathlib import Path

from engine.messages import Stop
from engine.remote import RemoteLink


def stop_run(path: Path) -> None:
    """Have the run in `path` saved and stopped. `UserError` where no process answers."""
    with contextlib.closing(RemoteLink(path, past=False)) as link:
        link.send(Stop(save=True))
