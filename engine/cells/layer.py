"""What every recurrent layer shares: its tape, its sweep, its fused weights.

Every step multiplies one fused matrix with one stacked column per sequence, [x_t; 1; h_{t−1}], so
that the input, the bias and the recurrence of all gates cost a single product. Arrays of one step
are feature-major, (rows, B): a gate is one contiguous block, and OpenBLAS is fastest that way.
What the weight gradients need is kept feature-major over all steps, (rows, T, B), so that each is
one product over all T·B columns after the sweep.

Memory of a layer with input width X, G gates and float32, in bytes (rnn less, lstm 8·T·B·H more):
4·T·B·((X + 1 + H) + (H + 1) + (X + 1) + 2·G·H + H).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from engine.parameters import Array, Parameters

# Called in the backward sweep at each t, from T−1 down, with t, ∂ℓ/∂h_t (H, S), ∂ℓ/∂c_t (H, S; the lstm's, else
# None) and δ_t (rows, S), the gradient of what is inside the gates' non-linearities. Copy what is to be kept.
Observer = Callable[[int, Array, Array | None, Array], None]
Clamps = tuple[tuple[int, float], ...]  # (unit, value) pairs held fixed in h


class Tape:
    """What one layer's forward pass over T steps of B sequences keeps for the way back.

    `stacked` (T+1, X+1+H, B): [x_t; 1; h_{t−1}] of each step. `states` (H+1, T+1, B): h_{−1} … h_{T−1} and
    a row of ones. `inputs` (X+1, T, B): x_t and a row of ones, put there by the model.
    """

    def __init__(self, layer: Layer, seq: int, batch: int) -> None:
        width, hidden, dtype = layer.input_size, layer.hidden_size, layer.dtype
        self.seq, self.batch = seq, batch
        self.stacked: Array = np.zeros((seq + 1, width + 1 + hidden, batch), dtype)
        self.stacked[:, width] = 1
        self.states: Array = np.zeros((hidden + 1, seq + 1, batch), dtype)
        self.states[hidden] = 1
        self.inputs: Array = self.states[:0]
        self.columns = [self.stacked[t] for t in range(seq)]
        self.hidden = [self.stacked[t, width + 1 :] for t in range(seq + 1)]
        self.outputs = [self.states[:hidden, t] for t in range(seq + 1)]

    def reset(self) -> None:
        """Start from a zero state."""
        self.hidden[0][...] = 0
        self.outputs[0][...] = 0

    def carry(self) -> None:
        """Start where the last window ended."""
        self.hidden[0][...] = self.hidden[-1]
        self.outputs[0][...] = self.outputs[-1]

    def end_state(self) -> tuple[Array, ...]:
        """Copies of the state after the last step: (h,) or (h, c), each (H, B)."""
        return (self.hidden[-1].copy(),)

    def restore(self, state: tuple[Array, ...]) -> None:
        """Make `state` the one that the next `carry` starts from."""
        self.hidden[-1][...] = state[0]
        self.outputs[-1][...] = state[0]


class Sweep:
    """Workspace of one layer's backward sweep with S columns of gradient.

    Training has S = B. A probe may run many losses at once over a tape of batch 1: one column a loss.
    `delta` (rows, T, S) is kept only where weight gradients are wanted.
    """

    def __init__(self, layer: Layer, seq: int, columns: int, *, keep_delta: bool = True) -> None:
        hidden, rows, dtype = layer.hidden_size, layer.delta_rows, layer.dtype
        self.columns = columns
        self.d_hidden: Array = np.zeros((hidden, columns), dtype)
        self.d_cell: Array = np.zeros((hidden, columns), dtype)
        self.step_delta: Array = np.zeros((rows, columns), dtype)
        self.scratch: Array = np.zeros((hidden, columns), dtype)
        self.delta: Array | None = np.zeros((rows, seq, columns), dtype) if keep_delta else None
        self._kept = [] if self.delta is None else [self.delta[:, t] for t in range(seq)]

    def keep(self, t: int) -> None:
        """Store step t's δ for the weight gradients, where they are wanted."""
        if self._kept:
            np.copyto(self._kept[t], self.step_delta)


