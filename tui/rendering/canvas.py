"""A part of a plane in cells of the terminal: points as dots of braille, and single characters that fill a cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.style import Style
from textual.strip import Strip

from engine.arrays import Array
from tui.rendering.strips import PLAIN, line

DOTS_X, DOTS_Y = 2, 4  # dots of a braille cell; they are about as far apart in both directions
BRAILLE = 0x2800
_BITS = np.array([[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]])  # [column, row] of a cell


class Canvas:
    """`width` × `height` cells that show the plane from `left` to `right` and from `bottom` to `top`.

    What is drawn later lies over what was drawn before. Points outside, and those that are not finite, are left out.
    """

    def __init__(self, left: float, right: float, bottom: float, top: float, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._left, self._right, self._bottom, self._top = left, right, bottom, top
        self._dots = np.zeros((height, width), np.int64)  # the bits of each cell's dots
        self._signs = np.zeros((height, width), np.int64)  # the code point of each cell's character; 0 is none
        self._style = np.zeros((height, width), np.intp)  # index into `_styles`
        self._styles = [PLAIN]

    @classmethod
    def even(cls, half: float, width: int, height: int) -> Canvas:
        """Around the origin, as far as `half` at least, with one scale in both directions: circles are round."""
        per_dot = half / max(min(width * DOTS_X, height * DOTS_Y), 1)
        x, y = per_dot * width * DOTS_X, per_dot * height * DOTS_Y
        return cls(-x, x, -y, y, width, height)

    def dots(self, x: Array, y: Array, style: Style) -> None:
        """Draw the points (x, y), (N,) each, as dots."""
        columns, rows = self._places(x, y, self.width * DOTS_X, self.height * DOTS_Y)
        cells = rows // DOTS_Y, columns // DOTS_X
        np.bitwise_or.at(self._dots, cells, _BITS[columns % DOTS_X, rows % DOTS_Y])
        self._paint(cells, style)

    def signs(self, x: Array, y: Array, sign: str, style: Style) -> None:
        """Draw the points (x, y), (N,) each, as the character `sign`, one cell wide."""
        columns, rows = self._places(x, y, self.width, self.height)
        self._signs[rows, columns] = ord(sign)
        self._paint((rows, columns), style)

    def cells(self, x: Array, y: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The column and the row, from the top, of each point that is seen."""
        return self._places(x, y, self.width, self.height)

    def put(self, column: int, row: int, sign: str, style: Style) -> None:
        """Put the character `sign` into a cell."""
        self._signs[row, column] = ord(sign)
        self._paint((np.array([row]), np.array([column])), style)

    def _paint(self, cells: tuple[NDArray[np.intp], NDArray[np.intp]], style: Style) -> None:
        self._styles.append(style)
        self._style[cells] = len(self._styles) - 1

    def _places(self, x: Array, y: Array, columns: int, rows: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        with np.errstate(all="ignore"):
            across = (np.asarray(x, np.float64) - self._left) / (self._right - self._left) * columns
            down = (self._top - np.asarray(y, np.float64)) / (self._top - self._bottom) * rows
        inside = (across >= 0) & (across <= columns) & (down >= 0) & (down <= rows)
        column = np.minimum(across[inside].astype(np.intp), columns - 1)
        row = np.minimum(down[inside].astype(np.intp), rows - 1)
        return column, row

    def strips(self) -> list[Strip]:
        """The lines, the top one first."""
        codes = np.where(self._signs, self._signs, np.where(self._dots, BRAILLE + self._dots, ord(" ")))
        return [
            line(((chr(code), self._styles[style]) for code, style in zip(*row, strict=True)), self.width)
            for row in zip(codes.tolist(), self._style.tolist(), strict=True)
        ]
