"""The picture of the connectivity pane: coloured prompt, candidates, and what has to be said about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rich.cells import cell_len
from textual.strip import Strip

from engine.arrays import Array
from engine.session.messages import Candidate, Connectivity, ConnectivityMode
from tui.rendering.attribution import Glyph, Reading, fold, glyphs, read, row_strips
from tui.rendering.bars import bar, sparkline
from tui.rendering.colour import Palette
from tui.rendering.lag import at_step
from tui.rendering.strips import BOLD, DIM, PLAIN, Span, fit, foreground, line, plain, wrap
from tui.rendering.text import visible, visible_text

NOW, KEPT = "●", "○"
KINDS = {"actual": "actual", "probable": "probable", "picked": "picked"}
INVITATION = "Press p, and type: each character takes the colour of what it means for the next one."
LEGEND = ("digits: tenths of the strongest", "· less than one", "blank exactly none", "▲ asked about")
LEGEND_OF_CHECK = ("tenths of the strongest: ∂ gradient", "≠ effect of replacing the character")
AGREES, AGREES_IN_PART = 0.7, 0.4  # rank correlations from which on the check is called so
WIDEST_BAR = 40


@dataclass(frozen=True, slots=True)
class Shown:
    """What the pane has to show."""

    text: str
    is_known: Callable[[str], bool]
    message: Connectivity | None
    older: bool  # it lies far behind the run
    position: int
    caret: int | None  # in `text`, while it is typed
    candidate: str
    mode: ConnectivityMode
    occlusion: bool
    moment: int | None
    kept: Connectivity | None
    kept_position: int
    reach: tuple[float, ...]  # over the training so far

    @property
    def known(self) -> str:
        """What of the text the network reads."""
        return "".join(filter(self.is_known, self.text))

    @property
    def is_answered(self) -> bool:
        """Whether the newest answer is about this text."""
        return self.message is not None and self.message.prompt == self.known


def paint(shown: Shown, width: int, height: int, palette: Palette) -> tuple[list[Strip], tuple[int, int] | None]:
    """At most `height` lines, and the column and line of the caret if one is shown."""
    if not shown.text and shown.caret is None:
        return [line([(text, DIM)], width) for text in wrap(INVITATION, width, height)], None
    reading = read(shown.message, shown.position) if shown.is_answered and shown.message is not None else None
    kept = read(shown.kept, shown.kept_position) if shown.kept is not None else None
    now, then = foreground(palette.diverging.styles[-1]), foreground(palette.diverging.styles[0])
    foot = _notes(shown, reading, width, 1 if height < 8 else 3)
    room = height - 1 - len(foot) - (1 if height >= 4 else 0)
    share = room if kept is None else (room + 1) // 2
    drawn = _glyphs(shown, reading, palette)
    marker: Span = ("› ", BOLD if shown.caret is not None else DIM) if kept is None else (f"{NOW} ", now)
    picture, caret = _picture(drawn, marker, width, share, _followed(drawn, shown, reading))
    strips = [line(fit(_head(shown, reading, width), width), width), *picture]
    if kept is not None and shown.kept is not None:
        strips += _kept_picture(shown, shown.kept, kept, (f"{KEPT} ", then), width, room - len(picture), palette)
    strips += [line([(text, BOLD)], width) for text in foot]
    strips += _below(shown, reading, width, height - len(strips), palette)
    return strips, None if caret is None else (caret[0], caret[1] + 1)


def _head(shown: Shown, reading: Reading | None, width: int) -> list[Span]:
    if reading is None or shown.message is None:
        waiting = "waiting for an answer" if shown.known else "nothing to read yet"
        return [("typing" if shown.caret is not None else "…", BOLD), (waiting, DIM)]
    before = named(shown.message.prompt[reading.position])
    kind = KINDS.get(reading.kind, reading.kind)
    moment = at_step(shown.message.step, shown.older)
    return [
        (f"‹{before}› → ‹{named(reading.target)}› {kind}", BOLD),
        (f"max {plain(reading.largest)}", PLAIN),
        (f"reach {reading.reach:.1f}", PLAIN),
        (moment if shown.moment is None else f"weights of {moment}", DIM),
    ]


def named(char: str) -> str:
    """A character as it is written about; a space must be seen."""
    return "␣" if char == " " else visible(char)


def percent(probability: float) -> str:
    """91%, and <1% for what is not nothing."""
    return "<1%" if 0 < probability < 0.005 else f"{probability:.0%}"


def _glyphs(shown: Shown, reading: Reading | None, palette: Palette) -> list[Glyph]:
    if reading is not None:
        target = reading.target
        return glyphs(
            shown.text, shown.is_known, reading.shares, target, palette, occlusion=reading.occlusion, caret=shown.caret
        )
    shares: Array = np.zeros(0)
    if shown.message is not None:  # what was there before keeps its colours until the answer comes
        common = _common_prefix(shown.message.prompt, shown.known)
        stale = read(shown.message, common - 1) if common else None
        shares = shares if stale is None else stale.shares
    return glyphs(shown.text, shown.is_known, shares, None, palette, rest=PLAIN, caret=shown.caret)


def _common_prefix(one: str, other: str) -> int:
    count = min(len(one), len(other))
    return next((i for i in range(count) if one[i] != other[i]), count)


def _followed(drawn: list[Glyph], shown: Shown, reading: Reading | None) -> int:
    """The glyph that must be on the screen: the caret, or the character asked about."""
    if shown.caret is not None:
        return shown.caret
    if reading is None:
        return len(drawn) - 1
    return _asked(drawn)


def _asked(drawn: list[Glyph]) -> int:
    """The character asked about, or the last one."""
    places = [index for index, glyph in enumerate(drawn) if glyph.beneath and glyph.beneath[0][0] == "▲"]
    return places[0] if places else len(drawn) - 1


def _picture(
    drawn: list[Glyph], marker: Span, width: int, room: int, followed: int
) -> tuple[list[Strip], tuple[int, int] | None]:
    """The rows of a prompt around the glyph `followed`, in `room` lines; where that one is."""
    indent = cell_len(marker[0])
    rows = fold(drawn, max(width - indent, 2))
    beneath = min(max((len(glyph.beneath) for glyph in drawn), default=0), max(room - 1, 0))
    fitting = max(room // (1 + beneath), 1)
    row, before = 0, 0
    while row < len(rows) - 1 and before + len(rows[row]) <= followed:
        before += len(rows[row])
        row += 1
    first = min(max(row - fitting + 1, 0), max(len(rows) - fitting, 0))
    strips: list[Strip] = []
    for index in range(first, min(first + fitting, len(rows))):
        mark = marker if index == 0 else ("⋮ " if index == first else "  ", DIM)
        strips += row_strips(rows[index], mark, beneath, width)
    column = indent + sum(cell_len(visible(glyph.char)) for glyph in rows[row][: followed - before])
    return strips[: max(room, 1)], (column, (row - first) * (1 + beneath))


def _kept_picture(
    shown: Shown, message: Connectivity, reading: Reading, marker: Span, width: int, room: int, palette: Palette
) -> list[Strip]:
    if room < 2:
        return []
    # Of the same text, it stands with what was left out of that, so that both are aligned.
    text, is_known = (shown.text, shown.is_known) if message.prompt == shown.known else (message.prompt, lambda _: True)
    drawn = glyphs(text, is_known, reading.shares, reading.target, palette, occlusion=reading.occlusion)
    parts: list[Span] = [
        (f"{KEPT} step {message.step:,}", marker[1]),
        (f"→ ‹{named(reading.target)}› {KINDS.get(reading.kind, reading.kind)}", PLAIN),
        ("" if reading.probability is None else percent(reading.probability), PLAIN),
        (f"max {plain(reading.largest)}", PLAIN),
        (f"reach {reading.reach:.1f}", PLAIN),
        (message.mode, DIM),
    ]
    picture, _ = _picture(drawn, marker, width, room - 1, _asked(drawn))
    return [line(fit(parts, width), width), *picture]


def _notes(shown: Shown, reading: Reading | None, width: int, limit: int) -> list[str]:
    """What must be said: characters left out, a picture of nothing, a check that fails."""
    notes = []
    unknown = [char for char in shown.text if not shown.is_known(char)]
    if shown.is_answered and shown.message is not None:
        unknown += shown.message.skipped
    if skipped := "".join(dict.fromkeys(unknown)):
        notes.append(f"Left out, not in the training text: {visible_text(skipped)}")
    if reading is not None and reading.largest == 0:
        notes.append("Every connection is exactly zero: nothing in the prompt matters here.")
    if reading is not None and shown.candidate not in ("", reading.target):
        notes.append(f"Asking about ‹{named(shown.candidate)}› …")
    if shown.occlusion:
        notes.append(_check(shown, reading))
    return [text for note in notes for text in wrap(note, width, 2)][:limit]


def _check(shown: Shown, reading: Reading | None) -> str:
    if reading is None or reading.occlusion is None or shown.message is None:
        return "Checking by replacing characters …"
    correlation = shown.message.rank_correlation
    if correlation is None:
        return "Replacing characters: the two rows cannot be ranked."
    if correlation >= AGREES:
        words = "the check agrees"
    elif correlation >= AGREES_IN_PART:
        words = "the check agrees in part"
    else:
        words = "do not trust this picture"
    return f"Replacing, rank correlation {correlation:.2f}: {words}."


def _below(shown: Shown, reading: Reading | None, width: int, room: int, palette: Palette) -> list[Strip]:
    """Candidates, one in a line where there is room for it; then what helps to read the picture."""
    if reading is None or room < 1:
        return []
    choices = list(reading.candidates)
    if room < 3:
        parts = [_choice(each, reading.target) for each in choices]
        return [line(fit(parts, width, "  "), width)]
    help_lines = []
    if room >= len(choices) + 2:
        legend = LEGEND if reading.occlusion is None else LEGEND_OF_CHECK
        help_lines.append(line(fit([(text, DIM) for text in legend], width, ", "), width))
    if len(shown.reach) > 1 and room >= len(choices) + 3:
        label = "reach on held-out text, over the training: "
        curve = sparkline(shown.reach, min(width - len(label) - 6, WIDEST_BAR))
        help_lines.append(line([(label, DIM), (curve, BOLD), (f" {shown.reach[-1]:.1f}", BOLD)], width))
    gap = [Strip.blank(width)] if room > len(choices) + len(help_lines) else []
    bars = min(width - 10, WIDEST_BAR)
    strips = []
    for each in choices[: room - len(gap) - len(help_lines)]:
        text, style = _choice(each, reading.target)
        bar_style = foreground(palette.predicted) if each.char == reading.target else PLAIN
        padding = " " * (9 - cell_len(text))  # a wide character and 100% take eight
        strips.append(line([(text + padding, style), (bar(each.probability, bars), bar_style)], width))
    strips = [*gap, *strips, *help_lines]
    return strips + _every_prediction(shown, reading, width, room - len(strips), palette)


def _every_prediction(shown: Shown, reading: Reading, width: int, room: int, palette: Palette) -> list[Strip]:
    """Where much room is left: the coloured prompt again after each of its characters, the newest on top."""
    message = shown.message
    if message is None or room < 6 or sum(cell_len(visible(char)) for char in message.prompt) + 4 > width:
        return []
    last = len(message.prompt) - 1
    top = min(max(reading.position + (room - 3) // 2, min(room - 3, last)), last)
    strips = [Strip.blank(width), line([("what each prediction over the prompt rested on:", DIM)], width)]
    for position in range(top, max(top - room + 2, -1), -1):
        each = read(message, position)
        if each is not None:
            drawn = glyphs(message.prompt[: position + 1], lambda char: True, each.shares, each.target, palette)
            marker: Span = ("› ", BOLD) if position == reading.position else ("  ", PLAIN)
            strips += row_strips(drawn, marker, 0, width)
    return strips


def _choice(candidate: Candidate, target: str) -> Span:
    is_target = candidate.char == target
    text = f"{'▸' if is_target else ' '}{named(candidate.char)} {percent(candidate.probability)}"
    return text, BOLD if is_target else PLAIN
