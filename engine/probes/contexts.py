"""Which units follow a feature of a text, where a unit is highest and lowest, and what stands around these places."""

from __future__ import annotations

import numpy as np

from engine.arrays import Array, frozen
from engine.probes.features import correlations
from engine.probes.held_out import Streams
from engine.probes.results import Context, Contexts

PLACES = 10  # highest, and as many lowest
AROUND = 30  # characters shown before and after a place
APART = 10  # characters: of places that lie closer together only the most extreme one counts


def follow(
    values: Array,
    text: str,
    streams: Streams,
    feature: Array,
    *,
    name: str,
    chance: float = 0.0,
    names: tuple[str, ...] = (),
    unit: int = -1,
    layer: int = 0,
    kind: str = "h",
    step: int = 0,
) -> Contexts:
    """Pearson's r of `feature` (N,) with each unit, and the contexts of `unit`, or of the one with the largest |r|.

    `values` (H, T, B) are those of all units over `streams`, whose text is `text`. The rest is copied into the result.
    """
    measured = values[:, streams.warm_up :].reshape(len(values), -1)
    correlation = correlations(measured, feature[None])[0]
    order = np.argsort(-np.abs(correlation), kind="stable")
    unit = int(order[0]) if unit < 0 else min(unit, len(values) - 1)
    highest, lowest = contexts(values[unit], text, streams)
    return Contexts(
        step=step,
        layer=layer,
        kind=kind,
        unit=unit,
        highest=highest,
        lowest=lowest,
        feature=name,
        features=names,
        correlation=frozen(correlation),
        order=frozen(order),
        chance=chance,
        inside=int(np.count_nonzero(feature)),
        measured=len(feature),
    )


def contexts(
    values: Array, text: str, streams: Streams, *, places: int = PLACES
) -> tuple[tuple[Context, ...], tuple[Context, ...]]:
    """The measured places at which a unit is highest, the highest first, and those at which it is lowest.

    `values` (T, B) are the unit's over `streams`, whose text is `text`. A unit often stays high for a while; then the
    place where it is highest stands for the others within `APART` characters.
    """
    measured = streams.after_warm_up(values.T.ravel())
    along = values.T.ravel()  # one for each character of the text
    return _extreme(-measured, along, text, streams, places), _extreme(measured, along, text, streams, places)


def _extreme(rank: Array, along: Array, text: str, streams: Streams, places: int) -> tuple[Context, ...]:
    """The contexts of the places with the lowest `rank` (N,)."""
    taken: list[int] = []
    for index in np.argsort(rank, kind="stable"):
        place = streams.place(int(index))
        if all(abs(place - other) >= APART for other in taken):
            taken.append(place)
            if len(taken) == places:
                break
    return tuple(_context(place, along, text) for place in taken)


def _context(place: int, along: Array, text: str) -> Context:
    first, last = max(place - AROUND, 0), place + AROUND + 1
    return Context(text[first:last], place - first, frozen(along[first:last].astype(np.float32)))
