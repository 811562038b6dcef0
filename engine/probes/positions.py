"""Back-propagates one loss for each position of a text, many at once: each position is a row of the batch.

Positions are taken in groups. The gradients of ℓ_s with respect to steps t > s are zero, so a group whose last position
is s needs only the steps up to s. That saves nearly half of the work.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from engine.arrays import Array
from engine.network.cells.tape import Sweep
from engine.network.model import Model
from engine.network.workspace import Workspace

ROWS = 64  # positions in a group at most: fewer make products too small to be fast, more make more useless zeros

# A callback, for each group and each t from the group's last position down to 0. Its arguments are t; the group's S
# positions; the gradients of ℓ_s with respect to each of the cell's states, (S, H) each, a row for each position s of
# the group; and δ_t (S, rows). The arrays are overwritten afterwards: copy them to keep them.
Watcher = Callable[[int, slice, tuple[Array, ...], Array], None]


def sweep_positions(model: Model, work: Workspace, d_outputs: Array, layer: int, watch: Watcher) -> None:
    """Back-propagate ∂ℓ_s/∂h_s of the top layer, `d_outputs` (S, H) for s = 0 … S − 1, to the start of the text.

    `work` must have batch 1 and S steps, and hold the forward pass over the text. `watch` gets gradients in `layer`.
    """
    seq = work.seq
    groups = -(-seq // ROWS)
    bounds = [seq * group // groups for group in range(groups + 1)]
    for start, stop in pairwise(bounds):
        positions, rows = slice(start, stop), stop - start
        sweeps = [Sweep(each, stop, rows, keep_delta=each.index > layer) for each in model.layers]
        own = np.zeros((stop, rows, d_outputs.shape[1]), d_outputs.dtype)
        own[np.arange(start, stop), np.arange(rows)] = d_outputs[positions]

        def observe(t: int, d_states: tuple[Array, ...], delta: Array, positions: slice = positions) -> None:
            watch(t, positions, d_states, delta)

        model.sweep_back(work, sweeps, own, {layer: observe})
