"""The three recurrent cells: each file holds one cell's equations, forward and backward."""

from engine.cells.gru import GRULayer
from engine.cells.layer import Layer
from engine.cells.lstm import LSTMLayer
from engine.cells.rnn import RNNLayer
from engine.cells.tape import Sweep, Tape

LAYERS: dict[str, type[Layer]] = {"rnn": RNNLayer, "gru": GRULayer, "lstm": LSTMLayer}

__all__ = ["LAYERS", "GRULayer", "LSTMLayer", "Layer", "RNNLayer", "Sweep", "Tape"]
