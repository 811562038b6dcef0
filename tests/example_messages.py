"""One of every message there is, with odd values in it, and what it means that two are equal."""

import dataclasses
import math

import numpy as np

from engine.arrays import Array, Integers
from engine.config import Config
from engine.remote import codec
from engine.session.messages import (
    Answers,
    Candidate,
    Cells,
    Clamp,
    Command,
    Connectivity,
    Context,
    Contexts,
    Eigenvalues,
    Equation,
    Event,
    Exponents,
    Failed,
    Feature,
    FixedPoint,
    GradientFlow,
    Held,
    History,
    Inside,
    InsideQuestion,
    Ladder,
    MarkMoment,
    Notice,
    Pause,
    Plateau,
    Portrait,
    Resume,
    RollBack,
    Rung,
    RunInfo,
    Sample,
    SampleAgain,
    SampleFinished,
    SamplingSettings,
    Saturation,
    Save,
    Saved,
    ScaleLearningRate,
    SetSampling,
    SetView,
    ShiftSampling,
    Snapshot,
    StateChanged,
    StepOnce,
    Stop,
    View,
    Where,
)

ODD_TEXT = "naïve 狐 🦊 \x00\x1b[31m\r\n\ud800 \udfff\u2028"
FLOATS = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1e-320, 3.5])
INTEGERS = np.array([0, -1, 2**62])


def history(steps: Integers, values: Array) -> History:
    """Curves whose points are all at `steps`, and all that is measured there is `values`."""
    return History(
        step=steps,
        epoch=values,
        seconds=values,
        loss=values,
        smoothed=values,
        val_step=steps,
        val_epoch=values,
        val_seconds=values,
        val_loss=values,
        reach_step=steps,
        reach=values,
        reach_se=values,
        lambda1_step=steps,
        lambda1=values,
    )


