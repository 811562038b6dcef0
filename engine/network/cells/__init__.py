"""The recurrent cells. Read `plain.py` first: it has the equations. rnn.py, gru.py and lstm.py compute the same, fast.

A new cell is one new file, with its tape, its description (`cell.py`) and its layer (`layer.py`), and a line below.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Name: module and `Layer` class. The module is imported at first use, so that this list can be read without NumPy.
CELLS = {
    "rnn": "engine.network.cells.rnn:RNNLayer",
    "gru": "engine.network.cells.gru:GRULayer",
    "lstm": "engine.network.cells.lstm:LSTMLayer",
}


def cell_names() -> tuple[str, ...]:
    """The names of all cells, in the order in which they are offered."""
    return tuple(CELLS)


def load(name: str) -> Any:
    """The `Layer` class of cell `name`. `KeyError` where there is no such cell."""
    module, _, layer = CELLS[name].partition(":")
    return getattr(import_module(module), layer)
