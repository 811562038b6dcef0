"""Draws where the loss is: a row for each class of characters, with the network's loss beside a counting model's."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.cells import cell_len
from textual.strip import Strip

from engine.session.messages import Where
from tui.rendering.colour import KEPT, NOW, Palette
from tui.rendering.numbers import bar, nats, rate
from tui.rendering.strips import BOLD, DIM, PLAIN, Span, line, wrap

SHORT = {  # of the longer names of classes, where there is little room
    "punctuation and signs": "sign",
    "first letter of a word": "first letter",
    "letter of a rare word": "rare word",
    "letter of a recent word": "recent word",
}
ROOM_FOR_NAMES = 76  # columns from which on the names are written out
LEAST_BAR = 6  # columns; with less room there are no bars
NUMBER = 8  # columns of a number with a blank before it
COUNTED = "│"  # marks the counting model's loss in the row of the network's bar


def where_picture(where: Where, width: int, height: int, palette: Palette) -> list[Strip]:
    """At most `height` lines: a head, a row for each class, then in words what stands out."""
    long = width >= ROOM_FOR_NAMES
    names = [name if long else SHORT.get(name, name) for name in where.classes]
    name_width = max(map(cell_len, names)) + 1
    numbers = [6, 6, NUMBER, NUMBER] + ([NUMBER + 1] if where.before is not None else [])
    room = width - name_width - sum(numbers) - 2
    heads = ["chars", "loss", f"{NOW}net", f"{KEPT}{where.n}-gram", f"since {rate(where.before_step)}"]
    head = "".join(text.rjust(columns) for text, columns in zip(heads, numbers, strict=False))
    rows = [line([("class".ljust(name_width) + head, DIM), *_legend(where, room, palette)], width)]
    top = max((loss for loss in (*where.losses, *where.counting) if math.isfinite(loss)), default=0.0)
    for k, name in enumerate(names):
        rows.append(line([(name.ljust(name_width), PLAIN), *_row(where, k, top, room, palette)], width))
    rest = height - len(rows) - 1
    words = [line([(text, PLAIN)], width) for text in wrap(in_words(where), width, rest)]
    return [*rows, Strip.blank(width), *words][:height] if words else rows[:height]


def _legend(where: Where, room: int, palette: Palette) -> Iterator[Span]:
    if room >= LEAST_BAR + 6:
        yield "  █", palette.now
        yield " net  ", DIM
        yield COUNTED, palette.kept
        yield f" {where.n}-gram", DIM


def _row(where: Where, k: int, top: float, room: int, palette: Palette) -> Iterator[Span]:
    """The numbers of class `k`, and a bar as long as its loss, in parts of the largest loss `top`."""
    if not where.share[k]:
        yield "–".rjust(6), DIM
        return
    loss, counting = float(where.losses[k]), float(where.counting[k])
    yield f"{where.share[k]:.1%}".rjust(6), PLAIN
    yield f"{where.loss_share[k]:.1%}".rjust(6), BOLD
    yield nats(loss).rjust(NUMBER), PLAIN if loss <= counting else BOLD
    yield nats(counting).rjust(NUMBER), DIM
    if where.before is not None:
        yield _change(loss - float(where.before[k])).rjust(NUMBER + 1), PLAIN
    if room >= LEAST_BAR and math.isfinite(loss) and top > 0:
        bars = bar(loss / top, room)
        mark = min(int(counting / top * room), room - 1)
        yield "  ", PLAIN
        yield bars[:mark].ljust(mark), palette.now
        yield COUNTED, palette.kept
        yield bars[mark + 1 :], palette.now


def _change(by: float) -> str:
    return f"{by:+.3f}" if math.isfinite(by) else "–"


def in_words(where: Where) -> str:
    """What stands out: where most of the loss is, what improved most, and where counting does better."""
    met = [k for k in range(len(where.classes)) if where.share[k] and math.isfinite(where.losses[k])]
    if not met:
        return ""
    most = max(met, key=lambda k: where.loss_share[k])
    words = [
        f"Most of the loss: {where.classes[most]}, {where.loss_share[most]:.0%} "
        f"on {where.share[most]:.0%} of the characters."
    ]
    if where.before is not None:
        gains = {k: float(where.before[k] - where.losses[k]) for k in met}
        best = max(gains, key=lambda k: gains[k] * where.share[k])
        if gains[best] > 0:
            words.append(
                f"Since step {where.before_step:,} most was gained on: {where.classes[best]}, "
                f"{-gains[best]:+.3f} nats each."
            )
    worse = [where.classes[k] for k in met if where.losses[k] > where.counting[k]]
    if not worse:
        words.append(f"The network is better than the {where.n}-gram model on every class.")
    elif len(worse) == len(met):
        words.append(f"The {where.n}-gram model is better on every class.")
    else:
        words.append(f"The {where.n}-gram model is better on: {', '.join(worse)}.")
    return " ".join(words)
