"""One flat vector of parameters with named views, in PyTorch's names, shapes and gate order."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from engine.arrays import Array

GATES = {"rnn": ("h",), "gru": ("r", "z", "n"), "lstm": ("i", "f", "g", "o")}


@dataclass(frozen=True, slots=True)
class Architecture:
    """What determines the parameters' names and shapes.

    V `vocabulary_size`, H `hidden_size`, L `layers`; D `embedding_size`, or V where `onehot`.
    """

    cell: str
    vocabulary_size: int
    hidden_size: int
    layers: int = 1
    embedding_size: int = 64
    onehot: bool = False
    dropout: float = 0.0

    @property
    def gates(self) -> tuple[str, ...]:
        """Names of the cell's gates in PyTorch's order; G is their number."""
        return GATES[self.cell]

    @property
    def input_size(self) -> int:
        """Width of what layer 0 sees."""
        return self.vocabulary_size if self.onehot else self.embedding_size

    @property
    def folded(self) -> bool:
        """Whether E·W_ihᵀ is folded into one table: not where the vocabulary is much wider than the embedding."""
        return self.onehot or self.vocabulary_size <= 2 * self.embedding_size

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every parameter's name and shape, in the order of the flat vector."""
        rows, hidden, vocabulary = len(self.gates) * self.hidden_size, self.hidden_size, self.vocabulary_size
        shapes: dict[str, tuple[int, ...]] = {}
        if not self.onehot:
            shapes["embedding.weight"] = (vocabulary, self.embedding_size)
        for layer in range(self.layers):
            shapes[f"rnn.weight_ih_l{layer}"] = (rows, self.input_size if layer == 0 else hidden)
            shapes[f"rnn.weight_hh_l{layer}"] = (rows, hidden)
            shapes[f"rnn.bias_ih_l{layer}"] = (rows,)
            shapes[f"rnn.bias_hh_l{layer}"] = (rows,)
        shapes["head.weight"] = (vocabulary, hidden)
        shapes["head.bias"] = (vocabulary,)
        return shapes


class Parameters:
    """`flat` (P,) and a view into it for every name, so that an optimiser makes one pass over one array."""

    def __init__(self, architecture: Architecture, dtype: DTypeLike = np.float32, *, flat: Array | None = None) -> None:
        self.architecture = architecture
        self.flat: Array = np.zeros(self.size(architecture), dtype) if flat is None else flat
        self.views: dict[str, Array] = {}
        start = 0
        for name, shape in architecture.shapes().items():
            end = start + math.prod(shape)
            self.views[name] = self.flat[start:end].reshape(shape)
            start = end

    @staticmethod
    def size(architecture: Architecture) -> int:
        """P, the number of parameters."""
        return sum(math.prod(shape) for shape in architecture.shapes().values())

    def __getitem__(self, name: str) -> Array:
        return self.views[name]

    def zeros_like(self) -> Parameters:
        """The same names and shapes, all zero: a gradient."""
        return Parameters(self.architecture, self.flat.dtype)

    def astype(self, dtype: DTypeLike) -> Parameters:
        """The same values in another precision."""
        other = Parameters(self.architecture, dtype)
        other.flat[:] = self.flat
        return other

    def load(self, arrays: dict[str, Array]) -> None:
        """Take the values of `arrays`; `ValueError` where names or shapes differ."""
        wanted = self.architecture.shapes()
        found = {name: array.shape for name, array in arrays.items()}
        if wanted != found:
            names = sorted(name for name in wanted | found if wanted.get(name) != found.get(name))
            raise ValueError(f"{names[0]} has shape {found.get(names[0])}, not {wanted.get(names[0])}")
        for name, array in arrays.items():
            self.views[name][...] = array


def initialize(
    architecture: Architecture, rng: np.random.Generator, dtype: DTypeLike = np.float32, *, std: float | None = None
) -> Parameters:
    """PyTorch's defaults: N(0, 1) for the embedding, U(−1/√H, 1/√H) for all else; 1 for the LSTM's forget gate.

    The forget bias of 1 is Jozefowicz et al. 2015, "An Empirical Exploration of Recurrent Network
    Architectures": it lets the gradient through from the first step. It stands in `bias_ih`.
    With `std`, all weights are N(0, std²) instead and all biases 0.
    """
    parameters = Parameters(architecture, dtype)
    hidden = architecture.hidden_size
    bound = 1 / math.sqrt(hidden)
    for name, view in parameters.views.items():
        if std is not None:
            view[...] = 0 if "bias" in name else std * rng.standard_normal(view.shape)
            continue
        if name == "embedding.weight":
            view[...] = rng.standard_normal(view.shape)
        else:
            view[...] = rng.uniform(-bound, bound, view.shape)
        if architecture.cell == "lstm" and "bias" in name and name != "head.bias":
            view[hidden : 2 * hidden] = 1 if "bias_ih" in name else 0
    return parameters
