"""The settings of a run: one frozen dataclass, checked whenever one is made.

Each setting is defined here and nowhere else: the command line, the form and the files are made from the fields.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from engine.errors import ConfigError, UserError
from engine.network.cells import cell_names
from engine.setting import setting, settings_of
from engine.syntax import parse_clip, parse_init, parse_moments, parse_schedule

if TYPE_CHECKING:
    from engine.network.parameters import Architecture

LARGEST_TOML = 1 << 20  # bytes
SPREAD, SPREAD_BLOCKS = ":spread", 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The settings of one run, in the order in which they are shown. Raises `ConfigError` for bad ones.

    The share of the text for `validation` is its end, or several `blocks` all over it, see `engine.text.split`.
    `hidden` is H, `layers` L, `embedding` D; `batch` is B and `seq` is T, the time steps of one window of truncated
    back-propagation. `threads` (of the BLAS) and `workers` (processes that share the batch, without dropout) are
    measured and chosen when the run begins where they are 0. `init` is explained at `initialize`, `schedule` at
    `parse_schedule`. `forget_bias` acts in cells with a forget gate, `alpha` in that optimiser. The weights of the
    steps in `moments` are kept for good, see `parse_moments`. After `patience` validations in a row without a lower
    loss than the best one the run ends; 0 is endless patience.
    """

    text: tuple[str, ...] = setting(("saltmere",), "text", "names or paths, spaces between", metavar="TEXT", kept=True)
    encoding: str = setting("utf-8", "text", "of the files", metavar="NAME", kept=True)
    validation: float = setting(
        0.1, "text", "share kept for validation", metavar="SHARE[:spread]", least=0, most=0.5, kept=True
    )
    blocks: int = setting(
        1, "text", "blocks of it all over the text; 1: the end", metavar="N", least=1, most=1000, kept=True
    )
    test: float = setting(0.0, "text", "share behind it, for a test", metavar="SHARE", least=0, most=0.4, kept=True)

    cell: str = setting("gru", "network", "kind of recurrent unit", list_choices=cell_names)
    layers: int = setting(1, "network", "one above the other", least=1, most=1000)
    hidden: int = setting(128, "network", "units in each layer", least=1)
    input: Literal["embedding", "onehot"] = setting("embedding", "network", "how a character enters")
    embedding: int = setting(64, "network", "width of the embedding", least=1)
    dropout: float = setting(0.0, "network", "between layers", metavar="P", least=0, below=1)
    forget_bias: float = setting(
        0.0, "network", "added to the LSTM's forget gate at first", metavar="X", least=-100, most=100
    )
    init: str = setting(
        "uniform",
        "network",
        "uniform, normal:STD, orthogonal, identity",
        metavar="uniform|uniform:BOUND|normal:STD|orthogonal|identity",
        syntax=parse_init,
    )

    loss: Literal["every", "last"] = setting("every", "training", "of every step, or the last one only")
    batch: int = setting(32, "training", "sequences side by side", least=1)
    seq: int = setting(50, "training", "time steps in a window", least=1)
    steps: int | None = setting(
        None, "training", "where to end; empty: never", shown_as="no end", least=1, kept=True, may_change=True
    )
    epochs: int | None = setting(
        None, "training", "where to end if steps is empty", shown_as="no end", least=1, kept=True
    )
    patience: int = setting(
        0,
        "training",
        "ends after N validations without a lower loss; 0: off",
        shown_as="off",
        least=0,
        kept=True,
        may_change=True,
    )
    optimizer: Literal["sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw"] = setting(
        "adam", "training", "how a gradient changes the weights"
    )
    alpha: float = setting(0.99, "training", "how much of its mean RMSprop keeps", metavar="A", least=0, below=1)
    lr: float = setting(2e-3, "training", "learning rate", above=0)
    clip: str = setting(
        "norm:5", "training", "none, norm:MAX, value:MAX", metavar="none|norm:MAX|value:MAX", syntax=parse_clip
    )
    moments: str = setting(
        "",
        "training",
        "weights to keep; 11e: epochs",
        metavar="STEPS",
        shown_as="none",
        syntax=parse_moments,
        may_change=True,
    )
    schedule: str = setting(
        "constant",
        "training",
        "step:EVERY:FACTOR, cosine:N; 5e: epochs",
        metavar="[warmup:N,]constant|step:N:X[:FIRST]|cosine:N",
        syntax=parse_schedule,
    )

    seed: int = setting(1, "machine", "the same seed, the same numbers", least=0, kept=True)
    threads: int = setting(
        0, "machine", "of the BLAS; 0: measured", shown_as="measured", least=0, kept=True, may_change=True
    )
    workers: int = setting(
        0, "machine", "processes; 0: measured", shown_as="measured", least=0, kept=True, may_change=True
    )

    def __post_init__(self) -> None:
        found = {name: each.problem(getattr(self, name)) for name, each in settings_of(type(self)).items()}
        problems = {name: problem for name, problem in found.items() if problem}
        if self.dropout and self.layers == 1:
            problems.setdefault(
                "dropout", f"{self.dropout} acts between layers, and there is one; ask for more layers, or for 0"
            )
        if self.patience and not self.validation:
            problems.setdefault(
                "patience", f"{self.patience} counts validations, and no text is kept for them; keep some, or ask for 0"
            )
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
        values = {name: getattr(self, name) for name in settings_of(type(self))}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


DEFAULTS = Config()


