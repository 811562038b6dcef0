"""The recurrent cells. Read `plain` first: it has the equations. The files here compute the same, fast.

A new cell needs one new file and a line in `CELLS`. The file has the cell's description (a `Cell`, see `cell.py`), its
tape and its layer: subclasses of `Tape` and `RecurrentLayer`. If no weights multiply h_{t−1}, a subclass of `ScanLayer`
is enough.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

# The module and the `Layer` class of each cell. A module is imported at its first use, so that the command line can
# list the cells without importing NumPy.
CELLS = {
    "rnn": "engine.network.cells.rnn:RNNLayer",
    "gru": "engine.network.cells.gru:GRULayer",
    "lstm": "engine.network.cells.lstm:LSTMLayer",
    "mingru": "engine.network.cells.mingru:MinGRULayer",
    "minlstm": "engine.network.cells.minlstm:MinLSTMLayer",
}


def cell_names() -> tuple[str, ...]:
    """The names of all cells, in the order in which they are offered."""
    return tuple(CELLS)


def load(name: str) -> Any:
    """The `Layer` class of cell `name`. Raises `KeyError` if there is no such cell."""
    module, _, layer = CELLS[name].partition(":")
    return getattr(import_module(module), layer)
