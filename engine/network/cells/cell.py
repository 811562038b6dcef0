"""What the program knows of a cell: its gates, its states, and how much its forward pass keeps."""

from __future__ import annotations

from dataclasses import dataclass

from engine.network.cells import load


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The description of a recurrent cell. It stands in the cell's own file, and nowhere else.

    A gate is a block of H rows in `weight_ih` and `weight_hh`; the candidate, a tanh, counts as one. G is their number.
    δ_t is the gradient of the loss with respect to what the sigmoids and tanhs are taken of, in parts of H numbers.
    The first G parts are the gradient of W_hh h_{t−1}, the last G that of W_ih x_t; in most cells they are the same.
    """

    gates: tuple[str, ...]  # in PyTorch's order
    delta: tuple[str, ...]  # the gate of each part of δ; in both groups of G parts the sigmoids are neighbours
    sigmoids: tuple[str, ...] = ()  # gates with values in 0 … 1; the others' lie in -1 … 1
    states: tuple[str, ...] = ("h",)  # what one step hands to the next; h is the layer's output
    unbounded: tuple[str, ...] = ()  # states that may have any value; the others' lie in -1 … 1
    forget_gate: str | None = None  # the gate whose bias begins at 1, if there is one
    tape_floats: int  # numbers per unit, step and sequence that the tape keeps besides h
    delta_floats: int  # as many for δ, where it has no place in the tape

    @property
    def kinds(self) -> tuple[str, ...]:
        """The values of a unit that can be looked at: states, then gates."""
        return tuple(dict.fromkeys(self.states + self.gates))


def cell_of(name: str) -> Cell:
    """The description of cell `name`. `KeyError` where there is no such cell."""
    cell: Cell = load(name).cell
    return cell
