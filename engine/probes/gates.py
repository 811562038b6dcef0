"""Saturation of gates: how often each unit of a gate is shut, and how often it is open.

Karpathy, Johnson and Fei-Fei, Visualizing and understanding recurrent networks, arXiv 1506.02078, section 4.2: a value
above 0.9 is right-saturated, one below 0.1 left-saturated. A forget gate that is right-saturated most of the time
belongs to a unit that keeps what it has, whatever is read; a unit whose gate is never saturated passes on a mixture.
"""

from __future__ import annotations

import numpy as np

from engine.arrays import Array, frozen
from engine.network.cells.cell import cell_of
from engine.network.model import Model
from engine.probes.activations import OPEN, SHUT, activations
from engine.probes.held_out import Streams
from engine.probes.pieces import Pieces, at_once
from engine.probes.results import Saturation

AT_ONCE = 4  # streams that are read side by side in one piece of the work


def saturation_in_pieces(model: Model, text: Streams, layer: int, step: int = 0) -> Pieces[Saturation]:
    """For each gate that is a sigmoid, and each unit of `layer`, the shares of its values below 0.1 and above 0.9.

    The values are those after the warm-up of each stream of `text`. `step` is copied into the result. It pauses between
    some streams; the weights are those that the model has before the first pause.
    """
    gates = cell_of(model.architecture.cell).sigmoids
    model = Model(model.parameters.astype(model.parameters.flat.dtype))
    seq, streams = text.codes.shape
    measured = (seq - text.warm_up) * streams
    shut: dict[str, Array] = {gate: np.zeros(model.architecture.hidden_size) for gate in gates}
    opened: dict[str, Array] = {gate: np.zeros(model.architecture.hidden_size) for gate in gates}
    for first in range(0, streams, AT_ONCE) if gates else ():
        found = activations(model, text.codes[:, first : first + AT_ONCE], layer, *gates)
        for gate, values in zip(gates, found, strict=True):
            values = values[:, text.warm_up :]
            shut[gate] += np.count_nonzero(values < SHUT, axis=(1, 2))
            opened[gate] += np.count_nonzero(values > OPEN, axis=(1, 2))
        yield
    for counts in (*shut.values(), *opened.values()):
        counts /= measured
        frozen(counts)
    return Saturation(step, layer, measured, shut, opened)


saturation = at_once(saturation_in_pieces)
