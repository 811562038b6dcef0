"""Every setting of a run: one frozen dataclass, checked once, the same in a form, a file and on the command line."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from engine.errors import UserError

if TYPE_CHECKING:
    from engine.network.parameters import Architecture

Cell = Literal["rnn", "gru", "lstm"]
Input = Literal["embedding", "onehot"]
Loss = Literal["every", "last"]
Optimizer = Literal["sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw"]

CHOICES: dict[str, tuple[str, ...]] = {
    "cell": get_args(Cell),
    "input": get_args(Input),
    "loss": get_args(Loss),
    "optimizer": get_args(Optimizer),
}

# Below: the smallest value a whole-number setting may have.
AT_LEAST = {"layers": 1, "hidden": 1, "embedding": 1, "batch": 1, "seq": 1, "threads": 0, "workers": 0, "seed": 0}
AT_MOST = 10**15  # so that what is computed from them is still a number


class ConfigError(UserError):
    """Settings that cannot be used. `problems` maps a field's name to one sentence."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__("; ".join(f"--{name}: {text}" for name, text in self.problems.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The settings of one run. Field names are the command line's option names.

    `seq` is T, the time steps of one window of truncated back-propagation; `batch` is B;
    `hidden` is H; `embedding` is D. `threads` (of the BLAS) and `workers`
    (processes that share the batch, on x86 processors and without dropout) 0 mean "measure and choose".
    `schedule` is written `constant`, `step:EVERY:FACTOR`, `cosine:STEPS`, each optionally
    after `warmup:STEPS,`. `clip` is `none`, `norm:MAX` (or a bare number) or `value:MAX`. `init` is `uniform`
    (PyTorch's) or `normal:STD` with zero biases, the way the earliest NumPy networks began.
    """

    text: tuple[str, ...] = ("saltmere",)
    encoding: str = "utf-8"
    cell: Cell = "gru"
    layers: int = 1
    hidden: int = 128
    input: Input = "embedding"
    embedding: int = 64
    loss: Loss = "every"
    batch: int = 32
    seq: int = 50
    dropout: float = 0.0
    init: str = "uniform"
    optimizer: Optimizer = "adam"
    lr: float = 2e-3
    schedule: str = "constant"
    clip: str = "norm:5"
    validation: float = 0.1
    seed: int = 1
    threads: int = 0
    workers: int = 0
    steps: int | None = None

    def __post_init__(self) -> None:
        problems = _problems(self)
        if problems:
            raise ConfigError(problems)

    def replace(self, **changes: Any) -> Config:
        """A copy with some settings changed, checked again."""
        return dataclasses.replace(self, **changes)

    def architecture(self, vocabulary_size: int) -> Architecture:
        """The network that these settings ask for, over `vocabulary_size` characters."""
        from engine.network.parameters import Architecture  # here: it loads NumPy, which `--help` can do without

        return Architecture(
            cell=self.cell,
            vocabulary_size=vocabulary_size,
            hidden_size=self.hidden,
            layers=self.layers,
            embedding_size=self.embedding,
            onehot=self.input == "onehot",
            dropout=self.dropout,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, as `from_mapping` reads them."""
        return {**dataclasses.asdict(self), "text": list(self.text)}


FIELDS = {field.name: field for field in dataclasses.fields(Config)}


def from_mapping(values: Mapping[str, Any], base: Config | None = None) -> Config:
    """A checked `Config` from plain values (of TOML, JSON, a form or the command line).

    Strings are converted to the field's type. Raises `ConfigError` naming every bad field.
    """
    problems: dict[str, str] = {}
    settings: dict[str, Any] = {}
    for name, value in values.items():
        if name not in FIELDS:
            problems[name] = f"there is no such setting; known are {', '.join(FIELDS)}"
            continue
        try:
            settings[name] = _convert(name, value)
        except (ValueError, TypeError):
            wanted = {int: "a whole number", float: "a number"}.get(_kind(name), "a text")
            problems[name] = f"{value!r} is not {wanted}"
    try:
        config = dataclasses.replace(base or Config(), **settings)
    except ConfigError as error:
        raise ConfigError({**error.problems, **problems}) from None
    if problems:
        raise ConfigError(problems)
    return config


def from_toml(path: Path, base: Config | None = None) -> Config:
    """Settings from a TOML file, one `name = value` a line."""
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give --config a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: is not valid TOML ({error}); write one `name = value` a line") from None
    try:
        return from_mapping(values, base)
    except ConfigError as error:
        raise UserError(f"{path}: {error}") from None


def parse_init(text: str) -> float | None:
    """Read `uniform` (None) or `normal:STD` (its standard deviation); `ValueError` says what is wrong."""
    kind, _, std = text.strip().partition(":")
    try:
        if kind == "uniform" and not std:
            return None
        if kind == "normal" and math.isfinite(value := float(std)) and value > 0:
            return value
    except ValueError:
        pass
    raise ValueError(f"{text!r} is none of uniform, normal:STD with STD above 0")


# Settings by which others' experiments are repeated, each over the defaults.
PRESETS: dict[str, dict[str, Any]] = {
    # An RNN in NumPy with the loss on the last step only: its gradients vanish before one's eyes. Adagrad's first
    # steps have full length whatever the gradient; unwarmed, they make W_hh of rank one and saturate every unit.
    "under-the-hood": {
        "cell": "rnn", "hidden": 100, "input": "onehot", "seq": 25, "batch": 1, "loss": "last",
        "init": "normal:0.01", "optimizer": "adagrad", "lr": 0.1, "schedule": "warmup:1000,constant", "clip": "none",
    },
    # A small GRU that learns to count brackets, small enough to read every unit.
    "brackets": {
        "text": ("brackets",), "cell": "gru", "hidden": 15, "embedding": 15, "seq": 10,
        "optimizer": "adam", "lr": 1e-2,
    },
    # Karpathy's char-rnn, as its README trains it.
    "char-rnn": {
        "cell": "lstm", "layers": 2, "hidden": 128, "input": "onehot", "seq": 50, "batch": 50,
        "optimizer": "rmsprop", "lr": 2e-3, "clip": "value:5",
    },
    # Johnson's torch-rnn.
    "torch-rnn": {
        "cell": "lstm", "layers": 2, "hidden": 128, "embedding": 64, "seq": 50, "batch": 50,
        "optimizer": "adam", "lr": 2e-3, "schedule": "step:1000:0.5",
    },
    # Karpathy's min-char-rnn: 112 lines of NumPy, one sequence at a time.
    "min-char-rnn": {
        "cell": "rnn", "hidden": 100, "input": "onehot", "seq": 25, "batch": 1,
        "init": "normal:0.01", "optimizer": "adagrad", "lr": 0.1, "clip": "value:5",
    },
}  # fmt: skip


def _kind(name: str) -> type:
    default = FIELDS[name].default
    return int if name == "steps" else type(default)


def _convert(name: str, value: Any) -> Any:
    if name == "text":
        return (value,) if isinstance(value, str) else tuple(str(item) for item in value)
    if name == "steps" and value in (None, ""):
        return None
    kind = _kind(name)
    if isinstance(value, bool) or (kind is not str and isinstance(value, (list, dict))):
        raise TypeError
    if kind is int and isinstance(value, float) and not value.is_integer():
        raise ValueError
    return kind(value)


def _problems(config: Config) -> dict[str, str]:
    problems: dict[str, str] = {}
    if not config.text:
        problems["text"] = "name at least one text"
    for name, choices in CHOICES.items():
        if getattr(config, name) not in choices:
            problems[name] = f"{getattr(config, name)!r} is none of {', '.join(choices)}"
    for name, least in AT_LEAST.items():
        if getattr(config, name) < least:
            problems[name] = f"{getattr(config, name)} is too small; at least {least}"
        elif getattr(config, name) > AT_MOST:
            problems[name] = f"{getattr(config, name)} is too large; at most {AT_MOST}"
    if config.steps is not None and config.steps < 1:
        problems["steps"] = f"{config.steps} is too small; at least 1"
    if not (math.isfinite(config.lr) and config.lr > 0):
        problems["lr"] = f"{config.lr} is not a learning rate; it must be a number above 0"
    if not 0 <= config.dropout < 1:
        problems["dropout"] = f"{config.dropout} is outside 0 ≤ dropout < 1"
    elif config.dropout and config.layers == 1:
        problems["dropout"] = f"{config.dropout} acts between layers, and there is one; ask for more layers, or for 0"
    if not 0 <= config.validation <= 0.5:
        problems["validation"] = f"{config.validation} is outside 0 ≤ share ≤ 0.5"
    for name, parse in (("schedule", parse_schedule), ("clip", parse_clip), ("init", parse_init)):
        try:
            parse(getattr(config, name))
        except ValueError as error:
            problems[name] = str(error)
    return problems


@dataclass(frozen=True, slots=True)
class Schedule:
    """A parsed learning-rate schedule; `engine.training.schedules` gives its factor at a step."""

    kind: Literal["constant", "step", "cosine"] = "constant"
    steps: int = 0
    factor: float = 1.0
    warmup: int = 0


def parse_schedule(text: str) -> Schedule:
    """Read `[warmup:N,]constant | step:EVERY:FACTOR | cosine:STEPS`; `ValueError` says what is wrong."""
    usage = (
        f"{text!r} is none of constant, step:EVERY:FACTOR, cosine:STEPS; each may follow a warm-up, as in "
        "warmup:100,cosine:5000"
    )
    warmup = 0
    rest = text.strip()
    try:
        if rest.startswith("warmup:"):
            head, _, rest = rest.partition(",")
            warmup = int(head.removeprefix("warmup:"))
        kind, *numbers = (rest or "constant").split(":")
        match kind, numbers:
            case "constant", []:
                schedule = Schedule("constant", warmup=warmup)
            case "step", [every, factor]:
                schedule = Schedule("step", int(every), float(factor), warmup)
            case "cosine", [steps]:
                schedule = Schedule("cosine", int(steps), warmup=warmup)
            case _:
                raise ValueError(usage)
    except ValueError:
        raise ValueError(usage) from None
    if warmup < 0 or (schedule.kind != "constant" and schedule.steps < 1) or not 0 < schedule.factor <= 1:
        raise ValueError(usage)
    return schedule


@dataclass(frozen=True, slots=True)
class Clip:
    """A parsed clipping rule: by the global norm, by value, or not at all."""

    kind: Literal["none", "norm", "value"]
    limit: float = math.inf


def parse_clip(text: str) -> Clip:
    """Read `none`, `norm:MAX`, `value:MAX` or a bare number (a norm); `ValueError` says what is wrong."""
    usage = f"{text!r} is none of none, norm:MAX, value:MAX with MAX above 0"
    kind, _, limit = text.strip().rpartition(":")
    if limit == "none" and not kind:
        return Clip("none")
    try:
        value = float(limit)
    except ValueError:
        raise ValueError(usage) from None
    if not (math.isfinite(value) and value > 0):
        raise ValueError(usage)
    if kind in ("", "norm"):
        return Clip("norm", value)
    if kind == "value":
        return Clip("value", value)
    raise ValueError(usage)
