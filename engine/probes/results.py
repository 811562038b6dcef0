"""What the instruments answer: samples, gradients, connectivity, cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from engine.arrays import Array, Integers

GradientView = Literal["single", "training", "triangle"]
ConnectivityMode = Literal["logit", "squared", "loss"]


@dataclass(frozen=True, slots=True)
class Sample:
    """Generated text. `probability[i]` is the model's own for character i, at the sampling settings.

    The model goes on learning while it writes: `step` is that of the first character, `last_step` that of the last.
    """

    step: int
    val_loss: float | None
    temperature: float
    text: str
    probability: Array
    complete: bool = False
    word_share: float | None = None  # share of its words that occur in the training text
    repeats: bool = False  # it goes round in a loop
    illegal: int | None = None  # illegal brackets, on the brackets language only
    prompt: str = ""  # what it was primed with; not part of `text`
    last_step: int | None = None  # None: the same as `step`
    held: int = 0  # units that were held fixed while it was written


@dataclass(frozen=True, slots=True)
class GradientFlow:
    """The back-propagated gradient at every time step of one layer, t = 0 first (design: gradient flow)."""

    step: int
    view: GradientView
    layer: int
    state: Literal["h", "c"]
    edges: Array  # bins + 1 edges; the outermost two are -inf and inf: the overflow bins
    counts: Integers  # (T, bins); every row sums to B·H
    norms: Array  # (T,): ‖G_t‖ (float64)
    triangle: Array | None = None  # (T, T): [s, t] = ‖∂ℓ_s/∂h_t‖, zero for t > s; view "triangle" only
    sigma: dict[str, float] = field(default_factory=dict)  # largest singular value of each gate's block of W_hh
    rho: dict[str, float] = field(default_factory=dict)  # its spectral radius


@dataclass(frozen=True, slots=True)
class Candidate:
    char: str
    probability: float


@dataclass(frozen=True, slots=True)
class Connectivity:
    """What each prediction over a prompt rests on (design: connectivity). S characters in `prompt`."""

    step: int
    prompt: str  # the known characters only
    skipped: str  # characters of what was typed that the vocabulary does not have
    mode: ConnectivityMode
    matrix: Array  # (S, S): [s, t] = C(t, s, k), not normalised; zero for t > s
    targets: tuple[str, ...]  # (S,) the character k asked about after step s
    target_kind: tuple[str, ...]  # (S,) "actual", "probable" or "picked"
    candidates: tuple[tuple[Candidate, ...], ...]  # (S,) the most probable next characters
    reach: float  # connectivity-weighted mean distance s - t at the last position
    focus: int = -1  # the position that `occlusion` is about
    occlusion: Array | None = None  # (S,): mean |change of the logit| when character t is replaced
    rank_correlation: float | None = None  # Spearman, of matrix[focus] and occlusion


@dataclass(frozen=True, slots=True)
class Feature:
    """How well a unit follows a named feature of the text: their correlation, over held-out text."""

    name: str
    unit: int
    correlation: float


@dataclass(frozen=True, slots=True)
class Cells:
    """Activations of one layer over a text of S characters."""

    step: int
    text: str
    layer: int
    kind: str  # "h", "c" or a gate's name
    values: Array  # (H, S)
    order: Integers  # (H,) units, as the viewer asked to have them sorted
    score: Array  # (H,) what they are sorted by, by unit (not by place)
    best: tuple[Feature, ...] = ()  # for each named feature the unit that follows it best
    saturation: dict[str, tuple[float, float]] = field(default_factory=dict)  # gate: share < 0.1, share > 0.9
    depth_accuracy: float | None = None  # linear read-out of the bracket depth from h
    clamped: tuple[tuple[int, float], ...] = ()  # (unit, value) pairs held fixed
    clamp_effect: float | None = None  # what all held units together do to the validation loss, nats; nan: unknown
    known_step: int | None = None  # that best, saturation, depth_accuracy and score are of; None: the same as `step`
