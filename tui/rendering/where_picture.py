"""Draws where the loss is: a row for each class of characters, with the network's loss beside a counting model's."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rich.cells import cell_len
from textual.strip import Strip

from engine.session.messages import Where
from tui.rendering.colour import Palette
from tui.rendering.numbers import NATS_PER_BIT, bar, nats, percent, rate, signed
from tui.rendering.sentences import Saying, fitted
from tui.rendering.strips import BOLD, DIM, PLAIN, Span, as_lines, line

SHORT = {  # of the longer names of classes, where there is little room
    "punctuation and signs": "sign",
    "first letter of a word": "first letter",
    "letter of a rare word": "rare word",
    "letter of a recent word": "recent word",
}
ROOM_FOR_NAMES = 76  # columns from which on the names are written out, and shares have a decimal
LEAST_BAR, GAP = 6, 2  # columns of a bar and before it; with less room there are no bars
CHANGE = 11  # columns of the change since the moment before, which are there if a bar has `LEAST_BAR` beside them
LEAST_SHARE = 0.01  # of the characters, of the classes to whose losses the bars are scaled; longer bars are cut
COUNTED = "│"  # marks the counting model's loss in the row of the network's bar


@dataclass(frozen=True, slots=True)
class _Columns:
    """How many columns each part of a row has; 0 for a part that is left out."""

    name: int
    share: int
    loss: int
    change: int
    bar: int


def _columns(where: Where, width: int) -> _Columns:
    long = width >= ROOM_FOR_NAMES
    name = max(cell_len(_name(each, long)) for each in where.classes)
    share, loss = (7, 9) if long else (5, 7)
    room = width - name - 2 * share - 2 * loss - GAP
    change = CHANGE if where.before is not None and room - CHANGE >= LEAST_BAR else 0
    return _Columns(name, share, loss, change, room - change if room - change >= LEAST_BAR else 0)


def _name(name: str, long: bool) -> str:
    return name if long else SHORT.get(name, name)


def in_bits(where: Where) -> Where:
    """`where` with losses in bits per character."""
    before = None if where.before is None else where.before / NATS_PER_BIT
    return replace(where, losses=where.losses / NATS_PER_BIT, counting=where.counting / NATS_PER_BIT, before=before)


def where_picture(where: Where, width: int, height: int, palette: Palette, unit: str = "nats") -> list[Strip]:
    """At most `height` lines: a head, a row for each class, then in words what stands out. Losses are in `unit`."""
    columns = _columns(where, width)
    rows = [line(_head(where, columns, palette), width)]
    counts = where.share >= LEAST_SHARE  # a handful of odd characters would make all other bars short
    losses = (*where.losses[counts], *where.counting[counts])
    top = max((loss for loss in losses if math.isfinite(loss)), default=0.0)
    for k, name in enumerate(where.classes):
        spans = [(_name(name, width >= ROOM_FOR_NAMES).ljust(columns.name), PLAIN), *_numbers(where, k, columns)]
        rows.append(line([*spans, *_bar(where, k, top, columns.bar, palette)], width))
    found = [Saying(sentence, sentence) for sentence in in_words(where, unit)]
    room = height - len(rows) - 1
    words = as_lines(fitted(found, width, room) or fitted(found[1:], width, room), width)  # the first is the longest
    return [*rows, Strip.blank(width), *words][:height] if words else rows[:height]


def _head(where: Where, columns: _Columns, palette: Palette) -> Iterator[Span]:
    model = f"{where.n}-gram"
    yield "class".ljust(columns.name), DIM
    yield "chars".rjust(columns.share) + " loss".rjust(columns.share), DIM
    yield "net".rjust(columns.loss) + model.rjust(columns.loss), DIM
    if columns.change:
        yield f"since {rate(where.before_step)}".rjust(columns.change), DIM
    if columns.bar >= len(f"█ net  │ {model}"):
        yield " " * GAP, PLAIN
        yield "█", palette.now
        yield " net  ", DIM
        yield COUNTED, palette.kept
        yield f" {model}", DIM


def _numbers(where: Where, k: int, columns: _Columns) -> Iterator[Span]:
    """The shares of class `k` and the losses on it; the network's is bold where the counting model's is lower."""
    if not where.share[k]:
        yield "–".rjust(columns.share), DIM
        return
    loss, counting = float(where.losses[k]), float(where.counting[k])
    shares = (float(where.share[k]), float(where.loss_share[k]))
    for share, style in zip(shares, (PLAIN, BOLD), strict=True):
        text = f"{share:.1%}" if columns.share > 5 else percent(share)
        yield (text if math.isfinite(share) else "–").rjust(columns.share), style
    yield nats(loss).rjust(columns.loss), BOLD if _is_higher(loss, counting) else PLAIN
    yield nats(counting).rjust(columns.loss), DIM
    if columns.change and where.before is not None:
        yield _change(loss - float(where.before[k])).rjust(columns.change), PLAIN


def _is_higher(loss: float, other: float) -> bool:
    """Whether `loss` is higher than the `other` in the digits that are shown: what looks the same is not told apart."""
    return loss > other and nats(loss) != nats(other)


def _bar(where: Where, k: int, top: float, width: int, palette: Palette) -> Iterator[Span]:
    """A bar as long as the network's loss on class `k`, in parts of the largest loss `top`; a mark for the other."""
    loss, counting = float(where.losses[k]), float(where.counting[k])
    if not (width and top > 0 and where.share[k] and math.isfinite(loss)) or math.isnan(counting):
        return
    filled = bar(loss / top, width)
    mark = min(int(min(counting, top) / top * width), width - 1)
    yield " " * GAP, PLAIN
    yield filled[:mark].ljust(mark), palette.now
    yield COUNTED, palette.kept
    yield filled[mark + 1 :], palette.now


def _change(by: float) -> str:
    return signed(by, 3)


def in_words(where: Where, unit: str = "nats") -> list[str]:
    """What stands out: where counting does better, where most of the loss is, and what improved most."""
    met = [k for k in range(len(where.classes)) if where.share[k] and math.isfinite(where.losses[k])]
    if not met:
        return []
    worse = [where.classes[k] for k in met if _is_higher(where.losses[k], where.counting[k])]
    if not worse and all(_is_higher(where.counting[k], where.losses[k]) for k in met):
        words = [f"The network is better than the {where.n}-gram model on every class."]
    elif not worse:
        words = [f"The network is as good as the {where.n}-gram model, or better, on every class."]
    elif len(worse) == len(met):
        words = [f"The {where.n}-gram model is better on every class."]
    else:
        words = [f"The {where.n}-gram model is better on: {', '.join(worse)}."]
    most = max(met, key=lambda k: where.loss_share[k])
    words.append(
        f"Most of the loss: {where.classes[most]}, {where.loss_share[most]:.0%} "
        f"on {where.share[most]:.0%} of the characters."
    )
    if where.before is not None:
        gains = {k: float(where.before[k] - where.losses[k]) for k in met}
        best = max(gains, key=lambda k: gains[k] * where.share[k])
        if gains[best] > 0:
            words.append(
                f"Since step {where.before_step:,} most was gained on: {where.classes[best]}, "
                f"{signed(-gains[best], 3)} {unit} each."
            )
    return words
