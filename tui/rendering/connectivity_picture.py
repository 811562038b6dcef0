"""The picture of the connectivity pane: the coloured prompt, the candidates for the next character, and notes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np
from rich.cells import cell_len
from textual.strip import Strip

from engine.arrays import Array
from engine.session.messages import REACH_BEFORE, Candidate, Connectivity, ConnectivityMode
from tui.rendering.attribution import ASKED, Attribution, Glyph, attribution, fold, glyphs, row_strips
from tui.rendering.colour import KEPT, NOW, Palette, foreground
from tui.rendering.numbers import at_step, bar, minus, percent, plain, sparkline
from tui.rendering.strips import BOLD, DIM, PLAIN, Span, fit, line, marked, paragraph, wrap
from tui.rendering.text import named, visible

INVITATION = "Press p and type: the colour of each character shows how much it counts for the next one."
LEGEND = ("digits: tenths of the strongest", "· less than one", "blank exactly none", "▲ asked about")
LEGEND_OF_CHECK = ("tenths of the strongest: ∂ gradient", "≠ effect of replacing the character")
AGREES, AGREES_IN_PART = 0.7, 0.4  # the lowest rank correlations with which the check "agrees" and "agrees in part"
WIDEST_BAR = 40  # cells
LEAST_CURVE = 6  # cells


@dataclass(frozen=True, slots=True)
class ConnectivityContent:
    """Everything that the picture depends on, apart from its size and its colours."""

    is_known: Callable[[str], bool]  # whether the network can read a character
    text: str = ""
    message: Connectivity | None = None
    older: bool = False  # `message` lies far behind the run
    position: int = -1  # of the prediction, among the known characters; -1 is the last
    caret: int | None = None  # in `text`, while it is typed
    candidate: str = ""  # the character asked about; "" for the default, the actual or most probable one
    mode: ConnectivityMode = "logit"
    occlusion: bool = False  # check the colours by replacing each character
    moment: int | None = None  # the step whose weights answer; None for the present ones
    kept: Connectivity | None = None  # the answer of a moment, to compare with `message`, which is then that of now
    reach: tuple[float, ...] = ()  # on held-out text, over the training so far; characters
    reach_se: float = math.nan  # the standard error of the last one

    @property
    def known(self) -> str:
        return "".join(filter(self.is_known, self.text))

    @property
    def is_answered(self) -> bool:
        """Whether `message` is about this text."""
        return self.message is not None and self.message.prompt == self.known


def connectivity_picture(
    content: ConnectivityContent, width: int, height: int, palette: Palette
) -> tuple[list[Strip], tuple[int, int] | None]:
    """At most `height` lines, and the column and line of the caret, None if there is none."""
    if not content.text and content.caret is None:
        return paragraph(INVITATION, width, height, DIM), None
    prediction = attribution(content.message, content.position) if content.message and content.is_answered else None
    kept = attribution(content.kept, content.position) if content.kept is not None and prediction is not None else None
    foot = _notes(content, prediction, width, 1 if height < 8 else 3)
    room = height - 1 - len(foot) - (1 if height >= 4 else 0)
    share = room if kept is None else (room + 1) // 2
    drawn = [
        replace(glyph, style=marked(glyph.style, "character", index))
        for index, glyph in enumerate(_glyphs(content, prediction, palette))
    ]
    marker: Span = ("› ", BOLD if content.caret is not None else DIM) if kept is None else (f"{NOW} ", palette.now)
    picture, caret = _picture(drawn, marker, width, share, _followed(drawn, content, prediction))
    strips = [line(fit(_head(content, prediction, width), width), width), *picture]
    if kept is not None and content.kept is not None:
        strips += _kept_picture(content, content.kept, kept, width, room - len(picture), palette)
    strips += [line([(text, BOLD)], width) for text in foot]
    strips += _below(content, prediction, width, height - len(strips), palette)
    return strips, None if caret is None else (caret[0], caret[1] + 1)


def _head(content: ConnectivityContent, prediction: Attribution | None, width: int) -> list[Span]:
    if prediction is None or content.message is None:
        waiting = "waiting for an answer" if content.known else "nothing to read yet"
        return [("typing" if content.caret is not None else "…", BOLD), (waiting, DIM)]
    before = named(content.message.prompt[prediction.position])
    moment = at_step(content.message.step, content.older)
    return [
        (f"‹{before}› → ‹{named(prediction.target)}› {prediction.kind}", BOLD),
        (f"max {plain(prediction.largest)}", PLAIN),
        (f"reach {prediction.reach:.1f}", PLAIN),
        (f"now, {moment}" if content.kept else moment if content.moment is None else f"weights of {moment}", DIM),
    ]


def _glyphs(content: ConnectivityContent, prediction: Attribution | None, palette: Palette) -> list[Glyph]:
    if prediction is not None:
        target = prediction.target
        return glyphs(
            content.text,
            content.is_known,
            prediction.shares,
            target,
            palette,
            occlusion=prediction.occlusion,
            caret=content.caret,
        )
    shares: Array = np.zeros(0)
    if content.message is not None:  # until the answer comes, the unchanged beginning keeps its colours
        pairs = zip(content.message.prompt, content.known, strict=False)
        common = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
        stale = attribution(content.message, common - 1) if common else None
        shares = shares if stale is None else stale.shares
    return glyphs(content.text, content.is_known, shares, None, palette, rest=PLAIN, caret=content.caret)


def _followed(drawn: list[Glyph], content: ConnectivityContent, prediction: Attribution | None) -> int:
    """The index of the glyph that must be in view: the caret, or the character asked about."""
    if content.caret is not None:
        return content.caret
    if prediction is None:
        return len(drawn) - 1
    return _asked(drawn)


def _asked(drawn: list[Glyph]) -> int:
    """The index of the character asked about, or of the last one."""
    places = [index for index, glyph in enumerate(drawn) if glyph.beneath and glyph.beneath[0][0] == ASKED]
    return places[0] if places else len(drawn) - 1


def _picture(
    drawn: list[Glyph], marker: Span, width: int, room: int, followed: int
) -> tuple[list[Strip], tuple[int, int] | None]:
    """The rows of a prompt around glyph number `followed`, in `room` lines; and its column and line."""
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
    content: ConnectivityContent,
    message: Connectivity,
    prediction: Attribution,
    width: int,
    room: int,
    palette: Palette,
) -> list[Strip]:
    if room < 2:
        return []
    # The characters that were left out are shown here too, so that the two pictures are aligned.
    drawn = glyphs(
        content.text,
        content.is_known,
        prediction.shares,
        prediction.target,
        palette,
        occlusion=prediction.occlusion,
    )
    parts: list[Span] = [
        (f"{KEPT} step {message.step:,}", palette.kept),
        (f"→ ‹{named(prediction.target)}› {prediction.kind}", PLAIN),
        ("" if prediction.probability is None else percent(prediction.probability), PLAIN),
        (f"max {plain(prediction.largest)}", PLAIN),
        (f"reach {prediction.reach:.1f}", PLAIN),
        (message.mode, DIM),
    ]
    picture, _ = _picture(drawn, (f"{KEPT} ", palette.kept), width, room - 1, _asked(drawn))
    return [line(fit(parts, width), width), *picture]


def _notes(content: ConnectivityContent, prediction: Attribution | None, width: int, limit: int) -> list[str]:
    """Sentences in at most `limit` lines: characters left out, only zero connections, the result of the check."""
    notes = []
    unknown = [char for char in content.text if not content.is_known(char)]
    if content.is_answered and content.message is not None:
        unknown += content.message.skipped
    if skipped := "".join(dict.fromkeys(unknown)):
        names = [named(char) for char in skipped]
        between = " " if any(len(name) > 2 for name in names) else ""  # a code point may stand beside one of them
        notes.append(f"Left out, not in the training text: {between.join(names)}")
    if prediction is not None and prediction.largest == 0:
        notes.append("Every connection is exactly zero: nothing in the prompt matters here.")
    if prediction is not None and content.candidate not in ("", prediction.target):
        notes.append(f"Asking about ‹{named(content.candidate)}› …")
    if content.occlusion:
        notes.append(_check(content, prediction))
    return [text for note in notes for text in wrap(note, width, 2)][:limit]


def _check(content: ConnectivityContent, prediction: Attribution | None) -> str:
    if prediction is None or prediction.occlusion is None or content.message is None:
        return "Checking by replacing characters …"
    correlation = content.message.rank_correlation
    if correlation is None:
        return "Replacing characters: the two rows cannot be ranked."
    if correlation >= AGREES:
        words = "the check agrees"
    elif correlation >= AGREES_IN_PART:
        words = "the check agrees in part"
    else:
        words = "do not trust this picture"
    read = np.asarray(content.message.occlusion)[: prediction.position + 1]
    untold = int(np.count_nonzero(read == 0))
    without = f" Of {untold} of {len(read)} characters the effect is too small to measure." if untold else ""
    ranked = minus(f"{correlation:.2f}")
    return f"Replacing, rank correlation {ranked}: {words}.{without}"


def _below(
    content: ConnectivityContent, prediction: Attribution | None, width: int, room: int, palette: Palette
) -> list[Strip]:
    """The candidates, one to a line if there is room; then the legend and the reach."""
    if prediction is None or room < 1:
        return []
    choices = list(prediction.candidates)
    if room < 3:
        parts = [_choice(each, prediction.target) for each in choices]
        return [line(fit(parts, width, "  "), width)]
    help_lines = []
    if room >= len(choices) + 2:
        legend = LEGEND if prediction.occlusion is None else LEGEND_OF_CHECK
        help_lines.append(line(fit([(text, DIM) for text in legend], width, ", "), width))
    if len(content.reach) > 1 and room >= len(choices) + 3:
        help_lines.append(_reach(content, width))
    gap = [Strip.blank(width)] if room > len(choices) + len(help_lines) else []
    choices = choices[: room - len(gap) - len(help_lines)]
    column = max((cell_len(_choice(each, prediction.target)[0]) + 1 for each in choices), default=0)
    column = max(column, 9)  # a wide character and 100% take eight
    bars = min(width - column - 1, WIDEST_BAR)
    strips = []
    for each in choices:
        text, style = _choice(each, prediction.target)
        bar_style = foreground(palette.predicted) if each.char == prediction.target else PLAIN
        padding = " " * (column - cell_len(text))
        style = marked(style, "candidate", each.char)
        strips.append(line([(text + padding, style), (bar(each.probability, bars), bar_style)], width))
    strips = [*gap, *strips, *help_lines]
    return strips + _every_prediction(content, prediction, width, room - len(strips), palette)


def _reach(content: ConnectivityContent, width: int) -> Strip:
    """The curve of the reach over the training, and its last value with the standard error."""
    error = f" ± {content.reach_se:.1f}" if math.isfinite(content.reach_se) else ""
    value = f" {content.reach[-1]:.1f}{error}"
    where = ("reach on held-out text, over the training", "reach on held-out text", "reach")
    labels = [*(f"{label} (within {REACH_BEFORE} characters): " for label in where), f"reach within {REACH_BEFORE}: "]
    label = next((each for each in labels if len(each) + len(value) + LEAST_CURVE <= width), labels[-1])
    curve = sparkline(content.reach, max(min(width - len(label) - len(value), WIDEST_BAR), 0))
    return line([(label, DIM), (curve, BOLD), (value, BOLD)], width)


def _every_prediction(
    content: ConnectivityContent, prediction: Attribution, width: int, room: int, palette: Palette
) -> list[Strip]:
    """The prompt in the colours of the prediction after each character, the last on top; nothing if room is short."""
    message = content.message
    if message is None or room < 6 or sum(cell_len(visible(char)) for char in message.prompt) + 4 > width:
        return []
    last = len(message.prompt) - 1
    top = min(max(prediction.position + (room - 3) // 2, min(room - 3, last)), last)
    strips = [Strip.blank(width), line([("what each prediction over the prompt depended on:", DIM)], width)]
    for position in range(top, max(top - room + 2, -1), -1):
        each = attribution(message, position)
        if each is not None:
            drawn = glyphs(message.prompt[: position + 1], lambda char: True, each.shares, each.target, palette)
            marker: Span = ("› ", BOLD) if position == prediction.position else ("  ", PLAIN)
            marker = (marker[0], marked(marker[1], "position", position))
            strips += row_strips(drawn, marker, 0, width)
    return strips


def _choice(candidate: Candidate, target: str) -> Span:
    is_target = candidate.char == target
    text = f"{'▸' if is_target else ' '}{named(candidate.char)} {percent(candidate.probability)}"
    return text, BOLD if is_target else PLAIN
