"""What a terminal shows beside the screen: its title, a bell, a notification.

Nothing of it is sent where TERM says that the terminal understands no escape sequences, nor to a file or a pipe.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

from engine.printable import printable

TITLE_SECONDS = 3.0  # between two titles at least: tmux and window managers draw each one
LONGEST = 120  # characters of a title or a notification
KEEP_TITLE, TITLE_BACK = "\x1b[22;0t", "\x1b[23;0t"  # push and pop, xterm's window operations 22 and 23
PLAIN = ("", "dumb", "linux")  # terminals without a title: none, an editor's buffer, the console
BELL = "\a"


def understands(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the terminal that TERM names understands these sequences, or ignores them."""
    return environment.get("TERM", "") not in PLAIN


def notification(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """A bell, and `text` as a notification of the desktop (OSC 9); empty where the terminal understands neither.

    tmux rings the bell itself. It passes the notification on only in an envelope, and if `allow-passthrough` is on.
    """
    if environment.get("TERM", "") in ("", "dumb"):
        return ""
    if not understands(environment):
        return BELL
    sequence = f"\x1b]9;{_short(text)}\a"
    if environment.get("TMUX") or environment.get("TERM", "").startswith("tmux"):
        escaped = sequence.replace("\x1b", "\x1b\x1b")
        sequence = f"\x1bPtmux;{escaped}\x1b\\"
    return BELL + sequence


class Title:
    """The title of the terminal's window, which `write` sends; between `begin` and `end` it is this program's."""

    def __init__(
        self,
        write: Callable[[str], object],
        environment: Mapping[str, str] = os.environ,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write, self._now = write, now
        self._is_understood = understands(environment)
        self._is_ours = False
        self._text = ""
        self._said_at = float("-inf")

    def begin(self) -> None:
        """Have the terminal keep the title that it has."""
        if self._is_understood:
            self._is_ours = True
            self._write(KEEP_TITLE)

    def say(self, text: str) -> None:
        """Make `text` the title, unless it is that already, or the last one came less than `TITLE_SECONDS` ago."""
        now = self._now()
        if self._is_ours and text != self._text and now - self._said_at >= TITLE_SECONDS:
            self._text, self._said_at = text, now
            self._write(f"\x1b]2;{_short(text)}\a")

    def end(self) -> None:
        """Put back the title that the terminal had."""
        if self._is_ours:
            self._write(TITLE_BACK)
            self._is_ours, self._text, self._said_at = False, "", float("-inf")


def _short(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"