HISTORY = history(INTEGERS, FLOATS)
NO_HISTORY = history(np.zeros(0, np.int64), np.zeros(0))
SAMPLE = Sample(
    10, 1.5, 0.8, ODD_TEXT, np.linspace(0, 1, len(ODD_TEXT), dtype=np.float32), True, 0.5, True, 3, ODD_TEXT
)
FLOW = GradientFlow(
    step=11,
    view="triangle",
    layer=1,
    state="c",
    edges=np.array([-np.inf, -1.0, 0.0, 1.0, np.inf]),
    counts=np.arange(8, dtype=np.int32).reshape(2, 4),
    norms=np.array([1e-300, np.inf]),
    triangle=np.tril(np.ones((2, 2))),
    sigma={"r": 1.5, "n": math.nan},
    rho={"r": math.inf},
    window_norms=np.array([[1e-300, 0.0], [np.inf, 2.0]]),
)
CONNECTIVITY = Connectivity(
    step=12,
    prompt=ODD_TEXT,
    skipped="\ud83e",
    mode="loss",
    matrix=np.eye(3, dtype=np.float32),
    targets=("a", "\n", "\udc00"),
    target_kind=("actual", "actual", "picked"),
    candidates=((Candidate("a", 0.5), Candidate("b", math.nan)), (), (Candidate("狐", 1.0),)),
    reach=2.5,
    focus=2,
    occlusion=np.zeros(3),
    rank_correlation=-1.0,
)
CELLS = Cells(
    step=13,
    text=ODD_TEXT,
    layer=0,
    kind="h",
    values=np.asfortranarray(np.arange(6, dtype=np.float16).reshape(2, 3)),
    order=np.array([1, 0], dtype=np.uint8),
    score=np.array([0.25, -0.25]),
    best=(Feature("bracket depth", 1, 0.99, 0.1), Feature("upper case", None, 0.05, 0.1)),
    saturation={"z": (0.1, 0.9)},
    depth_accuracy=0.5,
    depth_untrained=0.4,
    depth_majority=math.nan,
    clamped=((1, -0.5),),
    clamp_effect=math.inf,
)
INSIDE = Inside(
    step=14,
    codes=np.array([3, 0, 2]),
    position=1,
    layer=0,
    cell="lstm",
    forward=(Equation(("a_i", "a_f"), "np.split(a, 2)", "(B, H) each"), Equation(("h",), "o * np.tanh(c)")),
    backward=(),
    values={"h": np.array([0.5, math.nan]), "step.c": np.zeros(2)},
    probabilities=np.array([0.25, 0.5, 0.125, 0.125]),
    target=-1,
    loss=math.nan,
    own=np.array([1e-300, -0.0]),
    later=({"i": np.ones(2), "straight": -np.ones(2)}, {}),
    losses=2,
    last_only=False,
    share=1 / 3,
    carried=True,
    source="window",
    sequence=2,
)
CONTEXTS = Contexts(
    step=15,
    layer=0,
    kind="c",
    unit=1,
    highest=(Context(ODD_TEXT, 2, np.zeros(len(ODD_TEXT), np.float32)),),
    lowest=(),
    feature="/[a-z]+\ud800",
    features=("bracket depth",),
    correlation=np.array([0.5, math.nan]),
    order=np.array([1, 0]),
    chance=0.125,
    inside=3,
    measured=100,
    waiting=True,
    error="unterminated character set",
)
PORTRAIT = Portrait(
    step=16,
    layer=0,
    points=np.zeros((3, 2), np.float32),
    shares=(0.5, math.nan),
    feature="kind of character",
    features=("kind of character", "upper case"),
    classes=("no", "yes"),
    labels=np.array([0, 1, 1], np.uint8),
    prompt=ODD_TEXT,
    path=np.ones((2, 2), np.float32),
    constant="\udc00",
    constants=("\udc00", "\n"),
    fixed=(FixedPoint(0.5, -0.5, 1e-30, 1.5, "repeller"), FixedPoint(math.inf, 0.0, 0.0, 0.5, "stable")),
    starts=64,
    tried=64,
    arrived=9,
)
EIGENVALUES = Eigenvalues(15, 1, {"r": np.array([[0.5, -0.25], [math.nan, 0.0]]), "n": np.zeros((0, 2))})
EXPONENTS = Exponents(16, np.array([0.1, -math.inf]), 4, 400)
SATURATION = Saturation(17, 0, 4800, {"z": np.array([0.0, 1.0])}, {"z": np.array([0.5, 0.0])})
WHERE = Where(
    step=18,
    classes=("blank", ODD_TEXT),
    characters=7,
    share=np.array([1.0, 0.0]),
    loss_share=np.array([1.0, math.nan]),
    losses=np.array([2.5, math.nan]),
    counting=np.array([math.inf, math.nan]),
    n=8,
    before=np.array([3.5, math.nan], np.float32),
    before_step=10,
)
SNAPSHOT = Snapshot(
    FLOW, CONNECTIVITY, CELLS, state="training", reason="", step=5, steps=None, epoch=0.5, loss=math.nan,
    val_loss=None, best_val_loss=None, lr=1e-3, chars_per_second=1e5, seconds=9.5, history=HISTORY,
    warning="disk full", sample=SAMPLE, sampling=SamplingSettings(prompt=ODD_TEXT), obeyed=7,
    val_loss_se=math.nan, regret=-0.5, regret_se=0.25, ladder=Ladder((Rung(1, 2.5), Rung(2, math.inf)), 540_000),
    inside=INSIDE, contexts=CONTEXTS, portrait=PORTRAIT, eigenvalues=EIGENVALUES, exponents=EXPONENTS,
    saturation=SATURATION, where=WHERE, held=(Held(1, 7, -0.5), Held(0, 0, math.inf)), moments=(0, 2**40), moment=2**40,
    now=Answers(dataclasses.replace(FLOW, view="single", counts=np.zeros((0, 4), int), triangle=None, sigma={}),
            None, CELLS),
)  # fmt: skip
EVENTS: list[Event] = [
    Saved(1, "runs/x/model.safetensors", "interval"),
    SampleFinished(SAMPLE),
    StateChanged("diverged", 3, "the loss is NaN"),
    Failed(4, "ValueError: \ud800", "log.txt"),
    Notice(ODD_TEXT, "warning"),
    Plateau(9_000, 5, 1.5),
]
COMMANDS: list[Command] = [
    Pause(),
    Resume(),
    StepOnce(),
    ScaleLearningRate(0.8),
    SetSampling(0.5, 3, 0.9, ODD_TEXT, 100),
    SetSampling(prompt=""),
    ShiftSampling(-0.1, 1, -1),
    SetView(View(prompt=ODD_TEXT, position=-1, mode="squared", visible=(), moment=5, beside_now=True)),
    SetView(View()),
    SetView(View(inside=InsideQuestion("window", 2, 5, 1))),
    SetView(View(cells_unit=3, cells_feature="/a|b", portrait_feature=ODD_TEXT, portrait_constant="\ud800")),
    Clamp(0, 5, None),
    Clamp(1, 7, -0.5),
    RollBack(0.1),
    SampleAgain(),
    MarkMoment(),
    Save(),
    Stop(False),
]
REPORTS: list[object] = [
    RunInfo(
        "brisk-otter", "/runs/\udcff", Config(steps=10).to_json(), ("a", "\n", "狐", "\ud800"), "saltmere",
        600_000, 1000, 2, 60_000, 51_200, 0.4869, True,
    ),
    RunInfo("", "", {}, (), "", 0, 0, 1),
    SNAPSHOT,
    Snapshot(
        state="crashed", reason=ODD_TEXT, step=0, steps=2**62, epoch=0, loss=0, val_loss=0, best_val_loss=0, lr=0,
        chars_per_second=0, seconds=0, history=NO_HISTORY,
    ),
    *EVENTS,
]  # fmt: skip
MESSAGES: list[object] = [*REPORTS, *COMMANDS, codec.Hello(), codec.Take()]


def is_equal(one: object, other: object) -> bool:
    """Equality of value and type, in which NaN equals itself; where a float belongs, an integer comes back as one."""
    if type(one) is int and type(other) is float:
        return one == other
    if type(one) is not type(other):
        return False
    if dataclasses.is_dataclass(one):
        return all(is_equal(getattr(one, each.name), getattr(other, each.name)) for each in dataclasses.fields(one))
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(is_equal(one[key], other[key]) for key in one)
    if isinstance(one, (tuple, list)) and isinstance(other, (tuple, list)):
        return len(one) == len(other) and all(map(is_equal, one, other))
    return one == other or (isinstance(one, float) and isinstance(other, float) and math.isnan(one + other))
