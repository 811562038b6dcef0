"""What the dashboard sends to the terminal while the default model trains: `python -m tests.e2e.wire_bytes`."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.e2e.program import PATIENCE, PROGRAM, environment
from tests.e2e.terminal import Terminal

SIZES = ((80, 24), (120, 36), (160, 50))
WARM_UP = 3.0  # seconds: the first frame, and curves that still change their scale


def kilobytes_per_second(size: tuple[int, int], seconds: float, *options: str) -> float:
    """Mean over `seconds`, counted at the pseudo-terminal."""
    with tempfile.TemporaryDirectory() as place:
        terminal = Terminal([*PROGRAM, "train", *options], size, cwd=Path(place), environment=environment())
        try:
            terminal.until(lambda: terminal.step > 0, "a step")
            terminal.read(WARM_UP)
            began = time.monotonic()
            sent = 0
            while not sent and time.monotonic() < began + PATIENCE:  # nothing may run for so long on a loaded machine
                sent = len(terminal.read(seconds))
            return sent / 1000 / (time.monotonic() - began)
        finally:
            terminal.close()


if __name__ == "__main__":
    for columns, rows in SIZES:
        print(f"{columns}×{rows}: {kilobytes_per_second((columns, rows), 15.0):.1f} KB/s")
