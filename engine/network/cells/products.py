"""Products in the shapes in which OpenBLAS is fastest.

Before it multiplies large matrices, it copies them into an order of its own. On processors with AVX-512, up to 100³
multiplications it takes them as they lie, which pays where one of them is used once only, or again and again but never
changes. Elsewhere one large product is better than several small ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import DTypeLike
from threadpoolctl import threadpool_info

from engine import arrays
from engine.arrays import Array

SMALL = 100**3  # up to so many multiplications OpenBLAS multiplies two matrices without copying them first
KERNELS = {"SkylakeX", "Cooperlake", "SapphireRapids"}  # of OpenBLAS, that do so
LANES = 16  # float32 numbers that a processor multiplies at once; narrower blocks would waste some
SPLITS = (1, 2, 4, 8)
TILE = 2 * LANES
WIDEST = 256  # columns in tiles: the rows of wider matrices lie too far apart to be read in pieces


@cache
def small_is_fast() -> bool:
    """Whether this machine's BLAS multiplies small matrices where they lie."""
    return any(library.get("architecture") in KERNELS for library in threadpool_info())


def block_width(units: int, inner: int, batch: int) -> int:
    """Of how many columns the blocks should be in a product (batch, inner)·(inner, units)."""
    for count in range(1, units // LANES + 1 if small_is_fast() else 1):
        width, rest = divmod(units, count)
        if rest == 0 and (count == 1 or width % LANES == 0) and batch * inner * width <= SMALL:
            return width
    return units


def splits(inner: int, batch: int, width: int) -> int:
    """Into how many sums a product (batch, inner)·(inner, width) is best divided."""
    for count in SPLITS if small_is_fast() else ():
        if inner % count == 0 and batch * (inner // count) * width <= SMALL:
            return count
    return 1


class TransposedProduct:
    """leftᵀ·right of (N, R) and (N, X), again and again into the same memory; in tiles where that is faster."""

    def __init__(self, count: int, rows: int, columns: int, dtype: DTypeLike) -> None:
        self.out: Array = arrays.zeros((rows, columns), dtype)
        self.summands = splits(count, TILE, TILE)
        tiled = small_is_fast() and rows % TILE == 0 and columns % TILE == 0 and columns <= WIDEST
        if not tiled or count // self.summands * TILE**2 > SMALL:
            self.summands = 0
            return
        self._tiles: Array = arrays.zeros((self.summands, rows // TILE, columns // TILE, TILE, TILE), dtype)
        self._places = self.out.reshape(rows // TILE, TILE, columns // TILE, TILE).swapaxes(1, 2)

    def __call__(self, left: Array, right: Array) -> Array:
        """The product, (R, X)."""
        if not self.summands:
            np.matmul(left.T, right, out=self.out)
            return self.out
        in_tiles = (self.summands, -1, left.shape[1] // TILE, TILE), (self.summands, -1, right.shape[1] // TILE, TILE)
        rows, columns = left.reshape(in_tiles[0]).transpose(0, 2, 3, 1), right.reshape(in_tiles[1]).swapaxes(1, 2)
        np.matmul(rows[:, :, None], columns[:, None], out=self._tiles)
        if self.summands == 1:
            np.copyto(self._places, self._tiles[0])
        else:
            add_up(self._tiles, self._places)
        return self.out


def add_up(summands: Sequence[Array] | Array, out: Array) -> None:
    """The sum of at least two arrays."""
    np.add(summands[0], summands[1], out=out)
    for other in summands[2:]:
        np.add(out, other, out=out)
