"""A portrait of what a network does: its states over a text in one plane, and the fixed points among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engine.arrays import Array, Codes, Integers, frozen
from engine.network.cells.cell import cell_of
from engine.network.model import Model
from engine.probes.fixed_points import Search, search, why_not
from engine.probes.held_out import Streams
from engine.probes.plane import Plane, plane_of
from engine.probes.results import FixedPoint, Portrait
from engine.text.vocabulary import Vocabulary

PIECE = 10  # time steps that are read at once
MOST_STARTS, FEWEST_STARTS = 64, 8  # states from which fixed points are looked for
AFFORDED = 30_000_000  # starts times the cube of the numbers in a state: a start takes so much longer in a larger one


@dataclass(frozen=True, eq=False)
class Landscape:
    """The states of the top layer over the N measured characters of a text, and the fixed points under one character.

    `found` is None where fixed points of the network are not looked for.
    """

    model: Model  # whose states these are, in float64
    step: int
    plane: Plane
    points: Array  # (N, 2), time-major as in `Streams`
    found: Search | None
    starts: int

    def path(self, codes: Codes) -> Array:
        """Where the states lie while the network reads `codes` (S,) from a zero state, (S, 2)."""
        if not len(codes):
            return np.zeros((0, 2))
        work = self.model.workspace(len(codes), 1, train=False)
        self.model.forward(work, codes[:, None])
        return self.plane.place(work.outputs)


def landscape(
    model: Model, text: Streams, code: int, *, step: int = 0, like: Plane | None = None
) -> Iterator[Landscape | None]:
    """Yields the landscape of `model`, in float64, as far as it is known, after every little piece of work.

    The first ones are None, while the text is read. `code` is the character of the fixed points. `like` is an earlier
    plane, whose signs this one has. The starts are drawn among the states of the text, always the same ones.
    """
    architecture = model.architecture
    kinds = cell_of(architecture.cell).states
    length, batch = text.codes.shape
    parts: list[list[Array]] = [[] for _ in kinds]
    work = model.workspace(PIECE, batch, train=False)
    padded = np.concatenate([text.codes, np.zeros((-length % PIECE, batch), np.intp)])
    for first in range(0, length, PIECE):
        model.forward(work, padded[first : first + PIECE])
        for kind, part in zip(kinds, parts, strict=True):
            part.append(work.tapes[-1].values(kind).copy())
        work.carry()
        yield None
    hidden, *others = (
        np.concatenate(part)[text.warm_up : length].reshape(-1, architecture.hidden_size) for part in parts
    )
    plane = plane_of(hidden, like)
    points = plane.place(hidden)
    if why_not(model):
        yield Landscape(model, step, plane, points, None, 0)
        return
    states = np.concatenate([hidden, *others], axis=1)
    count = min(max(AFFORDED // states.shape[1] ** 3, FEWEST_STARTS), MOST_STARTS, len(states))
    starts = states[np.random.default_rng(0).choice(len(states), count, replace=False)]
    shown: Search | None = None
    for found in search(model, code, starts):
        yield Landscape(model, step, plane, points, found, count) if found is not shown else None
        shown = found


def portrait(
    known: Landscape,
    vocabulary: Vocabulary,
    prompt: Codes,
    *,
    feature: str,
    features: tuple[str, ...],
    labels: Integers,
    classes: tuple[str, ...],
    constant: int,
    constants: tuple[str, ...],
) -> Portrait:
    """The landscape as a viewer gets it: with the path of `prompt` (S,), and a class for each of its N points.

    The rest is copied into the result; `constant` is the character with which the landscape was made.
    """
    found = known.found or Search((), 0, 0)
    hidden = known.model.architecture.hidden_size
    places = known.plane.place(np.array([point.state[:hidden] for point in found.points]).reshape(-1, hidden))
    return Portrait(
        step=known.step,
        layer=known.model.architecture.layers - 1,
        points=frozen(known.points.astype(np.float32)),
        shares=(float(known.plane.shares[0]), float(known.plane.shares[1])),
        feature=feature,
        features=features,
        classes=classes,
        labels=frozen(labels.astype(np.uint8)),
        prompt=vocabulary.decode(prompt),
        path=frozen(known.path(prompt).astype(np.float32)),
        constant=vocabulary.characters[constant],
        constants=constants,
        fixed=tuple(
            FixedPoint(float(x), float(y), point.q, point.largest, point.kind)
            for (x, y), point in zip(places, found.points, strict=True)
        ),
        starts=known.starts,
        tried=found.tried,
        arrived=found.arrived,
        remark=why_not(known.model),
    )
