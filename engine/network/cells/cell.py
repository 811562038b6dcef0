"""What the rest of the program has to know of a cell: its gates, its states, and what it keeps for the way back."""

from __future__ import annotations

from dataclasses import dataclass

from engine.network.cells import load


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The description of a recurrent cell. It stands in the cell's own file, and nowhere else.

    A gate here is a block of H rows in `weight_ih` and `weight_hh`: also the candidate, whose values are a tanh's.
    δ_t is the gradient of what is inside the non-linearities, in parts of H numbers. W_hh h_{t−1} gets the first G
    parts and W_ih x_t the last G, G being the number of gates: mostly the same ones.
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
