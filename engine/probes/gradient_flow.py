"""Gradient flow: histogram and norm of the back-propagated gradient at every time step of one layer.

G_t = ∂ℓ/∂h_t (or ∂ℓ/∂c_t), before the derivative of the cell's own non-linearity and before clipping. The initial state
is zero, and there is no dropout. There are three views, which differ in the loss ℓ:

- *single*: ℓ is the loss of the last step only. In a sum over steps, the later losses would hide a vanishing gradient.
- *training*: ℓ is the loss that is trained.
- *triangle*: ‖∂ℓ_s/∂h_t‖ for the loss ℓ_s of every step s ≥ t. Histograms and norms are those of *single*.

Every loss is a mean over the B windows of the batch. In the norm of all windows together, ‖G_t‖ = (Σ_b ‖G_t,b‖²)^½,
the few with large gradients outweigh the others; so there is the norm of each window's part, ‖G_t,b‖, as well. All is
computed in float64, so that the histogram also shows gradients that are too small for float32.
"""

from __future__ import annotations

import numpy as np

from engine.arrays import Array, Codes, Integers, frozen
from engine.network.cells.cell import cell_of
from engine.network.cells.tape import Sweep
from engine.network.model import Model
from engine.network.numerics import cross_entropy_gradient
from engine.probes.positions import sweep_positions
from engine.probes.results import GradientFlow, GradientView
from engine.probes.spectrum import spectrum
from engine.text.vocabulary import Vocabulary

SMALLEST, LARGEST, BINS_PER_DECADE = -45, 4, 2  # the grid's limits as powers of ten


def _grid() -> Array:
    magnitudes = np.logspace(SMALLEST, LARGEST, BINS_PER_DECADE * (LARGEST - SMALLEST) + 1)
    return frozen(np.concatenate(([-np.inf], -magnitudes[::-1], magnitudes, [np.inf])))


# The grid of all histograms. On either side of zero are 98 bins of half a decade, from 1e-45 to 1e4, and an overflow
# bin. The zero bin in the middle has |g| < 1e-45, just below the smallest positive number of float32, 1.4e-45: values
# in it are zero for training, and a gradient that is only small lies in a bin beside it.
EDGES = _grid()


def finite(edges: Array) -> list[float]:
    """`edges` for JSON, which has no infinity: the largest double, ±1.797…e308, replaces it."""
    return [float(edge) for edge in np.nan_to_num(edges)]


def gradient_flow(
    model: Model,
    codes: Codes,
    targets: Codes,
    *,
    view: GradientView = "single",
    layer: int = 0,
    state: str = "h",
    last_only: bool = False,
    step: int = 0,
    vocabulary: Vocabulary | None = None,
    matrices: bool = True,
) -> GradientFlow:
    """Gradient flow of `model` in `layer` over the probe batch `codes`, `targets` (T, B each).

    `last_only` says that training uses the loss of the last step alone. `step` is copied into the result. With a
    `vocabulary` the characters of the first window are there too. Without `matrices`, σ and ρ of the recurrent matrix
    are left out, which take most of the time with many units. Raises `ValueError` if the cell has no such `state`.
    """
    if state not in cell_of(model.architecture.cell).states:
        raise ValueError(f"a {model.architecture.cell} has no state {state!r}")
    double = model.in_double()
    last_only = last_only or view != "training"
    gradients = back_propagated(double, codes, targets, layer=layer, state=state, last_only=last_only)
    window_norms = np.linalg.norm(gradients.reshape(*codes.shape, -1), axis=2)
    triangle = norm_triangle(double, codes, targets, layer=layer, state=state) if view == "triangle" else None
    sigma, rho = spectrum(double, layer) if matrices else ({}, {})
    return GradientFlow(
        step=step,
        view=view,
        layer=layer,
        state="c" if state == "c" else "h",
        edges=EDGES,
        counts=frozen(histograms(gradients)),
        norms=frozen(np.linalg.norm(gradients, axis=1)),
        triangle=None if triangle is None else frozen(triangle),
        sigma=sigma,
        rho=rho,
        window_norms=frozen(window_norms),
        characters=vocabulary.decode(codes[:, 0]) if vocabulary else "",
    )


def back_propagated(model: Model, codes: Codes, targets: Codes, *, layer: int, state: str, last_only: bool) -> Array:
    """G_t, (T, B·H), of the mean loss over all steps, or with `last_only` of the loss of the last step."""
    seq, batch = codes.shape
    work = model.workspace(seq, batch, train=False)
    logits = model.forward(work, codes)
    wanted = logits[:, -batch:] if last_only else logits
    cross_entropy_gradient(wanted, (targets[-1] if last_only else targets).ravel(), wanted.shape[1])
    if last_only:
        logits[:, :-batch] = 0
    d_outputs = np.dot(logits.T, model.head_weight).reshape(seq, batch, -1)
    sweeps = [Sweep(each, seq, batch, keep_delta=each.index > layer) for each in model.layers]
    gradients = np.empty((seq, batch, model.architecture.hidden_size))

    place = cell_of(model.architecture.cell).states.index(state)

    def observe(t: int, d_states: tuple[Array, ...], delta: Array) -> None:
        gradients[t] = d_states[place]

    model.sweep_back(work, sweeps, d_outputs, {layer: observe})
    return gradients.reshape(seq, -1)


def norm_triangle(model: Model, codes: Codes, targets: Codes, *, layer: int, state: str) -> Array:
    """‖∂ℓ_s/∂h_t‖ over units and windows, (T, T), indexed [s, t]; zero for t > s. With `state` "c", of c_t."""
    seq, batch = codes.shape
    work = model.workspace(seq, 1, train=False)
    squares = np.zeros((seq, seq))

    place = cell_of(model.architecture.cell).states.index(state)

    def watch(t: int, positions: slice, d_states: tuple[Array, ...], delta: Array) -> None:
        squares[positions, t] += np.einsum("sh,sh->s", d_states[place], d_states[place])

    for sequence in range(batch):
        work.reset()
        logits = model.forward(work, codes[:, sequence : sequence + 1])
        d_logits = cross_entropy_gradient(logits, targets[:, sequence], batch)
        sweep_positions(model, work, np.dot(d_logits.T, model.head_weight), layer, watch)
    triangle: Array = np.sqrt(squares)
    return triangle


def histograms(gradients: Array) -> Integers:
    """Counts (T, bins) of `gradients` (T, N) on `EDGES`; NaN counts as overflow."""
    values = np.where(np.isnan(gradients), np.inf, gradients)
    return np.stack([np.histogram(row, EDGES)[0] for row in values]).astype(np.int32)
