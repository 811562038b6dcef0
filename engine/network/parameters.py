"""One flat vector of parameters with named views, in PyTorch's names, shapes and gate order."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from engine.arrays import Array, Codes
from engine.network.cells.cell import cell_of
from engine.syntax import Init

PYTORCHS = Init()


@dataclass(frozen=True, slots=True)
class Architecture:
    """All that determines the parameters' names and shapes.

    V is `vocabulary_size`, H `hidden_size`, L `layers`. D is `embedding_size`, or V if the input is `onehot`.
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
        return cell_of(self.cell).gates

    @property
    def input_size(self) -> int:
        """D, the width of layer 0's input."""
        return self.vocabulary_size if self.onehot else self.embedding_size

    @property
    def folded(self) -> bool:
        """Whether layer 0 looks W_ih x + b up in a table with a row for each character.

        If the vocabulary is more than twice as wide as the embedding, the table costs more than it saves.
        """
        return self.onehot or self.vocabulary_size <= 2 * self.embedding_size

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every parameter's name and shape, in the order of the flat vector."""
        hidden, vocabulary = self.hidden_size, self.vocabulary_size
        rows = len(self.gates) * hidden
        shapes: dict[str, tuple[int, ...]] = {}
        if not self.onehot:
            shapes["embedding.weight"] = (vocabulary, self.embedding_size)
        for layer in range(self.layers):
            widths = {"weight_ih": (self.input_size if layer == 0 else hidden,), "weight_hh": (hidden,)}
            for kind in cell_of(self.cell).parameters:
                shapes[f"rnn.{kind}_l{layer}"] = (rows, *widths.get(kind, ()))
        shapes["head.weight"] = (vocabulary, hidden)
        shapes["head.bias"] = (vocabulary,)
        return shapes


class Parameters:
    """All parameters in one array `flat` (P,), so that an optimiser makes one pass; `views` has a view for each name.

    The names and shapes are PyTorch's. With `flat`, that array is used instead of a new one.
    """

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

    def of_layer(self, index: int) -> dict[str, Array]:
        """Views of recurrent layer `index`, by kind; see `Cell.parameters`."""
        kinds = cell_of(self.architecture.cell).parameters
        return {kind: self.views[f"rnn.{kind}_l{index}"] for kind in kinds}

    def inputs(self, codes: Codes, dtype: DTypeLike = np.float64) -> Array:
        """x of layer 0 for the characters `codes` (…), (…, D): rows of the embedding, or one-hot."""
        if self.architecture.onehot:
            return np.asarray(np.eye(self.architecture.vocabulary_size, dtype=dtype)[codes])
        return self["embedding.weight"][codes].astype(dtype)

    def zeros_like(self) -> Parameters:
        """Parameters of these names and shapes, all zero, to put a gradient into."""
        return Parameters(self.architecture, self.flat.dtype)

    def astype(self, dtype: DTypeLike) -> Parameters:
        """A copy of these values in another precision."""
        other = Parameters(self.architecture, dtype)
        other.flat[:] = self.flat
        return other

    def load(self, arrays: dict[str, Array]) -> None:
        """Copy the values of `arrays` by name. Raises `ValueError` if names or shapes differ."""
        if problem := mismatch(self.architecture.shapes(), {name: array.shape for name, array in arrays.items()}):
            raise ValueError(problem)
        for name, array in arrays.items():
            self.views[name][...] = array


def mismatch(wanted: dict[str, tuple[int, ...]], found: dict[str, tuple[int, ...]]) -> str:
    """The first name whose shape is not the same in both, in words; empty if there is none."""
    names = sorted(name for name in wanted | found if wanted.get(name) != found.get(name))
    return f"{names[0]} has shape {found.get(names[0])}, not {wanted.get(names[0])}" if names else ""


def initialize(
    architecture: Architecture,
    rng: np.random.Generator,
    dtype: DTypeLike = np.float32,
    *,
    init: Init = PYTORCHS,
    forget_bias: float = 0.0,
) -> Parameters:
    """Parameters drawn as `init` says, then `forget_bias` added to the bias of each forget gate, in `bias_ih`.

    - `uniform`, as in PyTorch: the embedding from N(0, 1), the rest from U(−1/√H, 1/√H). With a bound b, everything
      from U(−b, b).
    - `normal`: all weights from N(0, std²), all biases 0.
    - `orthogonal`: `uniform`, and each gate's block (H, H) of W_hh a random orthogonal matrix, which keeps the length
      of every vector (Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of learning in deep
      linear neural networks, 2014).
    - `identity`: `uniform`, and each gate's block of W_hh the identity, `bias_hh` 0 (Le, Jaitly and Hinton, A simple
      way to initialize recurrent networks of rectified linear units, 2015).

    In a cell without W_hh, the last two are `uniform`. A forget bias of 1 lets gradients pass from the first step on
    (Jozefowicz, Zaremba and Sutskever, An empirical exploration of recurrent network architectures, 2015).
    """
    parameters = Parameters(architecture, dtype)
    cell, hidden = cell_of(architecture.cell), architecture.hidden_size
    for name, view in parameters.views.items():
        view[...] = _drawn(name, view.shape, hidden, rng, init)
        if cell.forget_gate and name.startswith("rnn.bias_ih"):
            view.reshape(-1, hidden)[cell.gates.index(cell.forget_gate)] += forget_bias
    return parameters


def _drawn(name: str, shape: tuple[int, ...], hidden: int, rng: np.random.Generator, init: Init) -> Array:
    """The first values of parameter `name`; see `initialize`."""
    if init.kind == "normal":
        assert init.scale is not None
        return np.zeros(shape) if "bias" in name else init.scale * rng.standard_normal(shape)
    if init.kind != "uniform" and name.startswith("rnn.weight_hh"):
        blocks = shape[0] // hidden
        if init.kind == "identity":
            return np.tile(np.eye(hidden), (blocks, 1))
        return np.concatenate([orthogonal(hidden, rng) for _ in range(blocks)])
    if init.kind == "identity" and name.startswith("rnn.bias_hh"):
        return np.zeros(shape)
    if name == "embedding.weight" and init.scale is None:
        return rng.standard_normal(shape)
    bound = 1 / math.sqrt(hidden) if init.scale is None else init.scale
    return rng.uniform(-bound, bound, shape)


def orthogonal(size: int, rng: np.random.Generator) -> Array:
    """A random orthogonal matrix (size, size), all of them equally likely.

    It is the Q of a matrix of normal numbers; the signs of R's diagonal make it uniform (Mezzadri 2007).
    """
    q, r = np.linalg.qr(rng.standard_normal((size, size)))
    return np.asarray(q * np.sign(np.diagonal(r)))
