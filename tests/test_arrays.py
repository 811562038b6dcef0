"""The memory of the engine's arrays."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import DTypeLike

from engine import arrays


@pytest.mark.parametrize("shape", [(1,), (3, 5), (7, 11, 13), (arrays.SMALLEST // 4 + 1,)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_zeros_begin_at_a_cache_line(shape: tuple[int, ...], dtype: DTypeLike) -> None:
    kept = []
    for make in (arrays.zeros, arrays.aligned) * 4:  # NumPy's own begin there by chance, but not eight times
        array = make(shape, dtype)
        kept.append(array)
        assert array.ctypes.data % arrays.LINE == 0
        assert array.shape == shape
        assert array.dtype == dtype
        assert array.flags.c_contiguous
        assert not array.any()
        array[...] = 1  # all of it may be written
