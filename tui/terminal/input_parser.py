"""Reads keys, the mouse and pastes from what the terminal sends, so that a paste is text to its end."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator

from textual._xterm_parser import BRACKETED_PASTE_END, BRACKETED_PASTE_START, XTermParser
from textual.events import Key, Paste
from textual.keys import Keys
from textual.message import Message

QUIET = 0.1  # seconds without input after which a paste that ended is complete
LONGEST_HOLD = 0.5  # seconds for which input behind a paste is held back at most
OVERDUE = 1.0  # seconds without input after which a paste that has not ended is handed on as far as it came
MOST_CHARACTERS = 1 << 20  # of a paste that are kept; a prompt and a field take far fewer

ESCAPE = "\x1b"
WAYS_OUT = (ESCAPE, "\x03", "\x11")  # begin the keys that end a paste without an end: esc, ctrl+c, ctrl+q
# What a terminal answers to questions of other programs, too late for them: device attributes, states, sizes, modes. No
# key begins so; of the answers to Textual's own questions, modes and resizes, none is among them.
ANSWER = re.compile(
    r"\x1b\[(?:(?!\?\d+;\d+\$y)[<=>?][\d;:]*[ -/]*[@-LN-ln-~]"  # not M and m: the mouse
    r"|\d[\d;]*(?:[cnx]|\$y)|(?!48;)\d+;[\d;]*t)"
)
# The same as a string with an end: colours, the clipboard, titles, versions. It comes in one go.
STRING_ANSWER = re.compile(r"\x1b[P\]X^_][^\x00-\x1f\x7f]*(?:\x07|\x1b\\)")
# The kitty protocol may send all that an input method wrote as one key with several code points.
WRITTEN_AT_ONCE = re.compile(r"\x1b\[\d*;\d*;(\d+(?::\d+)+)u")


class InputParser(XTermParser):
    """Textual's parser, which reads everything but pastes.

    Textual takes an ESC for the end of a paste, and what follows for keys. Here only the end marker ends it. No program
    can tell whether the marker was itself copied, but the terminal always sends its own after it, so what lies between
    two end markers that come in one go is pasted too.

    `feed` takes characters as they come and `tick` the time that passes; both return events. `clock` returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._last = clock()  # when input came last
        self._ended: float | None = None  # when the first end marker of a paste came
        self._before = ""  # the last characters outside a paste, in which a start marker may have begun
        self._paste: _Paste | None = None

    @property
    def is_pasting(self) -> bool:
        """Whether a paste has begun that is not complete."""
        return self._paste is not None

    def feed(self, data: str) -> Iterator[Message]:
        """The events of the characters `data`; "" means that no more will come."""
        silence, self._last = self._clock() - self._last, self._clock()
        if self._paste is not None:
            if data and not self._paste.is_left_by(data, silence):
                if self._paste.add(data) and self._ended is None:
                    self._ended = self._last
                return
            yield from self._complete()
        begun = self._before + data
        place = begun.find(BRACKETED_PASTE_START)
        if place < 0:
            self._before = begun[1 - len(BRACKETED_PASTE_START) :]
            yield from self._keys(data)
            return
        end = place + len(BRACKETED_PASTE_START) - len(self._before)
        is_split = place < len(self._before)  # so `data` begins with the rest of the marker, for which it may be late
        # Textual, too, sees a paste begin and end, an empty one: so it does not take the marker for keys.
        for event in self._keys(data[:end] + BRACKETED_PASTE_END):
            if not (is_split or isinstance(event, Paste)):
                yield event
        self._before, self._ended, self._paste = "", None, _Paste()
        if data[end:]:
            yield from self.feed(data[end:])

    def tick(self) -> Iterator[Message]:
        """The events for which it takes time to be certain: the escape key, and the end of a paste."""
        yield from super().tick()
        if self._paste is None:
            return
        now = self._clock()
        if self._ended is None:
            if now - self._last >= OVERDUE and (text := self._paste.take()):
                yield Paste(text)
        elif now - self._last >= QUIET or now - self._ended >= LONGEST_HOLD:
            yield from self._complete()

    def _complete(self) -> Iterator[Message]:
        """The paste, and then the events of what came behind it."""
        assert self._paste is not None
        paste, self._paste = self._paste, None
        if text := paste.take():
            yield Paste(text)
        if paste.behind:
            yield from self.feed(paste.behind)

    def _keys(self, data: str) -> Iterator[Message]:
        """The events of `data`, in which no paste begins. A sequence that Textual cannot read is left out."""
        if data and not (data := STRING_ANSWER.sub("", data)):
            return
        data = WRITTEN_AT_ONCE.sub(lambda match: "".join(map(_text_key, match[1].split(":"))), data)
        size, pixels, by_pixels = self.terminal_size, self.terminal_pixel_size, self.mouse_pixels
        try:
            yield from super().feed(data)
        except (ArithmeticError, LookupError, ValueError):  # a code point beyond Unicode, a window without pixels
            super().__init__()
            self.terminal_size, self.terminal_pixel_size, self.mouse_pixels = size, pixels, by_pixels

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[Key]:
        """The keys of a sequence. With alt, no key has the name of one without: esc and `[` are not the key `[`.

        For an answer that the program did not ask for it is the key that Textual ignores.
        """
        if ANSWER.fullmatch(sequence):
            yield Key(Keys.Ignore, sequence)
            return
        for key in super()._sequence_to_key_events(sequence, alt):
            if alt and "alt+" not in key.key:
                key.key = f"alt+{key.key}"
            yield key


class _Paste:
    """What came since a start marker."""

    def __init__(self) -> None:
        self.behind = ""  # the characters behind the last end marker
        self._has_ended = False
        self._text: list[str] = []
        self._length = 0
        self._begun = ""  # the last characters, with which an end marker may begin

    def add(self, data: str) -> bool:
        """Take in further characters; returns whether an end marker has come."""
        data = self._begun + data
        self._begun = ""
        text, marker, behind = data.rpartition(BRACKETED_PASTE_END)
        if marker:
            # Two pastes without a key between them are one text; other markers between were copied.
            text = (BRACKETED_PASTE_END * self._has_ended + self.behind + text).replace(
                BRACKETED_PASTE_END + BRACKETED_PASTE_START, ""
            )
            self._keep(text)
            self.behind, self._has_ended = "", True
        for length in range(len(BRACKETED_PASTE_END) - 1, 0, -1):
            if behind.endswith(BRACKETED_PASTE_END[:length]):
                behind, self._begun = behind[:-length], behind[-length:]
                break
        if self._has_ended:
            self.behind += behind
        else:
            self._keep(behind)
        return self._has_ended

    def take(self) -> str:
        """The text so far, which is then forgotten."""
        text, self._text, self._length = "".join(self._text), [], 0
        if self._has_ended:
            self.behind, self._begun = self.behind + self._begun, ""
        return text

    def is_left_by(self, data: str, silence: float) -> bool:
        """Whether `data`, which comes after `silence` seconds, is a key with which the user leaves a paste."""
        if self._has_ended or silence < OVERDUE or (self._begun + data).startswith(BRACKETED_PASTE_END):
            return False
        return data.startswith(WAYS_OUT)

    def _keep(self, text: str) -> None:
        text = text[: MOST_CHARACTERS - self._length]
        self._length += len(text)
        self._text.append(text)


def _text_key(code_point: str) -> str:
    return f"{ESCAPE}[0;;{code_point}u"
