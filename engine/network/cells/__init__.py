"""The recurrent cells. `plain.py` has their equations to read; rnn.py, gru.py and lstm.py are the same, made fast."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# name: module:class. The class is imported when it is first needed, so that reading this list does not load NumPy.
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
