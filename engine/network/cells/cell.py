"""What the program knows of a cell: its gates, its states, and how much its forward pass keeps."""

from __future__ import annotations

from dataclasses import dataclass

from engine.network.cells import load


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The description of a recurrent cell. It stands in the cell's own file, and nowhere else.

    A gate is a block of H rows in `weight_ih` and `weight_hh`; the candidate, often a tanh, counts as a gate too. G is
    the number of gates. A cell that is not `recurrent` has neither `weight_hh` nor `bias_hh`: its gates depend on x_t
    alone, and δ_t has G parts, those of W_ih x_t. δ_t is the gradient of the loss with respect to the arguments of the
    sigmoids and tanhs, in parts of H numbers. The first G parts are the gradient with respect to W_hh h_{t−1}, the last
    G the gradient with respect to W_ih x_t. In the RNN and the LSTM these are the same G parts. The GRU has four parts,
    of m, r, z and n: m is the recurrent product of gate n, on which r acts, so `delta` is ("n", "r", "z", "n"), and
    `bias_hh` of n must not be added to the input (`Layer.input_bias`).
    """

    gates: tuple[str, ...]  # in PyTorch's order
    delta: tuple[str, ...]  # the gate of each part of δ; in both groups of G parts the sigmoid gates are neighbours
    sigmoids: tuple[str, ...] = ()  # gates with values from 0 to 1; all other gates have values from -1 to 1
    states: tuple[str, ...] = ("h",)  # the arrays that one step hands to the next; h is the layer's output
    unbounded: tuple[str, ...] = ()  # states and gates that may have any value; all others lie between -1 and 1
    recurrent: bool = True  # whether weights multiply h_{t−1}
    forget_gate: str | None = None  # a gate that keeps the old state where it is 1: `forget_bias` is added to its bias
    tape_floats: int  # numbers for each unit, step and sequence that the tape keeps besides h, in `arrays.zeros`
    delta_floats: int  # numbers for each unit, step and sequence that δ needs outside of the tape

    @property
    def kinds(self) -> tuple[str, ...]:
        """The values of a unit that can be looked at: states, then gates."""
        return tuple(dict.fromkeys(self.states + self.gates))

    @property
    def parameters(self) -> tuple[str, ...]:
        """The kinds of parameters that each layer has, in PyTorch's order."""
        return ("weight_ih", "weight_hh", "bias_ih", "bias_hh") if self.recurrent else ("weight_ih", "bias_ih")


def cell_of(name: str) -> Cell:
    """The description of cell `name`. Raises `KeyError` if there is no such cell."""
    cell: Cell = load(name).cell
    return cell