def from_mapping(values: Mapping[str, Any], base: Config | None = None) -> Config:
    """`base`, or the defaults, with the settings in `values` (of TOML, JSON, a form or the command line) in it.

    Strings are converted to the field's type; the validation `0.1:spread` stands for 0.1 in ten blocks. Raises
    `ConfigError` naming every bad field.
    """
    base, values = base or DEFAULTS, spelled_out(values)
    known = settings_of(type(base))
    problems: dict[str, str] = {}
    converted: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            problems[name] = f"there is no such setting; known are {', '.join(known)}"
            continue
        try:
            converted[name] = known[name].convert(value)
        except ValueError as error:
            problems[name] = str(error)
    try:
        config = base.replace(**converted)
    except ConfigError as error:
        raise ConfigError({**error.problems, **problems}) from None
    if problems:
        raise ConfigError(problems)
    return config


def spelled_out(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with two settings in place of a validation such as `0.1:spread`: the share, and ten blocks."""
    share = values.get("validation")
    if isinstance(share, str) and share.endswith(SPREAD):
        return {**values, "validation": share.removesuffix(SPREAD), "blocks": SPREAD_BLOCKS}
    return dict(values)


def from_toml(path: Path, base: Config | None = None) -> Config:
    """`base`, or the defaults, with the settings of a TOML file in it: one `name = value` a line.

    Raises `UserError` with the file's name.
    """
    values = read_toml(path)
    try:
        return from_mapping(values, base)
    except ConfigError as error:
        raise UserError(f"{path}: {error}") from None


def read_toml(path: Path) -> dict[str, Any]:
    """The values in a TOML file. Raises `UserError` with the file's name."""
    try:
        with path.open("rb") as file:  # a pipe does not say how much will come
            data = b"" if path.is_char_device() else file.read(LARGEST_TOML + 1)
        if path.is_char_device() or len(data) > LARGEST_TOML:
            raise UserError(f"{path}: is a device, or has more than {LARGEST_TOML:,} bytes; name a TOML file")
        text = data.decode("utf-8-sig")  # some editors write a byte order mark
        return tomllib.loads(text.replace("\r\n", "\n").replace("\r", "\n"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); name a TOML file") from None
    except (ValueError, RecursionError) as error:  # of TOML, of UTF-8, of numbers with thousands of digits, of nesting
        raise UserError(f"{path}: is not valid TOML ({error}); write one `name = value` a line") from None


# Settings by which others' experiments are repeated, each over the defaults.
PRESETS: dict[str, dict[str, Any]] = {
    # An RNN in NumPy with the loss on the last step only: one can watch its gradients vanish. Adagrad's first
    # steps have full length whatever the gradient; unwarmed, they make W_hh of rank one and saturate every unit.
    "under-the-hood": {
        "cell": "rnn", "hidden": 100, "input": "onehot", "seq": 25, "batch": 1, "loss": "last",
        "init": "normal:0.01", "optimizer": "adagrad", "lr": 0.1, "schedule": "warmup:1000,constant", "clip": "none",
        "moments": "0,11e,22e,33e", "epochs": 33,  # those at which the original shows its gradients
    },
    # A small GRU that learns to count brackets, small enough to read every unit.
    "brackets": {
        "text": ("brackets",), "cell": "gru", "hidden": 15, "embedding": 15, "seq": 10,
        "optimizer": "adam", "lr": 1e-2, "epochs": 5,
    },
    # Karpathy's char-rnn with its own defaults (train.lua): after epoch 10, each epoch ends with 0.97 times the rate.
    # It clips the gradient of the sum over 50 steps to ±5, which is ±0.1 on the mean. Different there: the forget bias
    # is 1 in place of 1 ± 0.08, and the text is split otherwise: it validates on the last 5% of each of 50 streams, so
    # its published losses (1.42 on tiny-shakespeare) are of other characters than those held out here.
    "char-rnn": {
        "cell": "lstm", "layers": 2, "hidden": 128, "input": "onehot", "init": "uniform:0.08", "forget_bias": 1.0,
        "seq": 50, "batch": 50, "optimizer": "rmsprop", "alpha": 0.95, "lr": 2e-3,
        "schedule": "step:1e:0.97:10e", "clip": "value:0.1", "epochs": 50,
    },
    # Johnson's torch-rnn with its own defaults (train.lua): half the rate after epochs 4, 9, 14 … It clips the gradient
    # of the mean. Different there: Adam's averages begin anew at each halving, the LSTM's weights are from
    # N(0, 1/(D + H)) and its other biases 0, and 10% of each stream validate.
    "torch-rnn": {
        "cell": "lstm", "layers": 2, "hidden": 128, "embedding": 64, "forget_bias": 1.0, "seq": 50, "batch": 50,
        "optimizer": "adam", "lr": 2e-3, "schedule": "step:5e:0.5:4e", "clip": "value:5", "epochs": 50,
    },
    # Karpathy's min-char-rnn: 112 lines of NumPy, one sequence at a time. It clips the gradient of the sum over 25
    # steps to ±5, which is ±0.2 on the mean.
    "min-char-rnn": {
        "cell": "rnn", "hidden": 100, "input": "onehot", "seq": 25, "batch": 1,
        "init": "normal:0.01", "optimizer": "adagrad", "lr": 0.1, "clip": "value:0.2",
    },
}  # fmt: skip


def preset_of(config: Config) -> str:
    """The name of the preset whose network and training `config` has; empty if it is none.

    How long it trains, and of which steps the weights are kept, is up to the user.
    """
    for name, preset in PRESETS.items():
        asked = from_mapping(preset)
        if all(getattr(config, each) == getattr(asked, each) for each in preset if each not in ("epochs", "moments")):
            return name
    return ""
