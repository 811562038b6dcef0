"""What each prediction over a prompt rests on: C(t, s, k) = ‖∂z_k(s)/∂x_t‖₂ for all t ≤ s.

z_k(s) is the logit of character k after step s, x_t the full one-hot input, through the embedding
where there is one; from a zero initial state, not truncated, through h and c. After Madsen 2019,
"Visualizing memorization in RNNs", whose published code squares the norm.
"""

from __future__ import annotations

import numpy as np

from engine.arrays import Array, Codes, frozen
from engine.network.model import Model
from engine.network.numerics import softmax
from engine.probes.occlusion import occlusion, spearman
from engine.probes.positions import sweep_positions
from engine.probes.results import Candidate, Connectivity, ConnectivityMode
from engine.text.vocabulary import Vocabulary

CANDIDATES = 5  # characters
MOST_PROBABLE = -1  # as a target: the character that the model expects
# Back-propagation is linear in the loss. One that is 2¹⁰⁰ times as large lets the gradient, which mostly shrinks, use
# nearly all of float32's range. A value that comes below FAINT all the same has lost digits, or all of them.
SCALE = 100  # as a power of 2
FAINT = 1e-30


def connectivity(
    model: Model, codes: Codes, targets: Codes, mode: ConnectivityMode = "logit"
) -> tuple[Array, Codes, Array]:
    """C as (S, S) [s, t], zero for t > s, with the targets (S,) and the probabilities (V, S) after each step.

    `codes` (S,) is the prompt, `targets` (S,) the character k that is asked about after each step, or
    `MOST_PROBABLE`. Modes: *logit*, C itself; *squared*, C²; *loss*, ‖∂ℓ/∂x_t‖ with ℓ the
    cross-entropy of k at s. Where the range of float32 is too small, all is computed again in float64.
    """
    work = model.workspace(len(codes), 1, train=False)
    probabilities = softmax(model.forward(work, codes[:, None]))
    targets = np.where(targets == MOST_PROBABLE, probabilities.argmax(axis=0), targets)
    d_outputs = model.head_weight[targets]
    if mode == "loss":
        d_outputs = np.dot(probabilities.T, model.head_weight) - d_outputs
    factor = input_factor(model)
    rows = model.layers[0].input_rows
    scaled = np.zeros((len(codes), len(codes)))

    def watch(t: int, positions: slice, d_states: tuple[Array, ...], delta: Array) -> None:
        d_input = np.dot(delta[:, rows], factor).astype(np.float64)
        scaled[positions, t] = np.sqrt(np.einsum("sk,sk->s", d_input, d_input))

    with np.errstate(over="ignore", invalid="ignore"):
        sweep_positions(model, work, np.ldexp(d_outputs, SCALE), 0, watch)
    reached = scaled[np.tri(len(codes), dtype=bool)]
    if model.parameters.flat.dtype != np.float64 and not ((reached > FAINT) & (reached < np.inf)).all():
        return connectivity(model.in_double(), codes, targets, mode)
    matrix = np.ldexp(scaled, -SCALE)
    return matrix**2 if mode == "squared" else matrix, targets, probabilities


def input_factor(model: Model) -> Array:
    """F (rows of δ for the input, K) with ‖δᵀ F‖₂ = ‖∂ℓ/∂x‖₂, x the one-hot input of layer 0.

    ∂ℓ/∂x = E W_ihᵀ δ, and E = Q R where the columns of Q are orthonormal and leave the norm as it is, so
    F = (R W_ihᵀ)ᵀ. K is the least of V, the width of the embedding and the rows of δ.
    """
    layer = model.layers[0]
    factor = layer.weight_ih.reshape(-1, layer.weight_ih.shape[-1]).T
    if not model.architecture.onehot:
        factor = np.dot(np.asarray(np.linalg.qr(model.parameters["embedding.weight"], mode="r")), factor)
    if factor.shape[0] > factor.shape[1]:
        factor = np.asarray(np.linalg.qr(factor, mode="r"))
    return np.ascontiguousarray(factor.T, layer.dtype)


def weighted_distance(row: Array) -> float:
    """Mean distance s − t in characters, weighted by C(t, s), `row` (s + 1,); 0 where all weights are 0."""
    total = float(row.sum())
    distances = np.arange(len(row) - 1, -1, -1)
    return float(row @ distances) / total if total else 0.0


def explain(
    model: Model,
    vocabulary: Vocabulary,
    prompt: str,
    *,
    position: int = -1,
    mode: ConnectivityMode = "logit",
    candidate: str = "",
    replacements: Codes | None = None,
    step: int = 0,
) -> Connectivity:
    """Connectivity of `prompt` at all its positions; characters that the vocabulary does not have are skipped.

    `position` is an index into the characters that are left, −1 the last one. There `candidate` asks about that
    character instead of the actual or most probable one, and `replacements` (R,) checks the result by occlusion.
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
        changes = frozen(occlusion(model, codes, focus, int(targets[focus]), replacements))
        correlation = spearman(matrix[focus, : focus + 1], changes[: focus + 1])
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


def most_probable(probabilities: Array, vocabulary: Vocabulary) -> tuple[tuple[Candidate, ...], ...]:
    """The five most probable characters of every column of (V, S), the first one first."""
    places = np.argsort(-probabilities, axis=0, kind="stable")[:CANDIDATES]
    shares = np.take_along_axis(probabilities, places, axis=0)
    return tuple(
        tuple(Candidate(vocabulary.characters[k], p) for k, p in zip(*column, strict=True))
        for column in zip(places.T.tolist(), shares.T.tolist(), strict=True)
    )
