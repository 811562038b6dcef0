"""The answers of the probes as plain arrays and values: samples, gradient flow, connectivity, cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from engine.arrays import Array, Codes, Integers

GradientView = Literal["single", "training", "triangle"]
ConnectivityMode = Literal["logit", "squared", "loss"]
Source = Literal["prompt", "window", "held-out"]
Stability = Literal["stable", "saddle", "repeller"]  # of a fixed point


@dataclass(frozen=True, slots=True)
class Sample:
    """Generated text of N characters. The model may go on training while it writes them."""

    step: int  # training step at the first character
    val_loss: float | None  # the last one measured before it, nats per character
    temperature: float
    text: str
    probability: Array  # (N,): the network's own probability of each character, before temperature and cuts, 0 … 1
    complete: bool = False
    word_share: float | None = None  # share of its words that occur in the training text
    repeats: bool = False  # whether more than half of it repeats earlier parts of it
    illegal: int | None = None  # illegal characters; only if the network learns the brackets language
    prompt: str = ""  # what the model read first; not part of `text`
    last_step: int | None = None  # training step at the last character; None if it is `step`
    held: int = 0  # units that were held fixed while it was written


@dataclass(frozen=True, slots=True)
class GradientFlow:
    """The gradient G_t = ∂ℓ/∂h_t, or ∂ℓ/∂c_t, at each time step t of one layer, t = 0 first.

    `engine.probes.gradient_flow` says which loss ℓ is in each view.
    """

    step: int
    view: GradientView
    layer: int
    state: Literal["h", "c"]
    edges: Array  # (bins + 1,) edges of the bins; the first is −inf, the last inf
    counts: Integers  # (T, bins), histograms of G_t; every row sums to B·H
    norms: Array  # (T,): ‖G_t‖ over all B windows together (float64)
    triangle: Array | None = None  # (T, T): [s, t] = ‖∂ℓ_s/∂h_t‖, zero for t > s; view "triangle" only
    sigma: dict[str, float] = field(default_factory=dict)  # largest singular value of each gate's block of W_hh
    rho: dict[str, float] = field(default_factory=dict)  # spectral radius of each gate's block of W_hh
    window_norms: Array | None = None  # (T, B): each window's part of ‖G_t‖; None: not known
    characters: str = ""  # (T,): what the first window reads at each t; empty: not known


@dataclass(frozen=True, slots=True)
class Candidate:
    """A character that may come next, with its probability, 0 … 1."""

    char: str
    probability: float


@dataclass(frozen=True, slots=True)
class Connectivity:
    """What each prediction over a prompt of S characters depends on: C(t, s, k) of `engine.probes.connectivity`."""

    step: int
    prompt: str  # the known characters only
    skipped: str  # the typed characters that the vocabulary does not have
    mode: ConnectivityMode
    matrix: Array  # (S, S): [s, t] is C(t, s, k), not normalised; zero for t > s
    targets: tuple[str, ...]  # (S,) the character k asked about after step s
    target_kind: tuple[str, ...]  # (S,) "actual", "probable" or "picked"
    candidates: tuple[tuple[Candidate, ...], ...]  # (S,) the most probable next characters
    reach: float  # connectivity-weighted mean distance s − t at the last position, characters
    focus: int = -1  # the position that `occlusion` is about
    occlusion: Array | None = None  # (S,): mean |change| of logit or loss if character t is replaced
    rank_correlation: float | None = None  # Spearman, of matrix[focus] and occlusion


@dataclass(frozen=True, slots=True)
class Feature:
    """How well the best unit follows a named feature of the text: their correlation, over held-out text."""

    name: str
    unit: int | None  # None if chance explains the correlation
    correlation: float
    chance: float = 0.0  # |r| that the best of all units exceeds by chance in 5% of cases


@dataclass(frozen=True, slots=True)
class Cells:
    """Activations of the H units of one layer over a text of S characters."""

    step: int
    text: str
    layer: int
    kind: str  # "h", "c" or a gate's name
    values: Array  # (H, S)
    order: Integers  # (H,) the units in the order that was asked for
    score: Array  # (H,) what they are sorted by; entry i is that of unit i
    best: tuple[Feature, ...] = ()  # for each named feature the unit that follows it best
    saturation: dict[str, tuple[float, float]] = field(default_factory=dict)  # gate: share < 0.1, share > 0.9
    depth_accuracy: float | None = None  # linear read-out of the bracket depth from h
    depth_untrained: float | None = None  # the same from an untrained network of this shape
    depth_majority: float | None = None  # of always naming the depth that is the most frequent one
    clamped: tuple[tuple[int, float], ...] = ()  # (unit, value) pairs held fixed
    clamp_effect: float | None = None  # change of the validation loss by all held units, nats; NaN: not known yet
    known_step: int | None = None  # step of best, saturation, depth_accuracy and score; None: the same as `step`


@dataclass(frozen=True, slots=True)
class Context:
    """A place in a text at which a unit is high or low, and what stands around it."""

    text: str
    mark: int  # the place, as an index into `text`
    values: Array  # (len(text),) of the unit after each character


@dataclass(frozen=True, slots=True)
class Contexts:
    """Which of the H units of a layer follow a feature of the held-out text, and the contexts of one of them."""

    step: int
    layer: int
    kind: str  # "h", "c" or a gate's name
    unit: int
    highest: tuple[Context, ...]  # the place with the highest value first
    lowest: tuple[Context, ...]  # the place with the lowest value first
    feature: str  # a name, or / and a regular expression
    features: tuple[str, ...]  # the names that could be asked for
    correlation: Array  # (H,): Pearson's r of the feature with each unit; 0 while a regular expression is searched
    order: Integers  # (H,): the units, those with the largest |r| first
    chance: float  # |r| that the best of all units exceeds by chance in 5% of cases
    inside: int  # characters, of `measured`, at which the feature is not 0
    measured: int
    waiting: bool = False  # a regular expression is still being searched
    error: str = ""  # what is wrong with it


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """A state that stays as it is while one character is read again and again, in the plane of a `Portrait`."""

    x: float
    y: float
    q: float  # ½‖F(s) − s‖², less than 1e-12
    largest: float  # absolute eigenvalue of ∂F/∂s
    kind: Stability


@dataclass(frozen=True, slots=True)
class Portrait:
    """The states h_t of the top layer at N characters of held-out text, in the plane of their two main components."""

    step: int
    layer: int
    points: Array  # (N, 2)
    shares: tuple[float, float]  # of the states' variance, along x and along y
    feature: str  # what the classes are of: a name, or / and a regular expression
    features: tuple[str, ...]  # the names that could be asked for
    classes: tuple[str, ...]
    labels: Integers  # (N,): each point's class
    prompt: str  # the known characters that were read, S of them
    path: Array  # (S, 2): the states while they were read
    constant: str  # the character of the fixed points
    constants: tuple[str, ...]  # the characters of the text, most frequent first
    fixed: tuple[FixedPoint, ...] = ()
    starts: int = 0  # states from which fixed points are looked for
    tried: int = 0  # of these
    arrived: int = 0  # of these, those that led to a fixed point
    remark: str = ""  # why no fixed points are looked for, or why the feature is not shown


@dataclass(frozen=True, slots=True)
class Eigenvalues:
    """The H eigenvalues of each gate's block of W_hh in one layer; see `engine.probes.spectrum`."""

    step: int
    layer: int
    gates: dict[str, Array]  # (H, 2): real and imaginary part, the largest absolute one first; empty without W_hh


