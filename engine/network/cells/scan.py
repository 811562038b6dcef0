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
from engine.network.cells.tape import Sweep, Tape, steps_in_cache


class ScanTape(Tape):
    """Keeps `parts` (P, T, B, H), see `ScanLayer`, and scratch for `pieces`, the steps that are computed together.

    `by_step` has, for each step, views (B, H) of n, s and h. The sweep computes 1 − s in `keep` (steps of a piece, B,
    H), of which `keep_by_step` has a view for each step.
    """

    def __init__(self, layer: ScanLayer, seq: int, batch: int, inputs: Array | None) -> None:
        super().__init__(layer, seq, batch, inputs)
        self.parts: Array = arrays.zeros((len(layer.PARTS), seq, batch, layer.hidden_size), layer.dtype)
        self.by_kind = {name: part[:, None] for name, part in zip(layer.PARTS, self.parts, strict=True)}
        self.complements = layer.COMPLEMENTS
        self.candidates, self.shares = self.parts[len(layer.bias) - 1], self.parts[layer.TAKEN]
        self.by_step = list(zip(self.candidates, self.shares, self.outputs, strict=True))
        together = steps_in_cache(seq, batch * layer.hidden_size)
        self.pieces = pieces(seq, together)
        self.keep: Array = arrays.aligned((together, batch, layer.hidden_size), layer.dtype)
        self.keep_by_step = list(self.keep)
        self.codes: Codes = np.zeros((seq, batch), np.intp)

    def look_up(self, codes: Codes) -> None:
        self.codes = codes

    def values(self, kind: str) -> Array:
        values = super().values(kind)
        return 1 - np.abs(values) if kind in self.complements else values


def pieces(seq: int, steps: int) -> list[slice]:
    """All of `seq` steps, `steps` at a time."""
    return [slice(start, min(start + steps, seq)) for start in range(0, seq, steps)]


class ScanLayer(Layer[ScanTape]):
    """A layer over `weight_ih` (G·H, X) and `bias_ih` (G·H,), whose candidate n is the last gate.

    The subclass of a cell says how W_ih x + b becomes gates and s (`activate`), and what the gradient of s means for
    the gates (`gate_gradients`). `PARTS` names what the tape keeps: the gates in PyTorch's order, and s after them if
    it is not one of the gates. `TAKEN` is the place of s in it. Of each gate g in `COMPLEMENTS`, the tape has g − 1 or
    1 − g, which the gradient needs.

    The working matrix `weight_input` (G, X, H) is W_ihᵀ gate by gate, that of sigmoid gates, which come first,
    multiplied by `SCALE`. A table has more than W_ih x + b for each of V characters: `values` (P, V, H) are the parts
    themselves, as they depend on the character alone.
    """

    PARTS: ClassVar[tuple[str, ...]]
    TAKEN: ClassVar[int]
    COMPLEMENTS: ClassVar[tuple[str, ...]] = ()
    SCALE: ClassVar[float]

    def make_matrices(self) -> None:
        gates = len(self.cell.gates)
        self.weight_ih = self.by_gate("weight_ih")  # δ has PyTorch's order, so there is nothing to copy
        count = len(self.PARTS) if self.table else gates
        self.values: Array = arrays.zeros((count, self.input_size, self.hidden_size), self.dtype)
        self.weight_input = self.values[:gates]
        self.bias: Array = arrays.aligned((gates, 1, self.hidden_size), self.dtype)

    @abstractmethod
    def activate(self, parts: Array, spare: Array) -> None:
        """Turn W_ih x + b, in the gates' places of `parts` (P, …, H), into the parts; sigmoid gates are scaled.

        Overwrites `spare` (…, H).
        """

    @abstractmethod
    def gate_gradients(self, parts: Array, keep: Array, d_share: Array, delta: Array) -> None:
        """Write δ of the sigmoid gates into `delta` (K, S, G·H), for K steps.

        `parts` (P, K, B, H) are those of these steps, `keep` (K, B, H) is 1 − s, and `d_share` (K, S, H), which is
        overwritten, is ∂ℓ/∂s ∘ s.
        """

    def new_tape(self, seq: int, batch: int, inputs: Array | None) -> ScanTape:
        return ScanTape(self, seq, batch, inputs)

    def refresh(self, embedding: Array | None = None) -> None:
        if embedding is None:
            transpose(self.weight_ih, self.weight_input)
        else:
            np.matmul(embedding, self.weight_ih.swapaxes(1, 2), out=self.weight_input)
        np.copyto(self.bias, self.by_gate("bias_ih")[:, None])
        for working in (self.weight_input, self.bias):
            working[: len(self.cell.sigmoids)] *= self.SCALE
        if self.table:
            add(self.weight_input, self.bias, out=self.weight_input)
            self.activate(self.values, np.empty_like(self.values[0]))

    def _enter(self, tape: ScanTape, steps: slice) -> None:
        """Compute `tape.parts` of `steps`."""
        parts = tape.parts[:, steps]
        if self.table:
            codes = tape.codes[steps].ravel()
            for values, part in zip(self.values, parts, strict=True):
                values.take(codes, 0, part.reshape(len(codes), -1), "clip")  # "raise" would copy everything once more
            return
        assert tape.inputs is not None
        gates, inputs = parts[: len(self.bias)], tape.inputs[steps].reshape(-1, self.input_size)
        multiply_rows(inputs, self.weight_input, gates.reshape(len(gates), len(inputs), -1))
        add(gates, tape.bias[:, None], gates)
        self.activate(parts, tape.keep[: parts.shape[1]])

    def forward(self, tape: ScanTape, clamp: Clamps = ()) -> None:
        if not self.table:
            np.copyto(tape.bias, self.bias)  # repeated for each sequence: arrays of one shape are added faster
        h_before = tape.states[0]
        for steps in tape.pieces:
            self._enter(tape, steps)
            for n, s, h in tape.by_step[steps]:
                subtract(n, h_before, h)
                multiply(h, s, h)
                h_before = add(h, h_before, h)
                if clamp:
                    hold(h[None], clamp)

    def backward(self, tape: ScanTape, sweep: Sweep, d_outputs: Array, observe: Observer | None = None) -> None:
        from_later = sweep.d_hidden[0]  # the part of ∂ℓ/∂h_t that comes from step t + 1
        from_later[...] = 0
        for steps in reversed(pieces(len(d_outputs), sweep.together)):
            count, s = steps.stop - steps.start, tape.shares[steps]
            keep, d_h, d_share = tape.keep[:count], sweep.scratch[:count], sweep.step_delta[:count]
            first = steps.start % len(sweep.delta)  # `delta` has all steps, or one
            delta = sweep.delta[first : first + count]
            subtract(self.one, s, keep)
            by_step = d_outputs[steps][::-1], d_h[::-1], tape.keep_by_step[count - 1 :: -1]
            for direct, own, kept in zip(*by_step, strict=True):
                add(from_later, direct, own)
                multiply(own, kept, from_later)
            delta_n = delta[:, :, -self.hidden_size :]
            multiply(d_h, s, delta_n)
            subtract(tape.candidates[steps], tape.states[steps], d_share)
            multiply(d_share, delta_n, d_share)
            self.gate_gradients(tape.parts[:, steps], keep, d_share, delta)
            if observe is not None:
                for place in reversed(range(count)):
                    observe(steps.start + place, (d_h[place],), delta[place])
