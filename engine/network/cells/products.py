"""Products of matrices in the shapes in which OpenBLAS is fastest.

OpenBLAS copies matrices into an order of its own before it multiplies them. Every time step multiplies one state by all
recurrent weights, so it would spend a good part of its time on copying the weights. For processors with AVX-512,
OpenBLAS also has kernels that read matrices where they lie, for products of at most 100³ multiplications. On these
processors, larger products are cut into pieces of that size: weights into blocks of columns, inputs into blocks of
rows, long sums into summands. On all others nothing is cut, because one large product is 2 to 10% faster than its
pieces.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import DTypeLike
from threadpoolctl import threadpool_info

from engine import arrays
from engine.arrays import Array

SMALL = 100**3  # multiplications of the largest product that OpenBLAS does without copying
KERNELS = {"SkylakeX", "Cooperlake", "SapphireRapids"}  # OpenBLAS's names for the processors on which it does so
MOST_DOTS, LEAST_DOT = 1200, 32  # where the right matrix lies in columns: numbers of the result, length of the sums
LANES = 16  # float32 numbers in an AVX-512 register: narrower blocks would leave some of it empty
NARROW, WIDE = 2 * LANES, 4 * LANES  # the widths of blocks of columns that are fastest, where the units allow them
SPLITS = (1, 2, 4, 8)  # the numbers of summands to choose from
STEP_ROWS = 4  # rows that OpenBLAS's kernels multiply at a time: 25 rows take longer than 28
ROWS_TOGETHER = 256  # of one product W_ih x: with more of them the result would not stay in the cache
WORTH_PADDING = 1 << 15  # weights in a matrix
TILE = 2 * LANES  # rows and columns of a tile of a transposed product
WIDEST = 256  # columns of the widest matrix that is worth tiling: rows of a wider one lie too far apart in memory


@cache
def small_is_fast() -> bool:
    """Whether this machine's BLAS multiplies small matrices where they lie."""
    return any(library.get("architecture") in KERNELS for library in threadpool_info())


def block_width(units: int, inner: int, batch: int) -> int:
    """The number of columns in a block for a product (batch, inner)·(inner, units): a divisor of `units`.

    Rows of 128 numbers and more lie so far apart that the inner cache has no place for some of them: on a Zen 5, which
    computes with 512 bits at a time, 64 columns are multiplied 1.4 times as fast as 128.
    """
    if not small_is_fast():
        return units
    widths = [units, *(width for width in range(units // 2, LANES - 1, -1) if not units % width and not width % LANES)]
    small = [width for width in widths if batch * inner * width <= SMALL]
    best = [width for width in small if NARROW <= width <= WIDE]
    return next(iter(best or small), units)


def multiply_rows(left: Array, right: Array, out: Array) -> None:
    """Write left·right into `out`, (N, K)·(…, K, W) → (…, N, W), in blocks of rows of `left` if that is faster."""
    (count, inner), width = left.shape, right.shape[-1]
    rows = rows_in_block(inner, width, in_columns=right.strides[-1] > right.strides[-2])
    if rows < LANES and left.strides[1] > left.strides[0]:  # `left` lies in columns: blocks would share cache lines
        rows = 0
    in_blocks = count // rows * rows if rows else 0
    if in_blocks:
        blocks = out[..., :in_blocks, :].reshape(*out.shape[:-2], -1, rows, width)
        np.matmul(left[:in_blocks].reshape(-1, rows, inner), right[..., None, :, :], out=blocks)
    if in_blocks < count:
        np.matmul(left[in_blocks:], right, out=out[..., in_blocks:, :])


def rows_in_block(inner: int, width: int, *, in_columns: bool = False) -> int:
    """The number of rows in a block for a product (N, inner)·(inner, width), or 0 if one product is faster.

    `in_columns` says that the right matrix lies in memory column by column.
    """
    if not small_is_fast() or (in_columns and inner < LEAST_DOT):
        return 0
    most = min(SMALL // max(1, inner * width), MOST_DOTS // max(1, width) if in_columns else TILE)
    return most // STEP_ROWS * STEP_ROWS


def splits(inner: int, batch: int, width: int) -> int:
    """The number of summands for a product (batch, inner)·(inner, width): a divisor of `inner`."""
    for count in SPLITS if small_is_fast() else ():
        if inner % count == 0 and batch * (inner // count) * width <= SMALL:
            return count
    return 1


def padded(rows: int, inner: int, width: int) -> int:
    """The number of rows, `rows` or a few more, with which a product (rows, inner)·(inner, width) is fastest.

    It saves some 5% of the product, but what uses the result no longer finds its rows without a gap: for small weights
    that takes as long.
    """
    if rows < 2 * STEP_ROWS or inner * width < WORTH_PADDING or small_is_fast():
        return rows
    return -(-rows // STEP_ROWS) * STEP_ROWS


def steps_together(batch: int) -> int:
    """The number of time steps for which W_ih x_t is one product: as many as give it `ROWS_TOGETHER` rows.

    It is one step where the BLAS copies no weights for so small a product.
    """
    return 1 if small_is_fast() else max(1, ROWS_TOGETHER // max(1, batch))


class TransposedProduct:
    """Computes leftᵀ·right for `left` (N, R) and `right` (N, X), with N = `count`, in tiles if that is faster.

    Each call overwrites the result of the last one.
    """

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
    """Write the sum of at least two arrays into `out`."""
    np.add(summands[0], summands[1], out=out)
    for other in summands[2:]:
        np.add(out, other, out=out)
