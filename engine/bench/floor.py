"""The floor: the time of the matrix products alone, which every implementation of a training step must do."""

from __future__ import annotations

import statistics

import numpy as np
from threadpoolctl import threadpool_limits

from engine.arrays import Array
from engine.bench.measurement import timed
from engine.bench.workload import EMBEDDING_SIZE, Workload
from engine.network.cells.cell import cell_of


def floor_ms(workload: Workload, threads: int, seconds: float) -> float:
    """Milliseconds of the products of one step, median; with one BLAS thread or `threads`, which is faster."""
    products = Products(workload)
    medians = []
    for limit in sorted({1, threads}):
        with threadpool_limits(limit):
            medians.append(statistics.median(timed(products, seconds)))
    return min(medians)


Product = tuple[int, int, int, int]  # (rows, inner)·(inner, columns), and how many times


def products(workload: Workload) -> list[Product]:
    """All products of matrices in one training step.

    Layer 0's input is a row of the table E·W_ihᵀ, so that only the table's own products remain of it, unless V is
    large.
    """
    hidden, seq, batch = workload.hidden, workload.seq, workload.batch
    rows, recurrent = len(workload.architecture().gates) * hidden, cell_of(workload.cell).recurrent
    columns = seq * batch
    found: list[Product] = []
    for layer in range(workload.layers):
        if recurrent:
            found.append((rows, hidden, batch, seq))  # W_hh h
            found.append((hidden, rows, batch, seq - 1))  # W_hhᵀ δ; none into the state before the window
            found.append((rows, columns, hidden, 1))  # δ hᵀ
        if layer > 0:
            found += _all_three(rows, hidden, columns)  # W_ih x
    found += _all_three(workload.vocabulary, hidden, columns)  # the head
    # Layer 0's table, or W_ih x of a vocabulary so large that there is none.
    return found + _all_three(rows, EMBEDDING_SIZE, workload.vocabulary if workload.architecture().folded else columns)


def _all_three(rows: int, inner: int, columns: int) -> list[Product]:
    """A product (rows, inner)·(inner, columns), and those for the gradients of its two factors."""
    return [(rows, inner, columns, 1), (inner, rows, columns, 1), (rows, columns, inner, 1)]


def multiplications(workload: Workload) -> int:
    """The multiplications of numbers in all products of one training step."""
    return sum(rows * inner * columns * times for rows, inner, columns, times in products(workload))


class Products:
    """All pairs of matrices that one training step multiplies; a call multiplies each of them once.

    Feature-major, contiguous and preallocated: the layout in which OpenBLAS is fastest.
    """

    def __init__(self, workload: Workload) -> None:
        self.triples: list[tuple[Array, Array, Array]] = []
        for rows, inner, columns, times in products(workload):
            rng = np.random.default_rng(0)
            left = rng.uniform(-0.1, 0.1, (rows, inner)).astype(np.float32)
            for right in rng.uniform(-0.1, 0.1, (times, inner, columns)).astype(np.float32):
                self.triples.append((left, right, np.empty((rows, columns), np.float32)))

    def __call__(self) -> None:
        for left, right, out in self.triples:
            np.dot(left, right, out=out)
