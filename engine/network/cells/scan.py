"""What cells share whose gates depend on x_t alone: no weights multiply h_{t−1}, so W_ih x of all steps is one product.

What is left of a time step is element by element: h_t = a_t ∘ h_{t−1} + b_t, a *scan* over time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, TypeVar

import numpy as np

from engine import arrays
from engine.arrays import Array, Codes
from engine.network.cells.cell import Cell
from engine.network.cells.group import ALONE, UnitGroup
from engine.network.cells.layer import Layer
from engine.network.cells.tape import Layout, Tape


class ScanTape(Tape):
    """Keeps the gates of all steps in `gates` (T, B, G·H), one gate beside the other; each step's δ may overwrite them.

    `gate_steps` has for each step a view (B, H) of each gate, `sigmoid_steps` one (B, …) of all sigmoid gates together,
    and `rows` (T·B, G·H) is a view of all.
    """

    def __init__(self, layout: Layout, seq: int, batch: int, inputs: Array | None, cell: Cell) -> None:
        super().__init__(layout, seq, batch, inputs)
        self.gates: Array = arrays.zeros((seq, batch, layout.delta_rows), layout.dtype)
        self.rows = self.gates.reshape(seq * batch, layout.delta_rows)
        self.room = self.gates
        parts = np.split(self.gates, len(cell.gates), axis=2)
        sigmoids = len(cell.sigmoids)
        self.gate_steps = [tuple(part[t] for part in parts) for t in range(seq)]
        self.sigmoid_steps = list(self.gates[:, :, : sigmoids * layout.hidden_size])
        self.by_kind = {name: part[:, None] for name, part in zip(cell.gates, parts, strict=True)}
        self.h_steps = list(self.states)  # h_{−1}, h_0, …: (B, H) each
        self.codes: Codes = np.zeros((seq, batch), np.intp)

    def look_up(self, codes: Codes) -> None:
        self.codes = codes


OwnScanTape = TypeVar("OwnScanTape", bound=ScanTape)


class ScanLayer(Layer[OwnScanTape]):
    """A layer over `weight_ih` (G·H, X) and `bias_ih` (G·H,).

    Its working matrix `weight_input` (X, G·H) is W_ihᵀ; with a table it has W_ih x + b in a row for each of X = V
    characters. The columns of sigmoid gates, which come first, are multiplied by `SCALE`.
    """

    SCALE: ClassVar[float]

    def __init__(
        self,
        weights: Mapping[str, Array],
        index: int,
        input_size: int,
        *,
        batch: int,
        table: bool = False,
        group: UnitGroup = ALONE,
    ) -> None:
        super().__init__(weights, index, input_size, batch=batch, table=table, group=group)
        self.weight_input: Array = arrays.zeros((input_size, self.delta_rows), self.dtype)
        self.bias: Array = np.zeros(self.delta_rows, self.dtype)
        self.sigmoid_columns = slice(0, len(self.cell.sigmoids) * self.hidden_size)

    def refresh(self, embedding: Array | None = None) -> None:
        np.copyto(self.weight_ih, self.by_gate("weight_ih"))
        rows = self.weights["weight_ih"]
        if embedding is None:
            np.copyto(self.weight_input, rows.T)
        else:
            np.matmul(embedding, rows.T, out=self.weight_input)
        np.copyto(self.bias, self.weights["bias_ih"])
        if self.table:
            np.add(self.weight_input, self.bias, out=self.weight_input)
        for working in (self.weight_input, self.bias):
            working[..., self.sigmoid_columns] *= self.SCALE

    def enter(self, tape: OwnScanTape) -> None:
        """Put W_ih x_t + b of all steps into `tape.gates`."""
        if self.table:
            self.weight_input.take(tape.codes.ravel(), 0, tape.rows, "clip")
        else:
            assert tape.inputs is not None
            np.matmul(tape.inputs.reshape(len(tape.rows), self.input_size), self.weight_input, out=tape.rows)
            np.add(tape.rows, self.bias, out=tape.rows)