@dataclass(frozen=True, slots=True)
class Exponents:
    """The K largest Lyapunov exponents of the whole state along held-out text; see `engine.probes.lyapunov`."""

    step: int
    values: Array  # (K,), nats per character, the largest first; empty for a cell without plain equations
    states: int  # numbers in the whole state: there are as many exponents
    characters: int  # over which they are the mean


@dataclass(frozen=True, slots=True)
class Saturation:
    """How often each unit of a layer's gates is shut and how often it is open; see `engine.probes.gates`."""

    step: int
    layer: int
    characters: int  # of held-out text, over which the shares are
    shut: dict[str, Array]  # (H,): for each gate that is a sigmoid, the share of each unit's values below 0.1
    open: dict[str, Array]  # (H,): above 0.9


@dataclass(frozen=True, slots=True)
class Equation:
    """A line of the plain cell that assigns `names`; `code` is what stands right of the equals sign."""

    names: tuple[str, ...]
    code: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Inside:
    """One time step t of one layer, for a single sequence; ℓ is the loss that is given to `inside`.

    `values` has a number for each of the layer's H units under each name that the equations use or assign: `a_z`,
    `step.z`, `d_h`, … A name that stands for the numbers of all gates is there gate by gate: `from_input.f`.
    """

    step: int  # of the training, after which the network had these weights
    codes: Codes  # (T,) the characters read
    position: int  # t
    layer: int
    cell: str
    forward: tuple[Equation, ...]
    backward: tuple[Equation, ...]
    values: dict[str, Array]  # (H,) each, float64
    probabilities: Array  # (V,) of the character after step t
    target: int  # the code of the character that comes after step t; −1 if none was given
    loss: float  # of step t alone, in nats; NaN without a target
    own: Array  # (H,): the part of ∂ℓ/∂h_t that comes from step t itself, through the head or the layer above
    later: tuple[dict[str, Array], ...]  # for each state, h or h and c: what comes from step t + 1, path by path
    losses: int  # the number of this sequence's steps whose loss is in ℓ; 1 if it has only the last one
    last_only: bool  # ℓ has the last step's loss and no other
    share: float  # ℓ is the mean of those losses times this: 1/B for a sequence of a batch of B
    carried: bool  # the sequence begins with the state that other text has left, not with zero
    source: Source = "prompt"  # a typed prompt, a sequence of the window that is trained next, or held-out text
    sequence: int = 0  # of the window, 0 … B − 1

    @property
    def hidden_size(self) -> int:
        """H."""
        return len(self.own)


@dataclass(frozen=True, slots=True)
class Where:
    """Where the loss is: the losses on N held-out characters, by the K classes of `engine.text.classes`.

    Losses are in nats per character. A class that has no character has shares of 0 and losses of NaN.
    """

    step: int
    classes: tuple[str, ...]  # (K,) their names
    characters: int  # N
    share: Array  # (K,): of the characters; they add up to 1
    loss_share: Array  # (K,): of the network's total loss; they add up to 1
    losses: Array  # (K,): the network's mean loss on the characters of each class
    counting: Array  # (K,): the mean loss of the best counting model on the same characters
    n: int  # that model counts n-grams
    before: Array | None = None  # (K,): the network's mean losses at an earlier moment; None: there is none, or not yet
    before_step: int = 0  # the step of that moment

    @property
    def loss(self) -> float:
        """The network's mean loss on all characters."""
        return _weighted(self.share, self.losses)

    @property
    def counting_loss(self) -> float:
        """The counting model's mean loss on all characters."""
        return _weighted(self.share, self.counting)


def _weighted(share: Array, losses: Array) -> float:
    return float(sum(part * loss for part, loss in zip(share, losses, strict=True) if part))
