"""Fixed points: the states that stay as they are while the network reads one character again and again.

F(s, c) is the state after a step from the state s with the character c. A fixed point s* = F(s*, c) is a zero of
q(s) = ½‖F(s, c) − s‖². It is stable if every eigenvalue of J = ∂F/∂s lies inside the unit circle: then the network
returns to it after a small push. If all lie on the circle or outside it, the point is a repeller; if only some do, a
saddle: it attracts states along some directions, and repels them along others (Sussillo and Barak, Opening the black
box: low-dimensional dynamics in high-dimensional recurrent neural networks, 2013).

The way down q is the Levenberg–Marquardt method: δ = −(AᵀA + μI)⁻¹ Aᵀ(F(s) − s) with A = J − I. Where a step lowers q,
μ becomes smaller, otherwise larger. With μ → 0 this is Newton's method, which doubles the correct digits with every
step and so reaches q < 10⁻¹² in some ten of them. Gradient descent, and Adam too, would need thousands: where the state
moves slowly A is nearly singular, and the gradient Aᵀ(F(s) − s) vanishes long before q does. The way may also end in a
valley of q above zero: there is no fixed point there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.arrays import Array
from engine.network.cells import plain
from engine.network.cells.cell import cell_of
from engine.network.cells.plain import PLAIN
from engine.network.cells.plain.step import weights_of
from engine.network.model import Model
from engine.probes.results import Stability

CELLS = ("rnn", "gru", "lstm")
MOST_NUMBERS = 512  # in a state: the work grows with the third power
REACHED = 1e-12  # the q of a fixed point at most
EXACT = 1e-28  # a q that needs no further step, for rounding is not much smaller
MERGED = 1e-3  # fixed points that lie closer together are one
MOST_STEPS = 100  # of the way down from one start
PATIENCE = 8  # steps in which q has to halve at least, or the way down has ended in a valley
FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-3, 1e-12, 1e8  # μ
AT_ONCE = 1 << 16  # numbers in the arrays of the starts that go down side by side, about


@dataclass(frozen=True)
class FixedPoint:
    """A state (S,), h or h and c side by side, that a step leaves as it is."""

    state: Array
    q: float  # ½‖F(s) − s‖²
    eigenvalues: NDArray[np.complex128]  # (S,) of ∂F/∂s, the largest absolute one first

    @property
    def largest(self) -> float:
        """The largest absolute eigenvalue."""
        return float(np.abs(self.eigenvalues[0]))

    @property
    def kind(self) -> Stability:
        """What a small push does: it fades, grows in some directions, or grows in all of them."""
        grows = np.abs(self.eigenvalues) >= 1
        return "repeller" if grows.all() else "saddle" if grows.any() else "stable"


class Search(NamedTuple):
    """What the starts so far have led to."""

    points: tuple[FixedPoint, ...]  # those found first at the front
    tried: int  # starts
    arrived: int  # of them, those that led to a fixed point


def why_not(model: Model) -> str:
    """Why fixed points of this network are not looked for, in a sentence; empty if they are."""
    architecture = model.architecture
    if architecture.cell not in CELLS:
        return f"fixed points are looked for in a {', '.join(CELLS[:-1])} or {CELLS[-1]}, not in a {architecture.cell}"
    if architecture.layers > 1:
        return f"fixed points are looked for in networks of one layer; this one has {architecture.layers}"
    numbers = architecture.hidden_size * len(cell_of(architecture.cell).states)
    if numbers > MOST_NUMBERS:
        return f"fixed points are looked for in states of at most {MOST_NUMBERS} numbers; this one has {numbers:,}"
    return ""


def one_step(model: Model, code: int) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """F and J under the character `code`, in float64: (B, S) → (B, S), and (B, S) → (B, S, S) with [i, j] = ∂F_i/∂s_j.

    S is H, or 2H for the lstm: h, then c. Raises `ValueError` for a network for which `why_not` has a reason.
    """
    architecture, parameters = model.architecture, model.parameters
    if reason := why_not(model):
        raise ValueError(reason)
    cell, hidden = PLAIN[architecture.cell], architecture.hidden_size
    weights, x = weights_of(parameters.of_layer(0), hidden), parameters.inputs(np.array(code))
    states = len(cell_of(architecture.cell).states)

    def step(state: Array) -> Any:
        return cell.step(weights, np.tile(x, (len(state), 1)), *np.split(state, states, axis=1))

    def after(state: Array) -> Array:
        return np.concatenate(step(state).state, axis=1)

    def jacobian(state: Array) -> Array:
        count, size = state.shape
        directions = np.split(np.tile(np.eye(size), (count, 1)), states, axis=1)
        changes = plain.changes(cell, weights, step(state).repeated(size), None, tuple(directions))
        return np.concatenate(changes, axis=1).reshape(count, size, size).transpose(0, 2, 1)

    return after, jacobian


def search(model: Model, code: int, starts: Array) -> Iterator[Search]:
    """Look for fixed points under the character `code` from each of `starts` (K, S).

    Yields what is known after a little work each time: some milliseconds for a hundred units. The last one is all that
    the starts lead to. From a start that is not finite nothing is found.
    """
    after, jacobian = one_step(model, code)
    found = Search((), 0, 0)
    yield found
    size = starts.shape[1]
    together = max(1, AT_ONCE // (4 * size * size))
    for first in range(0, len(starts), together):
        some: Array = np.asarray(starts[first : first + together], np.float64)
        for state in _descend(after, jacobian, some):
            some = state
            yield found
        error = after(some) - some
        points, arrived = list(found.points), 0
        for place in np.flatnonzero(_q(error) < REACHED):
            state, q = some[place], float(_q(error)[place])
            if any(np.linalg.norm(state - other.state) < MERGED for other in points):
                arrived += 1
                continue
            matrix = jacobian(state[None])[0]
            if q > EXACT and not _is_near_zero(matrix, error[place]):
                continue
            eigenvalues = np.linalg.eigvals(matrix).astype(np.complex128)
            points.append(FixedPoint(state, q, eigenvalues[np.argsort(-np.abs(eigenvalues))]))
            arrived += 1
            yield found
        found = Search(tuple(points), found.tried + len(some), found.arrived + arrived)
        yield found


def fixed_points(model: Model, code: int, starts: Array) -> Search:
    """All that `search` finds."""
    *_, found = search(model, code, starts)
    return found


def _is_near_zero(matrix: Array, error: Array) -> bool:
    """Whether Newton's step to the zero of F(s) − s is short. Where J is nearly I, q is small without a zero nearby."""
    try:
        step = np.linalg.solve(matrix - np.eye(len(matrix)), -error)
    except np.linalg.LinAlgError:
        return False
    return bool(np.linalg.norm(step) < MERGED)


