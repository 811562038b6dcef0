"""The values of a layer's units over a text: heat map, order, the features they follow, saturation of gates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engine.arrays import Array, Codes, frozen
from engine.network.cells.cell import cell_of
from engine.network.cells.layer import Clamps
from engine.network.model import Model
from engine.probes.features import FEATURES, best_units, chance, correlations
from engine.probes.held_out import Streams
from engine.probes.readout import Readout, readout
from engine.probes.results import Cells, Feature
from engine.text.vocabulary import Vocabulary

SHUT, OPEN = 0.1, 0.9  # a gate with a value below the first is shut, with one above the second open


@dataclass(frozen=True)
class Statistics:
    """Statistics of the units of one layer over held-out text, for one kind of value ("h", "c" or a gate)."""

    correlation: Array  # (F, H): Pearson's r of each of `FEATURES` with each unit
    best: tuple[Feature, ...]  # for each feature the unit that follows it best
    saturation: dict[str, tuple[float, float]]  # gate: share < 0.1, share > 0.9
    depth: Readout | None  # of the bracket depth, from h


def activations(
    model: Model, codes: Codes, layer: int, *kinds: str, clamps: Mapping[int, Clamps] | None = None
) -> list[Array]:
    """The values (H, T, B) of each of `kinds` ("h", "c" or a gate) in `layer`, over `codes` (T, B) from a zero state.

    `clamps` has, for some layers, (unit, value) pairs of h that are held fixed. Raises `KeyError` for an unknown kind.
    """
    work = model.workspace(*codes.shape, train=False)
    model.forward(work, codes, clamps=dict(clamps or {}))
    return [work.tapes[layer].values(kind).transpose(2, 0, 1) for kind in kinds]


def statistics(model: Model, text: Streams, layer: int, kind: str) -> Statistics:
    """The statistics of the values of `kind` in `layer` over held-out text, and the saturation of its gates."""
    gates = cell_of(model.architecture.cell).sigmoids
    values, hidden, *gate_values = (
        array[:, text.warm_up :].reshape(len(array), -1)
        for array in activations(model, text.codes, layer, kind, "h", *gates)
    )
    correlation = correlations(values, text.features)
    return Statistics(
        correlation=correlation,
        best=best_units(correlation, chance(values, text.shuffled)),
        saturation={
            gate: (float((array < SHUT).mean()), float((array > OPEN).mean()))
            for gate, array in zip(gates, gate_values, strict=True)
        },
        depth=readout(hidden, text.depth, text.fitted, text.measured),
    )


def depth_readout(model: Model, text: Streams, layer: int) -> Readout | None:
    """The read-out of the bracket depth alone, from h of `layer` over held-out text."""
    hidden = activations(model, text.codes, layer, "h")[0][:, text.warm_up :]
    return readout(hidden.reshape(len(hidden), -1), text.depth, text.fitted, text.measured)


def read_cells(
    model: Model,
    vocabulary: Vocabulary,
    codes: Codes,
    found: Statistics | None = None,
    untrained: Readout | None = None,
    *,
    layer: int = 0,
    kind: str = "h",
    sort: str = "index",
    followed: Array | None = None,
    clamps: Mapping[int, Clamps] | None = None,
    step: int = 0,
) -> Cells:
    """The values of `kind` ("h", "c" or a gate) in `layer` over the text `codes` (S,), from a zero state.

    `sort` is "index", "variance" over this text, or a name of `FEATURES`; a feature needs `found`, the statistics of
    the layer. With any other name the order is that of |r| in `followed` (H,), if there is one. `untrained` is the
    read-out from an untrained network of this shape. `clamps` has, for some layers, (unit, value) pairs of h that
    are held fixed. `step` is copied into the result.
    """
    values = activations(model, codes[:, None], layer, kind, clamps=clamps)[0][:, :, 0].copy()
    score: Array = np.arange(len(values), dtype=np.float64)
    order = np.arange(len(values))
    if sort == "variance" and len(codes):
        score = values.var(axis=1, dtype=np.float64)
        order = np.argsort(-score, kind="stable")
    elif sort in FEATURES and found is not None:
        followed = found.correlation[list(FEATURES).index(sort)]
    if followed is not None:
        score = followed.copy()
        order = np.argsort(-np.abs(score), kind="stable")
    return Cells(
        step=step,
        text=vocabulary.decode(codes),
        layer=layer,
        kind=kind,
        values=frozen(values),
        order=frozen(order),
        score=frozen(score),
        best=found.best if found else (),
        saturation=found.saturation if found else {},
        depth_accuracy=found.depth.accuracy if found and found.depth else None,
        depth_untrained=untrained.accuracy if untrained else None,
        depth_majority=found.depth.majority if found and found.depth else None,
        clamped=tuple((clamps or {}).get(layer, ())),
    )
