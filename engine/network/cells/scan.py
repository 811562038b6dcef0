"""What cells share whose gates depend on x_t alone: no weights multiply h_{t−1}, so W_ih x of many steps is a product.

What is left of a time step is element by element, a *scan* over time: h_t = (1 − s_t) ∘ h_{t−1} + s_t ∘ n_t, where n is
the candidate and s, from 0 to 1, the share of it that is taken. Only the scan itself goes step by step. All else is
computed for several steps at a time: as many as the inner caches have room for.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy import add, multiply, subtract

from engine import arrays
from engine.arrays import Array, Codes
from engine.network.cells.layer import Clamps, Layer, Observer, hold, transpose
from engine.network.cells.products import multiply_rows
from engine.network.cells.tape import Sweep, Tape, steps_in_cache
from engine.network.numerics import sums_by_code


class ScanTape(Tape):
    """Keeps `parts` (P, T, B, H), see `ScanLayer`, and `keep` (T, B, H), which is 1 − s.

    `pieces` are the steps that are computed together. `by_step` has, for each step, views (B, H) of 1 − s and h. Where
    the layer has a table, training needs no parts: `fill` looks them up for who does.
    """

    def __init__(self, layer: ScanLayer, seq: int, batch: int, inputs: Array | None) -> None:
        super().__init__(layer, seq, batch, inputs)
        self.parts: Array = arrays.zeros((len(layer.PARTS), seq, batch, layer.hidden_size), layer.dtype)
        self.by_kind = dict(zip(layer.PARTS, self.parts, strict=True))
        self.complements = layer.COMPLEMENTS
        self.candidates, self.shares = self.parts[len(layer.bias) - 1], self.parts[layer.TAKEN]
        self.keep: Array = arrays.zeros((seq, batch, layer.hidden_size), layer.dtype)
        self.by_step = list(zip(self.keep, self.outputs, strict=True))
        self.kept: Array = arrays.aligned((batch, layer.hidden_size), layer.dtype)  # (1 − s) ∘ h_{t−1} of one step
        self.pieces = pieces(seq, steps_in_cache(seq, batch * layer.hidden_size))
        self.codes: Codes = np.zeros((seq, batch), np.intp)
        self._table = layer.values[: len(layer.PARTS)] if layer.table else None
        self._is_full = True

    def look_up(self, codes: Codes) -> None:
        self.codes, self._is_full = codes, False

    def fill(self) -> None:
        """Have the parts of the last forward pass in `parts`, for a layer whose table is still the same."""
        if self._table is None or self._is_full:
            return
        self._is_full = True
        for values, part in zip(self._table, self.parts, strict=True):
            take(values, self.codes, part)

    def values(self, kind: str) -> Array:
        self.fill()
        values = super().values(kind)
        return 1 - np.abs(values) if kind in self.complements else values


def take(rows: Array, codes: Codes, into: Array) -> None:
    """Write the rows (V, H) of `codes` (T, B) into `into` (T, B, H)."""
    rows.take(codes, 0, into, "clip")  # mode "raise" would copy everything once more


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
    multiplied by `SCALE`. A table has more than W_ih x + b for each of V characters: `values` (P + 2, V, H) are the
    parts themselves, 1 − s and s ∘ n, as they depend on the character alone.
    """

    PARTS: ClassVar[tuple[str, ...]]
    TAKEN: ClassVar[int]
    COMPLEMENTS: ClassVar[tuple[str, ...]] = ()
    SCALE: ClassVar[float]

    def make_matrices(self) -> None:
        gates = len(self.cell.gates)
        self.weight_ih = self.by_gate("weight_ih")  # δ has PyTorch's order, so there is nothing to copy
        count = len(self.PARTS) + 2 if self.table else gates
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
            transpose(self.weight_ih, self.weight_input[:, None])
        else:
            np.matmul(embedding, self.weight_ih.swapaxes(1, 2), out=self.weight_input)
        np.copyto(self.bias, self.by_gate("bias_ih")[:, None])
        for working in (self.weight_input, self.bias):
            working[: len(self.cell.sigmoids)] *= self.SCALE
        if self.table:
            add(self.weight_input, self.bias, out=self.weight_input)
            *parts, keep, taken = self.values
            self._take_share(self.values[: len(parts)], keep, taken)

    def _take_share(self, parts: Array, keep: Array, taken: Array) -> None:
        """Turn W_ih x + b in `parts` (P, …, H) into the parts; write 1 − s and s ∘ n, (…, H), into the others."""
        self.activate(parts, taken)
        s = parts[self.TAKEN]
        subtract(self.one, s, keep)
        multiply(s, parts[len(self.bias) - 1], taken)

    def _enter(self, tape: ScanTape, steps: slice) -> None:
        """Compute 1 − s of `steps`, and s ∘ n in the place of h; without a table, the parts too."""
        keep, taken = tape.keep[steps], tape.outputs[steps]
        if self.table:
            take(self.values[-2], tape.codes[steps], keep)
            take(self.values[-1], tape.codes[steps], taken)
            return
        assert tape.inputs is not None
        parts, inputs = tape.parts[:, steps], tape.inputs[steps].reshape(-1, self.input_size)
        gates = parts[: len(self.bias)]
        multiply_rows(inputs, self.weight_input, gates.reshape(len(gates), len(inputs), -1))
        add(gates, tape.bias[:, None], gates)
        self._take_share(parts, keep, taken)

    def forward(self, tape: ScanTape, clamp: Clamps = ()) -> None:
        if not self.table:
            np.copyto(tape.bias, self.bias)  # repeated for each sequence: arrays of one shape are added faster
        h_before, kept = tape.states[0], tape.kept
        for steps in tape.pieces:
            self._enter(tape, steps)
            for keep, h in tape.by_step[steps]:
                multiply(keep, h_before, kept)
                h_before = add(h, kept, h)
                if clamp:
                    hold(h, clamp)

    def backward(self, tape: ScanTape, sweep: Sweep, d_outputs: Array, observe: Observer | None = None) -> None:
        pairs = self._pairs(sweep) if self.table and sweep.for_weights and observe is None else None
        if pairs is None:
            tape.fill()
        from_later = sweep.d_hidden  # the part of ∂ℓ/∂h_t that comes from step t + 1
        from_later[...] = 0
        for steps in reversed(pieces(len(d_outputs), sweep.together)):
            count, keep = steps.stop - steps.start, tape.keep[steps]
            d_h, d_share = sweep.scratch[:count], sweep.step_delta[:count]
            for direct, own, kept in zip(d_outputs[steps][::-1], d_h[::-1], keep[::-1], strict=True):
                add(from_later, direct, own)
                multiply(own, kept, from_later)
            if pairs is not None:
                pairs[steps, :, 0] = d_h
                multiply(d_h, tape.states[steps], pairs[steps, :, 1])
                continue
            first = steps.start % len(sweep.delta)  # `delta` has all steps, or one
            delta = sweep.delta[first : first + count]
            delta_n = delta[:, :, -self.hidden_size :]
            multiply(d_h, tape.shares[steps], delta_n)
            subtract(tape.candidates[steps], tape.states[steps], d_share)
            multiply(d_share, delta_n, d_share)
            self.gate_gradients(tape.parts[:, steps], keep, d_share, delta)
            if observe is not None:
                for place in reversed(range(count)):
                    observe(steps.start + place, (d_h[place],), delta[place])

    def _pairs(self, sweep: Sweep) -> Array:
        """∂ℓ/∂h_t and ∂ℓ/∂h_t ∘ h_{t−1}, (T, S, 2, H), in the memory of δ: a table's gradient needs no δ."""
        seq, rows, _ = sweep.delta.shape
        shape = (seq, rows, 2, self.hidden_size)
        return sweep.delta.reshape(-1)[: math.prod(shape)].reshape(shape)

    def weight_gradients(self, tape: ScanTape, sweep: Sweep, gradient: Mapping[str, Array], codes: Codes) -> Array:
        """As in every layer. With a table, δ is computed once for each character, as the parts depend on it alone.

        The sum of ∂ℓ/∂s_t ∘ s_t over the steps that read a character is (n ∘ Σ ∂ℓ/∂h_t − Σ ∂ℓ/∂h_t ∘ h_{t−1}) ∘ s.
        """
        if not self.table:
            return super().weight_gradients(tape, sweep, gradient, codes)
        size, pairs = self.hidden_size, self._pairs(sweep).reshape(codes.size, -1)
        if self._scratch.shape != pairs.shape:
            self._scratch = arrays.aligned(pairs.shape, self.dtype)
            self._by_code = arrays.aligned((self.input_size, 2 * size), self.dtype)
        sums_by_code(pairs, codes.ravel(), self._scratch, self._by_code)
        d_h, with_state = self._by_code[:, :size], self._by_code[:, size:]
        parts, keep = self.values[:-2], self.values[-2]
        s, n = parts[self.TAKEN], parts[len(self.bias) - 1]
        delta: Array = np.empty((self.input_size, self.delta_rows), self.dtype)
        multiply(d_h, s, delta[:, -size:])
        d_share = (n * d_h - with_state) * s
        self.gate_gradients(parts[:, None], keep[None], d_share[None], delta[None])
        self.by_gate("bias_ih", gradient).reshape(-1)[...] = delta.sum(axis=0)
        return delta.T