def _descend(after: Callable[[Array], Array], jacobian: Callable[[Array], Array], state: Array) -> Iterator[Array]:
    """Go down q from all of `state` (B, S) side by side; yields where they are after each step."""
    state = state.copy()
    identity = np.eye(state.shape[1])
    error = after(state) - state  # F(s) − s
    q = _q(error)
    damping = np.full(len(state), FIRST_DAMPING)
    under_way = np.isfinite(q)
    before = np.full(len(state), np.inf)  # q some steps ago
    for index in range(MOST_STEPS):
        if index % PATIENCE == 0:
            under_way &= q < 0.5 * before
            before = q.copy()
        under_way &= (q > EXACT) & (damping < MOST_DAMPING)
        moving = np.flatnonzero(under_way)
        if not len(moving):
            return
        here = state[moving]
        slope = jacobian(here) - identity  # A
        transposed = slope.transpose(0, 2, 1)
        normal = transposed @ slope + damping[moving, None, None] * identity
        there = here - np.linalg.solve(normal, transposed @ error[moving, :, None])[:, :, 0]
        error_there = after(there) - there
        q_there = _q(error_there)
        is_lower = q_there < q[moving]
        better = moving[is_lower]
        state[better], error[better], q[better] = there[is_lower], error_there[is_lower], q_there[is_lower]
        damping[moving] = np.maximum(damping[moving] * np.where(is_lower, 0.1, 10.0), LEAST_DAMPING)
        yield state


def _q(error: Array) -> Array:
    """q = ½‖F(s) − s‖² of each row of F(s) − s, (B, S) → (B,)."""
    return np.asarray(0.5 * np.sum(error**2, axis=1))
