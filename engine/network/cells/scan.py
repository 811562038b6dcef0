"""What cells share whose gates depend on x_t alone: no weights multiply h_{t−1}, so W_ih x of many steps is a product.

What is left of a time step is element by element, a *scan* over time: h_t = h_{t−1} + s_t ∘ (n_t − h_{t−1}), where n
is the candidate and s, from 0 to 1, the share of it that is taken. Only the scan itself goes step by step. All else is
computed for several steps at a time: as many as the inner caches have room for.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from numpy import add, multiply, subtract

from engine import arrays
from engine.arrays import Array, Codes
from engine.network.cells.layer import Clamps, Layer, Observer, hold, transpose
from engine.network.cells.products import multiply_rows
from engine.network.cells.tape import Layout, Sweep, Tape, steps_in_cache

SHARE = "s"  # the name of s where it is not one of the gates


class ScanTape(Tape):
    """Keeps `parts` (P, T, B, H): the gates in PyTorch's order, and s after them if it is not one of the gates.

    `pieces` are the steps that are computed together, `states_by_step` has a view (B, H) of each of h_{−1}, h_0, …, and
    the sweep computes 1 − s in `keep` (steps of a piece, B, H).
    """

    def __init__(self, layout: Layout, seq: int, batch: int, inputs: Array | None, names: tuple[str, ...]) -> None:
        super().__init__(layout, seq, batch, inputs)
        self.parts: Array = arrays.zeros((len(names), seq, batch, layout.hidden_size), layout.dtype)
        self.by_kind = {name: part[:, None] for name, part in zip(names, self.parts, strict=True) if name != SHARE}
        self.states_by_step = list(self.states)
        together = steps_in_cache(seq, batch * layout.hidden_size)
        self.pieces = pieces(seq, together)
        self.keep: Array = np.empty((together, batch, layout.hidden_size), layout.dtype)
        self.codes: Codes = np.zeros((seq, batch), np.intp)

    def look_up(self, codes: Codes) -> None:
        self.codes = codes


def pieces(seq: int, steps: int) -> list[slice]:
    """All of `seq` steps, `steps` at a time."""
    return [slice(start, min(start + steps, seq)) for start in range(0, seq, steps)]


class ScanLayer(Layer[ScanTape]):
    """A layer over `weight_ih` (G·H, X) and `bias_ih` (G·H,), whose candidate n is the last gate.

    The subclass of a cell says how W_ih x + b becomes gates and s (`activate`), and what the gradient of s means for
    the gates (`gate_gradients`). `PARTS` has the names of the gates in PyTorch's order, and `SHARE` after them if s is
    not one of the gates; `TAKEN` is the place of s in it.

    The working matrix `weight_input` (G, X, H) is W_ihᵀ gate by gate, that of sigmoid gates, which come first,
    multiplied by `SCALE`. A table has more than W_ih x + b for each of V characters: `values` (P, V, H) are gates and
    s themselves, as they depend on the character alone.
    """

    PARTS: ClassVar[tuple[str, ...]]
    TAKEN: ClassVar[int]
    SCALE: ClassVar[float]

    def make_matrices(self) -> None:
        gates = len(self.cell.gates)
        count = len(self.PARTS) if self.table else gates
        self.values: Array = arrays.zeros((count, self.input_size, self.hidden_size), self.dtype)
        self.weight_input = self.values[:gates]
        self.bias: Array = np.zeros((gates, 1, self.hidden_size), self.dtype)

    @abstractmethod
    def activate(self, parts: Array) -> None:
        """Turn W_ih x + b, in the gates' places of `parts` (P, …, H), into gates and s; sigmoid gates are scaled."""

    @abstractmethod
    def gate_gradients(self, parts: Array, d_share: Array, spare: Array, delta: Array) -> None:
        """Write δ of the sigmoid gates into `delta` (K, S, G·H), for K steps.

        `parts` (P, K, B, H) are gates and s of these steps, and `d_share` (K, S, H) is ∂ℓ/∂s ∘ s ∘ (1 − s). Overwrites
        `spare` (K, B, H).
        """

    def new_tape(self, seq: int, batch: int, inputs: Array | None) -> ScanTape:
        return ScanTape(self, seq, batch, inputs, self.PARTS)

    def refresh(self, embedding: Array | None = None) -> None:
        rows = self.by_gate("weight_ih")
        np.copyto(self.weight_ih, rows)
        if embedding is None:
            transpose(rows, self.weight_input)
        else:
            np.matmul(embedding, rows.swapaxes(1, 2), out=self.weight_input)
        np.copyto(self.bias, self.by_gate("bias_ih")[:, None])
        for working in (self.weight_input, self.bias):
            working[: len(self.cell.sigmoids)] *= self.SCALE
        if self.table:
            add(self.weight_input, self.bias, out=self.weight_input)
            self.activate(self.values)

    def _enter(self, tape: ScanTape, steps: slice) -> None:
        """Compute gates and s of `steps` in `tape.parts`."""
        parts = tape.parts[:, steps]
        if self.table:
            codes = tape.codes[steps].ravel()
            for values, part in zip(self.values, parts, strict=True):
                values.take(codes, 0, part.reshape(len(codes), -1), "clip")  # "raise" would copy everything once more
            return
        assert tape.inputs is not None
        gates, inputs = parts[: len(self.bias)], tape.inputs[steps]
        in_rows = gates.reshape(len(gates), -1, self.hidden_size)
        multiply_rows(inputs.reshape(-1, self.input_size), self.weight_input, in_rows)
        add(gates, tape.bias[:, None], out=gates)
        self.activate(parts)

    def forward(self, tape: ScanTape, clamp: Clamps = ()) -> None:
        candidates, taken, states = tape.parts[len(self.bias) - 1], tape.parts[self.TAKEN], tape.states_by_step
        if not self.table:
            np.copyto(tape.bias, self.bias)  # repeated for each sequence: arrays of one shape are added faster
        for steps in tape.pieces:
            self._enter(tape, steps)
            h = states[steps.start]
            for t, n, s in zip(range(steps.start, steps.stop), candidates[steps], taken[steps], strict=True):
                h_before, h = h, states[t + 1]
                subtract(n, h_before, h)
                multiply(h, s, h)
                add(h, h_before, h)
                if clamp:
                    hold(tape.hidden[t + 1], clamp)

    def backward(self, tape: ScanTape, sweep: Sweep, d_outputs: Array, observe: Observer | None = None) -> None:
        candidates, taken, size = tape.parts[len(self.bias) - 1], tape.parts[self.TAKEN], self.hidden_size
        from_later = sweep.d_hidden[0]  # the part of ∂ℓ/∂h_t that comes from step t + 1
        from_later[...] = 0
        for steps in reversed(pieces(len(d_outputs), sweep.together)):
            count, s = steps.stop - steps.start, taken[steps]
            keep, d_h, d_share = tape.keep[:count], sweep.scratch[:count], sweep.step_delta[:count]
            first = steps.start % len(sweep.delta)  # `delta` has all steps, or one
            delta = sweep.delta[first : first + count]
            subtract(self.one, s, keep)
            for direct, own, kept in zip(d_outputs[steps][::-1], d_h[::-1], keep[::-1], strict=True):
                add(from_later, direct, own)
                multiply(own, kept, from_later)
            delta_n = delta[:, :, -size:]
            multiply(d_h, s, delta_n)
            subtract(candidates[steps], tape.states[steps], d_share)
            multiply(d_share, delta_n, d_share)  # ∂ℓ/∂s ∘ s
            multiply(d_share, keep, d_share)
            self.gate_gradients(tape.parts[:, steps], d_share, keep, delta)
            if observe is not None:
                for place in reversed(range(count)):
                    observe(steps.start + place, (d_h[place],), delta[place])
