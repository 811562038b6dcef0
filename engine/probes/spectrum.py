"""Largest singular value σ and spectral radius ρ of the recurrent matrix, one gate's block at a time.

σ is the largest factor by which one multiplication with the block lengthens a vector. ρ is the factor for each of many
multiplications in a row. In a plain RNN, σ > 1 is necessary for gradients to explode, but not sufficient: the slopes of
tanh are at most 1, and a vector that one step stretches may shrink in the next (Pascanu, Mikolov and Bengio, On the
difficulty of training recurrent neural networks, 2013). In a GRU or LSTM the σ of the blocks decides nothing, but
the growth of the whole state's Jacobian: an LSTM with W_hg = 0.95·I, or a GRU with W_hr = 0.95·I, can explode.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from engine.arrays import Array, frozen
from engine.network.model import Model
from engine.probes.pieces import Pieces, at_once

SQUARINGS = 60  # at most
TOLERANCE = 1e-10  # on ln ρ


def spectrum(model: Model, layer: int = 0) -> tuple[dict[str, float], dict[str, float]]:
    """σ and ρ of each gate's block (H, H) of W_hh in `layer`, by the gate's name; all NaN if W_hh is not finite.

    Both are empty for a cell that has no W_hh. With 1,000 units it takes seconds.
    """
    if "weight_hh" not in model.layers[layer].weights:
        return {}, {}
    blocks = model.layers[layer].by_gate("weight_hh").astype(np.float64)
    gates = model.architecture.gates
    if not np.isfinite(blocks).all():
        return dict.fromkeys(gates, math.nan), dict.fromkeys(gates, math.nan)
    sigma, rho = {}, {}
    for gate, block in zip(gates, blocks, strict=True):
        sigma[gate] = largest_singular_value(block)
        rho[gate] = spectral_radius(block)
    return sigma, rho


def eigenvalues_in_pieces(model: Model, layer: int = 0) -> Pieces[dict[str, NDArray[np.complex128]]]:
    """The H eigenvalues of each gate's block (H, H) of W_hh in `layer`, by the gate's name, largest absolute one first.

    Those of a block that is not finite are NaN. There is none for a cell that has no W_hh. It pauses after each gate;
    the weights are those that the model has before the first one.
    """
    found: dict[str, NDArray[np.complex128]] = {}
    if "weight_hh" not in model.layers[layer].weights:
        return found
    blocks = model.layers[layer].by_gate("weight_hh").astype(np.float64)
    for gate, block in zip(model.architecture.gates, blocks, strict=True):
        if np.isfinite(block).all():
            values = np.linalg.eigvals(block).astype(np.complex128)
        else:
            values = np.full(len(block), np.nan, np.complex128)
        found[gate] = values[np.argsort(-np.abs(values), kind="stable")]
        yield
    return found


eigenvalues = at_once(eigenvalues_in_pieces)


def in_plane(found: dict[str, NDArray[np.complex128]]) -> dict[str, Array]:
    """The eigenvalues of each gate as points of the plane, (H, 2): real and imaginary part."""
    return {gate: frozen(np.stack([values.real, values.imag], axis=1)) for gate, values in found.items()}


def largest_singular_value(matrix: Array) -> float:
    """The largest factor by which `matrix` (H, H), float64, lengthens a vector.

    It is the root of the largest eigenvalue of WᵀW, which takes a third of the time of a singular value decomposition
    with 1,000 units, and is as exact for the largest one.
    """
    scale = float(np.abs(matrix).max(initial=0.0)) or 1.0
    scaled = matrix / scale  # its squares cannot overflow
    return scale * math.sqrt(max(float(np.linalg.eigvalsh(scaled.T @ scaled)[-1]), 0.0))


def spectral_radius(matrix: Array) -> float:
    """The largest absolute eigenvalue of `matrix` (H, H), float64, to some 9 digits.

    Gelfand's formula: ρ = lim ‖Wᵏ‖^(1/k). Each squaring doubles k and halves the error of ln ρ. These
    few products are faster than computing all eigenvalues of a small matrix.
    """
    log_radius = math.inf
    log_norm = 0.0  # ln ‖Wᵏ‖; `power` is Wᵏ up to a factor
    power = matrix
    for squaring in range(SQUARINGS):
        norm = float(np.linalg.norm(power))
        if norm == 0:
            return 0.0
        log_norm = 2 * log_norm + math.log(norm) if squaring else math.log(norm)
        estimate = math.ldexp(log_norm, -squaring)
        if abs(estimate - log_radius) < TOLERANCE:
            break
        log_radius = estimate
        power = power / norm
        power = power @ power
    return math.exp(estimate)
