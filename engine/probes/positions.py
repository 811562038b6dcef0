"""One loss for each position of a text, all of them sent back in one batched sweep: a row a position.

The rows are taken some at a time. A group that ends at position s needs only the steps up to s,
so that groups save nearly half of the work, which is the triangle t > s where all is zero.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from engine.arrays import Array
from engine.network.cells.tape import Sweep
from engine.network.model import Model
from engine.network.workspace import Workspace

ROWS = 64  # at most so many in a group: fewer make small products, more do needless work

# Called for each group and each t from its last step down, with t, the group's positions, and for each position s of
# the group the gradients of ℓ_s with respect to each of the cell's states, (S, H) each, and δ_t (S, rows). The arrays
# are overwritten afterwards: copy them to keep them.
Watcher = Callable[[int, slice, tuple[Array, ...], Array], None]


def sweep_positions(model: Model, work: Workspace, d_outputs: Array, layer: int, watch: Watcher) -> None:
    """Send ∂ℓ_s/∂h_s of the top layer, `d_outputs` (S, H) for s = 0 … S−1, back to the start of the text.

    `work` has batch 1 and S steps, and was just run forward. `watch` sees what arrives in `layer`.
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
