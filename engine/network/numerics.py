"""Softmax and cross-entropy, computed in place on logits with a row for each character; sums over equal characters."""

from __future__ import annotations

import numpy as np

from engine.arrays import Array, Codes


def softmax(logits: Array) -> Array:
    """Turn logits (V, …) into probabilities over axis 0, in place; return them."""
    np.subtract(logits, logits.max(axis=0), out=logits)
    np.exp(logits, out=logits)
    np.divide(logits, logits.sum(axis=0), out=logits)
    return logits


def cross_entropy(logits: Array, targets: Codes) -> Array:
    """−ln softmax(logits)[target] of every column, in nats: (V, N), (N,) → (N,). Overwrites `logits`."""
    columns = np.arange(len(targets))
    np.subtract(logits, logits.max(axis=0), out=logits)
    chosen = logits[targets, columns]
    np.exp(logits, out=logits)
    losses: Array = np.log(logits.sum(axis=0)) - chosen
    return losses


def cross_entropy_gradient(logits: Array, targets: Codes, count: int) -> Array:
    """Turn `logits` (V, N) in place into the gradient of the sum of their cross-entropies, divided by `count`.

    `targets` (N,) has the index of the right character for each column.
    """
    softmax(logits)
    logits[targets, np.arange(len(targets))] -= 1
    np.divide(logits, count, out=logits)
    return logits


def sums_by_code(rows: Array, codes: Codes, scratch: Array, into: Array) -> None:
    """into[k] = sum of the rows whose code is k, for `rows` (N, D), `codes` (N,), `into` (V, D).

    `scratch` (N, D) is overwritten.
    """
    into[...] = 0
    if not len(codes):
        return
    order = np.argsort(codes.astype(np.uint16) if len(into) <= 1 << 16 else codes, kind="stable")
    counts = np.bincount(codes)
    present = np.flatnonzero(counts)
    ones, start = np.ones(counts.max(), rows.dtype), 0
    # One product for each character. `np.add.reduceat` needs only one call, but reads memory column by column.
    for code, count in zip(present.tolist(), counts[present].tolist(), strict=True):
        own = scratch[:count]
        rows.take(order[start : start + count], 0, own, "clip")
        np.dot(ones[:count], own, out=into[code])
        start += count
