"""What is known of the units, in words: which are held, which follow a feature, how often gates are shut or open."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from rich.cells import cell_len

from engine.session.messages import Cells, Feature
from tui.rendering.numbers import signed
from tui.rendering.strips import shorten, wrap

SIDE_WIDTH = 36  # cells, of the column of facts beside the map


def describe(cells: Cells, asked: Iterable[tuple[int, float | None]]) -> list[tuple[str, list[str]]]:
    """The facts beside or beneath the picture, most important first: titles, each with its lines.

    `asked` has the units that are about to be held at a value, or freed (None).
    """
    held = [f"unit {unit} held at {signed(value)}" for unit, value in cells.clamped]
    waiting = [
        f"holding unit {unit} at {signed(value)} …" if value is not None else f"freeing unit {unit} …"
        for unit, value in asked
    ]
    if held:
        held.append(_effect(cells.clamp_effect))
    features = [_follower(each) for each in sorted(cells.best, key=lambda each: -abs(each.correlation))]
    gates = [f"gate {gate}: {below:.0%} < 0.1, {above:.0%} > 0.9" for gate, (below, above) in cells.saturation.items()]
    known = "" if cells.known_step is None else f" at step {cells.known_step:,}"
    return [
        ("held:", [*waiting, *held]),
        (f"follows best{known}:", [*_depth(cells), *features]),
        (f"share of shut and open gates{known}:", gates),
    ]


def _follower(feature: Feature) -> str:
    """The unit that follows a feature best, beside the |r| that chance explains; or that chance explains all."""
    if feature.unit is None:
        return f"{feature.name}: none above chance ({feature.chance:.2f})"
    return f"{feature.name}: unit {feature.unit}, r {signed(feature.correlation)} (chance {feature.chance:.2f})"


def _depth(cells: Cells) -> list[str]:
    """How well the bracket depth is read out of h, and what the same costs nothing to reach."""
    if cells.depth_accuracy is None:
        return []
    others = [("untrained", cells.depth_untrained), ("majority", cells.depth_majority)]
    beside = ", ".join(f"{name} {share:.0%}" for name, share in others if share is not None)
    return [f"depth read out of h: {cells.depth_accuracy:.0%}{f' ({beside})' if beside else ''}"]


def _effect(change: float | None) -> str:
    if change is None or not math.isfinite(change):
        return "validation loss: unknown"
    return f"validation loss {signed(change, 4)} nats"


def packed(facts: Sequence[tuple[str, list[str]]], columns: int, limit: int) -> list[str]:
    """The facts joined into at most `limit` lines. Every group gets its first line before any gets a second.

    A fact that is too long is there without what stands in its parentheses.
    """
    lines: list[tuple[int, int, str]] = []  # place in its group, group, text
    for group, (_, texts) in enumerate(facts):
        rows: list[str] = []
        for text in texts:
            joined = f"{rows[-1]} · {text}" if rows else text
            if rows and cell_len(joined) <= columns:
                rows[-1] = joined
            else:
                whole = text if cell_len(text) <= columns else text.partition(" (")[0]
                rows.append(shorten(whole, columns))
        lines += [(place, group, text) for place, text in enumerate(rows)]
    chosen = sorted(lines)[:limit]
    return [text for _, _, text in sorted(chosen, key=lambda each: (each[1], each[0]))]


def listed(facts: Sequence[tuple[str, list[str]]], height: int) -> list[str]:
    """The facts below each other in at most `height` lines of `SIDE_WIDTH` cells."""
    lines: list[str] = []
    for title, group in facts:
        if group:
            lines += [*([""] if lines else []), title]
            for text in group:
                first, *more = wrap(text, SIDE_WIDTH - 2, 2)
                lines += ["  " + first, *("    " + each for each in more)]
    return lines[:height]
