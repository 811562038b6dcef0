"""What each prediction over a prompt depends on: C(t, s, k) = ‖∂z_k(s)/∂x_t‖₂ for all t ≤ s.

z_k(s) is the logit of character k after step s, and x_t the one-hot input of step t; if the network has an embedding,
the derivative goes through it. The initial state is zero. The gradient goes back to the first step, through h and c.
After Madsen 2019, "Visualizing memorization in RNNs", whose published code squares the norm.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.arrays import Array, Codes, frozen
from engine.network.model import Model
from engine.network.numerics import softmax
from engine.probes.occlusion import agreement, occlusion_in_pieces
from engine.probes.pieces import Pieces, at_once
from engine.probes.positions import sweep_positions
from engine.probes.results import Candidate, Connectivity, ConnectivityMode
from engine.text.vocabulary import Vocabulary

CANDIDATES = 5  # characters
MOST_PROBABLE = -1  # a target that stands for the most probable character
# Back-propagation is linear in the loss. Most gradients shrink on the way back, so the loss is multiplied by 2¹⁰⁰: then
# they use nearly all of float32's range. A scaled value that is below FAINT all the same has lost some or all digits.
SCALE = 100  # as a power of 2
FAINT = 1e-30


def connectivity(
    model: Model, codes: Codes, targets: Codes, mode: ConnectivityMode = "logit"
) -> tuple[Array, Codes, Array]:
    """C (S, S), indexed [s, t] and zero for t > s; the targets (S,); and the probabilities (V, S) after each step.

    `codes` (S,) is the prompt. `targets` (S,) has, for each step, the character k that is asked about, or
    `MOST_PROBABLE`. The mode *logit* gives C itself, *squared* gives C², and *loss* gives ‖∂ℓ/∂x_t‖₂, where ℓ is
    the cross-entropy of k after step s. If the range of float32 is too small, all is computed again in float64.
    """
    work = model.workspace(len(codes), 1, train=False)
    probabilities = softmax(model.forward(work, codes[:, None]))
    targets = np.where(targets == MOST_PROBABLE, probabilities.argmax(axis=0), targets)
    d_outputs = model.head_weight[targets]
    if mode == "loss":
        d_logits, positions = probabilities.copy(), np.arange(len(codes))
        d_logits[targets, positions] = 0
        d_logits[targets, positions] = -d_logits.sum(axis=0)  # p − 1, which has no digits left where p is nearly 1
        d_outputs = np.dot(d_logits.T, model.head_weight)
    norm_of, scaled = input_norm(model), np.zeros((len(codes), len(codes)))

    def watch(t: int, positions: slice, d_states: tuple[Array, ...], delta: Array) -> None:
        scaled[positions, t] = norm_of(delta)

    with np.errstate(over="ignore", invalid="ignore"):
        sweep_positions(model, work, np.ldexp(d_outputs, SCALE), 0, watch)
    reached = scaled[np.tri(len(codes), dtype=bool)]
    if model.parameters.flat.dtype != np.float64 and not ((reached > FAINT) & (reached < np.inf)).all():
        return connectivity(model.in_double(), codes, targets, mode)
    matrix = np.ldexp(scaled, -SCALE)
    return matrix**2 if mode == "squared" else matrix, targets, probabilities


def input_factor(model: Model) -> Array:
    """A small matrix F (G·H, K) with ‖δᵀ F‖₂ = ‖∂ℓ/∂x‖₂, where x is the one-hot input of layer 0.

    δ (G·H,) is the part of δ for the input. ∂ℓ/∂x = E W_ihᵀ δ with the embedding E (V, D). E = Q R, where the columns
    of Q are orthonormal, so that Q does not change the norm; therefore F = (R W_ihᵀ)ᵀ. K is the least of V, D and G·H.
    """
    layer = model.layers[0]
    factor = layer.weight_ih.reshape(-1, layer.weight_ih.shape[-1]).T
    if not model.architecture.onehot:
        factor = np.dot(np.asarray(np.linalg.qr(model.parameters["embedding.weight"], mode="r")), factor)
    if factor.shape[0] > factor.shape[1]:
        factor = np.asarray(np.linalg.qr(factor, mode="r"))
    return np.ascontiguousarray(factor.T, layer.dtype)


def input_norm(model: Model) -> Callable[[Array], Array]:
    """A function from δ_t of layer 0, (S, rows), to ‖∂ℓ/∂x_t‖₂ in float64, (S,), where x_t is the one-hot input."""
    factor, rows = input_factor(model), model.layers[0].input_rows

    def norm_of(delta: Array) -> Array:
        d_input = np.dot(delta[:, rows], factor).astype(np.float64)
        return np.asarray(np.sqrt(np.einsum("sk,sk->s", d_input, d_input)))

    return norm_of


def weighted_distance(row: Array) -> float:
    """Mean distance s − t in characters, weighted by C(t, s): `row` (s + 1,). 0 if all weights are 0."""
    total = float(row.sum())
    distances = np.arange(len(row) - 1, -1, -1)
    return float(row @ distances) / total if total else 0.0


def explain_in_pieces(
    model: Model,
    vocabulary: Vocabulary,
    prompt: str,
    *,
    position: int = -1,
    mode: ConnectivityMode = "logit",
    candidate: str = "",
    replacements: Codes | None = None,
    step: int = 0,
) -> Pieces[Connectivity]:
    """Connectivity of `prompt` at all its positions; characters that the vocabulary does not have are skipped.

    `position` is an index into the characters that are left; −1 is the last one. At this position `candidate`, if it is
    one known character, is asked about instead of the actual or most probable next one. With the codes `replacements`
    (R,), occlusion checks the result there; that takes longest, and there are pauses in it. `step` is copied into the
    result.
    """
    codes, skipped = vocabulary.encode(prompt)
    if not len(codes):
        nothing = frozen(np.zeros((0, 0)))
        return Connectivity(step, "", skipped, mode, nothing, (), (), (), 0.0)
    focus = len(codes) - 1 if position < 0 else min(position, len(codes) - 1)
    asked = np.append(codes[1:], MOST_PROBABLE)
    kinds = ["actual"] * (len(codes) - 1) + ["probable"]
    picked = vocabulary.encode(candidate)[0]
    if len(picked) == 1:
        asked[focus], kinds[focus] = picked[0], "picked"
    matrix, targets, probabilities = connectivity(model, codes, asked, mode)
    changes = correlation = None
    if replacements is not None:
        changes, least = yield from occlusion_in_pieces(
            model, codes, focus, int(targets[focus]), replacements, of_loss=mode == "loss"
        )
        gradient = np.sqrt(matrix[focus]) if mode == "squared" else matrix[focus]
        correlation = agreement(gradient[: focus + 1], changes[: focus + 1], least)
        changes = frozen(changes)
    return Connectivity(
        step=step,
        prompt=vocabulary.decode(codes),
        skipped=skipped,
        mode=mode,
        matrix=frozen(matrix),
        targets=tuple(vocabulary.characters[k] for k in targets),
        target_kind=tuple(kinds),
        candidates=most_probable(probabilities, vocabulary),
        reach=weighted_distance(matrix[-1]),
        focus=focus,
        occlusion=changes,
        rank_correlation=correlation,
    )


explain = at_once(explain_in_pieces)


def most_probable(probabilities: Array, vocabulary: Vocabulary) -> tuple[tuple[Candidate, ...], ...]:
    """For every column of `probabilities` (V, S) the five most probable characters, or all V, most probable first."""
    places = np.argsort(-probabilities, axis=0, kind="stable")[:CANDIDATES]
    shares = np.take_along_axis(probabilities, places, axis=0)
    return tuple(
        tuple(Candidate(vocabulary.characters[k], p) for k, p in zip(*column, strict=True))
        for column in zip(places.T.tolist(), shares.T.tolist(), strict=True)
    )
