"""The three recurrent cells: each file holds one cell's equations, forward and backward."""

from engine.network.cells.gru import GRULayer
from engine.network.cells.layer import Layer
from engine.network.cells.lstm import LSTMLayer
from engine.network.cells.rnn import RNNLayer
from engine.network.cells.tape import Sweep, Tape

LAYERS: dict[str, type[Layer]] = {"rnn": RNNLayer, "gru": GRULayer, "lstm": LSTMLayer}

__all__ = ["LAYERS", "GRULayer", "LSTMLayer", "Layer", "RNNLayer", "Sweep", "Tape"]
