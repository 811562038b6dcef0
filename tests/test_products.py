"""Products in pieces are the products."""

from __future__ import annotations

import numpy as np
import pytest

from engine.network.cells import products
from engine.network.cells.products import (
    MOST_DOTS,
    SMALL,
    STEP_ROWS,
    TransposedProduct,
    block_width,
    multiply_rows,
    rows_in_block,
    splits,
)


@pytest.fixture(autouse=True)
def _small_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine has."""
    monkeypatch.setattr(products, "small_is_fast", lambda: True)


@pytest.mark.parametrize(
    ("count", "rows", "columns", "summands"),
    [
        (35, 64, 96, 1),
        (1250, 64, 32, 2),
        (2500, 32, 64, 4),
        (3001, 64, 64, 0),  # too many rows, and no way to divide them
        (40, 33, 64, 0),
        (40, 64, 65, 0),
        (40, 64, 512, 0),
    ],
)
def test_a_transposed_product_in_tiles(count: int, rows: int, columns: int, summands: int) -> None:
    rng = np.random.default_rng(0)
    wide, right = rng.standard_normal((count, rows + 7)), rng.standard_normal((count, columns))
    product = TransposedProduct(count, rows, columns, np.float64)
    assert product.summands == summands
    for left in (wide[:, 7:], wide[:, :rows]):  # parts of wider rows, as δ has them
        np.testing.assert_allclose(product(left, right), left.T @ right, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("units", "inner", "batch"), [(128, 128, 50), (512, 512, 50), (100, 100, 32), (64, 64, 500)])
def test_blocks_and_summands_keep_products_small(units: int, inner: int, batch: int) -> None:
    width = block_width(units, inner, batch)
    assert units % width == 0
    assert batch * inner * width <= SMALL
    count = splits(4 * inner, batch, width)
    assert batch * (4 * inner // count) * width <= SMALL


@pytest.mark.parametrize(
    ("units", "batch", "width"),
    [(128, 25, 64), (256, 25, 64), (512, 50, 32), (96, 16, 48), (80, 16, 80), (100, 32, 100)],
)
def test_blocks_are_of_the_fastest_width_where_units_allow_it(units: int, batch: int, width: int) -> None:
    assert block_width(units, units, batch) == width


@pytest.mark.parametrize(
    ("count", "inner", "width"),
    [(250, 128, 128), (800, 384, 128), (31, 40, 65), (3, 40, 65), (70, 20, 30), (50, 640, 400), (0, 40, 65)],
)
@pytest.mark.parametrize("matrices", [(), (3,)])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_product_in_blocks_of_rows(
    count: int, inner: int, width: int, matrices: tuple[int, ...], *, transposed: bool
) -> None:
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((count, inner + 7))[:, 7:], rng.standard_normal((*matrices, inner, width))
    out = np.full((*matrices, count, width), np.nan)
    if transposed:  # the right one lies column by column, and the result too
        right = np.ascontiguousarray(right.swapaxes(-1, -2)).swapaxes(-1, -2)
        out = np.ascontiguousarray(out.swapaxes(-1, -2)).swapaxes(-1, -2)
    multiply_rows(left, right, out)
    np.testing.assert_allclose(out, left @ right, rtol=1e-12, atol=1e-12)


def test_blocks_of_rows_keep_products_small() -> None:
    for inner, width in ((128, 128), (384, 128), (768, 256)):
        rows = rows_in_block(inner, width)
        assert 0 < rows * inner * width <= SMALL
        assert rows % STEP_ROWS == 0
    assert rows_in_block(128, 65, in_columns=True) * 65 <= MOST_DOTS
    assert rows_in_block(1024, 512) == 0  # not even STEP_ROWS are small
    assert rows_in_block(128, 512, in_columns=True) == 0
    assert rows_in_block(16, 65, in_columns=True) == 0


def test_where_small_products_are_not_faster_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "small_is_fast", lambda: False)
    assert block_width(512, 512, 50) == 512
    assert splits(2048, 50, 512) == 1
    assert rows_in_block(128, 128) == 0
    assert TransposedProduct(1250, 64, 32, np.float64).summands == 0


def test_what_cannot_be_divided_stays_whole() -> None:
    assert block_width(97, 97, 1000) == 97
    assert splits(97, 1000, 97) == 1
    assert block_width(8, 8, 10**6) == 8
