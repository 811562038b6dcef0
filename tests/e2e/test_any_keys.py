"""No key, no mouse and no size of the window ends the dashboard."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.e2e.conftest import Open
from tests.e2e.program import PHYSICS
from tests.e2e.terminal import NARROW, WIDE
from tests.finished_run import finish_run

# Every printable key but q, which ends it, and d, which leaves a run in the background.
PRINTABLE = [chr(code) for code in range(32, 127) if chr(code) not in "dq"]
OTHERS = ["\r", "\t", "\x7f", "\x1b", "\x0c", "\x10", "\x15", "漢"]
SEQUENCES = [f"\x1b[{end}" for end in ("A", "B", "C", "D", "F", "H", "Z", "3~", "5~", "6~")]
BUTTONS = (0, 2, 35, 64, 65)
SIZES = (WIDE, NARROW, (200, 60), (110, 32), (60, 15))


@pytest.mark.parametrize("seed", [2, 3])
def test_nothing_ends_it(open_terminal: Open, seed: int) -> None:
    rng = random.Random(seed)
    terminal = open_terminal(*PHYSICS)
    terminal.until(lambda: terminal.step > 0, "a step")
    done: list[str] = []
    for _ in range(150):
        match rng.choices(("key", "mouse", "size"), (12, 2, 1))[0]:
            case "key":
                done.append(rng.choice(PRINTABLE + OTHERS + SEQUENCES))
                terminal.type(done[-1])
            case "mouse":
                place = f"{rng.choice(BUTTONS)};{rng.randint(1, 110)};{rng.randint(1, 30)}"
                done.append(f"\x1b[<{place}M\x1b[<{place}m")
                terminal.type(done[-1])
            case "size":
                size = rng.choice(SIZES)
                done.append(str(size))
                terminal.resize(size)
        terminal.read(rng.choice((0.0, 0.01, 0.05)))
        if terminal.process.poll() is not None:
            raise AssertionError(f"it ended after {done[-20:]}:\n{terminal.output[-4000:].decode(errors='replace')}")
    terminal.process.terminate()
    assert terminal.wait() == 0, terminal.text
    terminal.assert_left_clean()


@pytest.mark.parametrize("command", [PHYSICS, ("runs",)])
def test_no_key_ends_it_while_it_starts(open_terminal: Open, tmp_path: Path, command: tuple[str, ...]) -> None:
    """A key every 50 ms, before there is a screen and while there is half of one."""
    (tmp_path / "runs").mkdir()
    finish_run(tmp_path / "runs" / "calm-fox", cell="rnn", layers=1, steps=2)
    rng = random.Random(5)
    terminal = open_terminal(*command)
    keys = [*"pp?nz12345c.[", *OTHERS, *SEQUENCES, "\x1b[200~a\x1b]q\x1b[201~", "\x1b[<0;9;9M\x1b[<0;9;9m", "\x1b[I"]
    for _ in range(40):
        terminal.type(rng.choice([*keys, "p", "\x1b[A"]))
        terminal.read(0.05)
    terminal.until_shown("charrnn-tui")  # the title; the keys may have opened anything beneath it
    terminal.read(0.5)
    assert terminal.process.poll() is None, terminal.output[-4000:].decode(errors="replace")
    terminal.process.terminate()
    assert terminal.wait() == 0, terminal.text
    terminal.assert_left_clean()


def test_two_clicks_beside_the_palette_close_it_once(open_terminal: Open) -> None:
    terminal = open_terminal(*PHYSICS)
    terminal.until(lambda: terminal.step > 0, "a step")
    terminal.type("\x10")
    terminal.until_shown("Search")
    terminal.type("\x1b[<0;2;34M\x1b[<0;2;34m" * 2)  # its list ends at row 31
    terminal.until(lambda: "Search" not in terminal.text, "no palette")
    at = terminal.step
    terminal.until(lambda: terminal.step > at, "steps")
    assert "▶ training" in terminal.text


def test_a_window_too_small_for_anything(open_terminal: Open) -> None:
    terminal = open_terminal(*PHYSICS)
    terminal.until(lambda: terminal.step > 0, "a step")
    for size in ((20, 6), (1, 1), (200, 2), (3, 60), NARROW):
        terminal.resize(size)
        terminal.read(0.3)
    terminal.until_shown("q quit")
    terminal.type("qs")
    assert terminal.wait() == 0
    terminal.assert_left_clean()