class Layer(ABC):
    """One recurrent layer. A cell gives its equations as `refresh`, `forward` and `backward`.

    `weight` (forward_rows, X+1+H) is the fused matrix [W_x, b, W_h]; sigmoid gates are halved in it,
    because σ(a) = ½·tanh(½a) + ½ and NumPy's tanh is several times faster than its exp.
    `weight_back` (H, rows) is W_hhᵀ. `input_rows` and `recurrent_rows` say which rows of δ belong to
    W_ih and W_hh, `input_order` and `recurrent_order` which gate each block of them is.
    """

    tape_type: ClassVar[type[Tape]] = Tape
    gate_count: ClassVar[int]
    input_order: ClassVar[tuple[int, ...]]  # block i of δ[input_rows] is PyTorch's gate input_order[i]
    recurrent_order: ClassVar[tuple[int, ...]]
    delta_blocks: ClassVar[int]

    def __init__(self, parameters: Parameters, index: int, input_size: int) -> None:
        self.parameters, self.index, self.input_size = parameters, index, input_size
        self.hidden_size = parameters.architecture.hidden_size
        self.dtype = parameters.flat.dtype
        self.delta_rows = self.delta_blocks * self.hidden_size
        self.input_rows = slice(self.delta_rows - len(self.input_order) * self.hidden_size, None)
        self.recurrent_rows = slice(0, len(self.recurrent_order) * self.hidden_size)
        self.weight_input: Array = np.zeros((len(self.input_order) * self.hidden_size, input_size + 1), self.dtype)
        self.weight_back: Array = np.zeros((self.hidden_size, self.recurrent_rows.stop), self.dtype)

    def parameter(self, kind: str) -> Array:
        """The parameter `rnn.{kind}_l{index}`, by gate: (G, H, …) in PyTorch's order."""
        array = self.parameters[f"rnn.{kind}_l{self.index}"]
        return array.reshape(self.gate_count, self.hidden_size, *array.shape[1:])

    def refresh(self, table: Array | None = None) -> None:
        """Rebuild the working matrices from the parameters; `table` (G, H, X) stands for W_ih where given."""
        hidden = self.hidden_size
        weight_ih = self.parameter("weight_ih") if table is None else table
        weight_hh = self.parameter("weight_hh")
        for place, gate in enumerate(self.input_order):
            self.weight_input[place * hidden : (place + 1) * hidden, :-1] = weight_ih[gate]
            self.weight_input[place * hidden : (place + 1) * hidden, -1] = self.input_bias(gate)
        for place, gate in enumerate(self.recurrent_order):
            self.weight_back[:, place * hidden : (place + 1) * hidden] = weight_hh[gate].T
        self.fuse(weight_hh)

    def input_bias(self, gate: int) -> Array:
        """The bias that acts with the input: both of PyTorch's, unless the cell treats them apart."""
        bias: Array = self.parameter("bias_ih")[gate] + self.parameter("bias_hh")[gate]
        return bias

    @abstractmethod
    def fuse(self, weight_hh: Array) -> None:
        """Fill the forward matrix from `weight_input` and `weight_hh` (G, H, H)."""

    @abstractmethod
    def forward(self, tape: Tape, clamp: Clamps = ()) -> None:
        """Run T steps from the tape's first state."""

    @abstractmethod
    def backward(self, tape: Tape, sweep: Sweep, d_outputs: Array, observe: Observer | None = None) -> None:
        """Run back over the tape's first T steps. `d_outputs` (H, T, S): what the loss says of h_t directly."""

    def d_inputs(self, sweep: Sweep) -> Array:
        """∂ℓ/∂x_t of all steps, (X, T, S), from the kept δ."""
        assert sweep.delta is not None
        delta = sweep.delta[self.input_rows]
        seq, columns = delta.shape[1:]
        product: Array = np.dot(self.weight_input[:, :-1].T, delta.reshape(len(delta), -1))
        return product.reshape(-1, seq, columns)

    def weight_gradients(self, tape: Tape, sweep: Sweep, gradient: Parameters) -> Array:
        """Write ∂ℓ/∂W_hh and the biases' into `gradient`; return ∂ℓ/∂W_ih by gate, (G, H, X)."""
        assert sweep.delta is not None
        hidden = self.hidden_size
        steps = tape.seq * tape.batch
        delta = sweep.delta.reshape(self.delta_rows, steps)
        before = tape.states[:, :-1].reshape(hidden + 1, -1)
        by_input = np.dot(delta[self.input_rows], tape.inputs.reshape(len(tape.inputs), -1).T)
        by_state = np.dot(delta[self.recurrent_rows], before.T)
        into = {name: self._of(gradient, name) for name in ("weight_hh", "bias_ih", "bias_hh")}
        d_weight_ih = np.empty((self.gate_count, hidden, self.input_size), self.dtype)
        for place, gate in enumerate(self.input_order):
            block = by_input[place * hidden : (place + 1) * hidden]
            d_weight_ih[gate] = block[:, :-1]
            into["bias_ih"][gate] = block[:, -1]
        for place, gate in enumerate(self.recurrent_order):
            block = by_state[place * hidden : (place + 1) * hidden]
            into["weight_hh"][gate] = block[:, :-1]
            into["bias_hh"][gate] = block[:, -1]
        return d_weight_ih

    def _of(self, gradient: Parameters, kind: str) -> Array:
        array = gradient[f"rnn.{kind}_l{self.index}"]
        return array.reshape(self.gate_count, self.hidden_size, *array.shape[1:])


def hold(hidden: Array, clamp: Clamps) -> None:
    """Fix some units of h (H, B) at given values."""
    for unit, value in clamp:
        hidden[unit] = value
