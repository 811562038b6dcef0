"""A program on a pseudo-terminal of its own, and what a person would see there."""

from __future__ import annotations

import difflib
import os
import re
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pyte

from engine.bench.terminal import NARROW, WIDE, PseudoTerminal

__all__ = ["NARROW", "PATIENCE", "WIDE", "Terminal"]

PATIENCE = 120.0  # seconds that a loaded machine may take; nothing waits for them to pass
FIGURES = re.compile(r"cpu +[0-9]+%|mem +[0-9.]+")  # of the run's process, which are renewed in a pause, too

T = TypeVar("T")


class Terminal(PseudoTerminal):
    """`command` with a pseudo-terminal, which is its controlling one unless said otherwise, as under a shell.

    `output` is every byte it wrote, `screen` what a terminal emulator makes of them.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        size: tuple[int, int] = WIDE,
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        controlling: bool = True,
        piped: bool = False,
    ) -> None:
        self.screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self.screen)
        self.output = b""
        inherited = os.environ if environment is None else environment
        super().__init__(command, size, inherited, cwd=cwd, controlling=controlling, piped=piped)

    # --- what it writes ----------------------------------------------------------------------

    def read(self, seconds: float) -> bytes:
        """What comes within some seconds."""
        deadline, got = time.monotonic() + seconds, b""
        while (left := deadline - time.monotonic()) > 0 and (chunk := self._read_some(left)):
            got += chunk
        return got

    def _read_some(self, seconds: float) -> bytes:
        """What has come, or else what comes first within some seconds."""
        chunk = self.read_chunk(seconds) or b""
        self._stream.feed(chunk)
        self.output += chunk
        return chunk

    def until(self, condition: Callable[[], T], what: str = "what was waited for") -> T:
        """The first true value of `condition`, reading on meanwhile, as a terminal does.

        It is looked for after each little piece that comes: what is shown for a moment only is seen, too.
        """
        deadline = time.monotonic() + PATIENCE
        while not (value := condition()):
            ended = self.process.poll() is not None
            late = time.monotonic() > deadline
            (self.read if ended or late else self._read_some)(0.05)
            if (ended or late) and not (value := condition()):
                raise AssertionError(f"{'it ended' if ended else 'too long'} without {what}:\n{self.text}")
        return value

    def until_shown(self, text: str) -> None:
        """Wait until `text` stands on the screen."""
        self.until(lambda: text in self.text, repr(text))

    def until_same(self, lines: list[str]) -> None:
        """Wait until `still_lines` are these."""
        try:
            self.until(lambda: self.still_lines == lines)
        except AssertionError:
            changes = "\n".join(difflib.unified_diff(lines, self.still_lines, "wanted", "shown", n=0, lineterm=""))
            raise AssertionError(changes) from None

    def settle(self, seconds: float = 1.3) -> list[str]:
        """The `still_lines` once they have been the same for so long."""
        self.until(lambda: (self.still_lines, self.read(seconds))[0] == self.still_lines, "a screen that stands still")
        return self.still_lines

    def wait(self) -> int:
        """The exit code, reading on meanwhile."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"the process does not end:\n{self.text}"
            self.read(0.02)
        self.read(0.02)
        return self.process.returncode

    # --- what is seen ------------------------------------------------------------------------

    @property
    def lines(self) -> list[str]:
        """The rows of the screen."""
        return list(self.screen.display)

    @property
    def still_lines(self) -> list[str]:
        """The rows of the screen without the processor time and the memory of the run."""
        return [" ".join(FIGURES.sub("", line).split()) for line in self.lines]

    @property
    def text(self) -> str:
        """All of the screen."""
        return "\n".join(self.screen.display)

    @property
    def words(self) -> str:
        """All of the screen as one line, where a sentence may have been broken."""
        return " ".join(self.text.split())

    @property
    def step(self) -> int:
        """The number of training steps on the screen, -1 where there is none."""
        match = re.search(r"\bstep ([\d,]+)", self.text)
        return int(match[1].replace(",", "")) if match else -1

    def cell(self, row: int, column: int) -> str:
        """The character in one cell; empty in the second half of a wide one."""
        return self.screen.buffer[row][column].data

    def scribble(self, mark: str) -> None:
        """Fill the screen with `mark`, which the program knows nothing of: a terminal may leave anything anywhere."""
        for row in range(self.screen.lines):
            for column in range(self.screen.columns):
                self.screen.buffer[row][column] = self.screen.default_char._replace(data=mark)

    # --- what a person does ------------------------------------------------------------------

    def resize(self, size: tuple[int, int]) -> None:
        """Drag the window to another size."""
        self.screen.resize(lines=size[1], columns=size[0])
        super().resize(size)

    def hang_up(self) -> None:
        """Close the window."""
        self.close_ends(self._slave, self.master)

    # --- how it is left ----------------------------------------------------------------------

    @property
    def is_restored(self) -> bool:
        """Whether the terminal is set as it was before."""
        return termios.tcgetattr(self._slave) == self.modes

    def assert_left_clean(self) -> None:
        """Set as before, the main screen shown, the cursor seen, mouse and paste as plain as they were."""
        assert self.is_restored
        assert b"Traceback" not in self.output, self.output[-2000:]
        tail = self.output[self.output.rindex(b"\x1b[?1049l") :]
        assert b"\x1b[?25h" in tail, "the cursor stays hidden"
        for mode in (b"1000", b"1002", b"1003", b"1006", b"2004", b"1049"):
            on, off = (self.output.rfind(b"\x1b[?" + mode + letter) for letter in (b"h", b"l"))
            assert on <= off, f"mode {mode!r} stays on"

    def close(self) -> None:
        """End it, whatever it does."""
        self.kill()
