"""The head: logits z = W h + b of each state h, their cross-entropy, and the gradients of all, in pieces of V.

The logits of a large vocabulary do not fit into the cache. So each piece of some hundred characters goes through all
that one pass can do with it before the next piece is begun. The softmax needs the largest logit of all characters: as
long as it is not known, the largest so far stands for it, and what was summed up is scaled when a larger one comes
(Milakov and Gimelshein, Online normalizer calculation for softmax, 2018).
"""

from __future__ import annotations

import numpy as np

from engine.arrays import Array, Codes
from engine.network.cells.products import multiply_rows

PIECE = 512  # characters


def loss_and_gradient(
    parameters: tuple[Array, Array],
    states: Array,
    targets: Codes,
    count: float,
    logits: Array,
    gradients: tuple[Array, Array],
    d_states: Array,
    scratch: Array,
) -> float:
    """The sum of the cross-entropies, in nats, divided by `count`, and its gradients.

    `parameters` are W (V, H) and b (V,), `states` (N, H), and `targets` (N,) has the right character for each state.
    The gradients are written into `gradients`, of W and of b, and into `d_states` (N, H). `logits` (V, N) and, if V is
    more than one piece, `scratch` (N, H) are overwritten.
    """
    (weight, bias), (d_weight, d_bias) = parameters, gradients
    pieces = [slice(start, start + PIECE) for start in range(0, len(weight), PIECE)]
    # For each piece the columns whose target is in it, and the places of these targets.
    numbers = targets // PIECE
    found = [np.flatnonzero(numbers == number) for number in range(len(pieces))]
    right = [(targets[columns] - piece.start, columns) for piece, columns in zip(pieces, found, strict=True)]
    tops: list[Array] = []  # the largest logit of each column so far, after each piece
    chosen, total = np.empty(len(targets), logits.dtype), np.zeros(len(targets), logits.dtype)
    for piece, place in zip(pieces, right, strict=True):
        z = logits[piece]
        multiply_rows(states, weight[piece].T, z.T)
        np.add(z, bias[piece, None], out=z)
        chosen[place[1]] = z[place]
        top = z.max(axis=0)
        if tops:
            np.maximum(top, tops[-1], out=top)
            total *= np.exp(tops[-1] - top)
        tops.append(top)
        np.subtract(z, top, out=z)
        np.exp(z, out=z)
        total += z.sum(axis=0)
    loss = float((np.log(total) + (top - chosen)).astype(np.float64).sum()) / count
    scale = 1 / (count * total)
    for index, (piece, place) in enumerate(zip(pieces, right, strict=True)):
        z = logits[piece]
        np.multiply(z, scale * np.exp(tops[index] - top), out=z)
        z[place] -= logits.dtype.type(1 / count)
        np.matmul(z, states, out=d_weight[piece])
        z.sum(axis=1, out=d_bias[piece])
        multiply_rows(z.T, weight[piece], scratch if index else d_states)
        if index:
            np.add(d_states, scratch, out=d_states)
    return loss
