"""How long after a key is pressed the screen shows it, while a large network trains."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.bench.program import running, step_shown, wait
from engine.bench.results import Measure, Results
from engine.bench.terminal import Screen, delays

NETWORK = ("--cell", "lstm", "--layers", "2", "--hidden", "512")
LETTERS = "qzxjkvwq"  # no such words in a text
UNCLEAR = 2  # letters at the beginning that may stand on the screen already
KEYS = 200


def measure(results: Results, *, progress: Callable[[str], None]) -> None:
    """Add the 95th and 99th percentile of the delay of letters typed into the prompt."""
    progress("key presses")
    seconds = typing()
    what = f"key press to changed screen, lstm 2×512 training, {len(seconds)} keys"
    results.measures += [
        Measure(f"{what}, p{percentile}", 1e3 * float(np.percentile(seconds, percentile)), "ms")
        for percentile in (50, 95, 99)
    ]


def typing(keys: int = KEYS, options: tuple[str, ...] = NETWORK) -> list[float]:
    """Seconds from each key press to the screen that shows its letter; the pauses between them are irregular."""
    rng = np.random.default_rng(0)
    presses: list[tuple[float, Callable[[Screen], bool]]] = []
    with running(*options) as (terminal, _):
        wait(terminal, lambda: step_shown(terminal.last_screen()) > 0, 1.0)
        terminal.press("p")
        terminal.watch(1.0)
        while len(presses) < keys:
            for length in range(1, len(LETTERS) + 1):
                typed = LETTERS[:length]
                when = terminal.press(typed[-1])
                if length > UNCLEAR:
                    presses.append((when, _shows(typed)))
                terminal.watch(rng.uniform(0.1, 0.3))
            terminal.press("\x15")  # ctrl+u empties the prompt
            terminal.watch(0.3)
        terminal.watch(1.0)
    return delays(terminal, presses)


def _shows(text: str) -> Callable[[Screen], bool]:
    return lambda screen: any(text in line for line in screen)
