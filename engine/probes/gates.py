"""Saturation of gates: how often each unit of a gate is shut, and how often it is open.

Karpathy, Johnson and Fei-Fei, Visualizing and understanding recurrent networks, arXiv 1506.02078, section 4.2: a value
above 0.9 is right-saturated, one below 0.1 left-saturated. A forget gate that is right-saturated most of the time
belongs to a unit that keeps what it has, whatever is read; a unit whose gate is never saturated passes on a mixture.
"""

from __future__ import annotations

from engine.arrays import frozen
from engine.network.cells.cell import cell_of
from engine.network.model import Model
from engine.probes.activations import OPEN, SHUT, activations
from engine.probes.held_out import Streams
from engine.probes.results import Saturation


def saturation(model: Model, text: Streams, layer: int, step: int = 0) -> Saturation:
    """For each gate that is a sigmoid, and each unit of `layer`, the shares of its values below 0.1 and above 0.9.

    The values are those after the warm-up of each stream of `text`. `step` is copied into the result.
    """
    gates = cell_of(model.architecture.cell).sigmoids
    found = activations(model, text.codes, layer, *gates)
    values = [array[:, text.warm_up :].reshape(len(array), -1) for array in found]
    return Saturation(
        step=step,
        layer=layer,
        characters=(len(text.codes) - text.warm_up) * text.codes.shape[1],
        shut={gate: frozen((array < SHUT).mean(axis=1)) for gate, array in zip(gates, values, strict=True)},
        open={gate: frozen((array > OPEN).mean(axis=1)) for gate, array in zip(gates, values, strict=True)},
    )
