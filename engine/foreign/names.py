"""Finds out which tensor of a foreign network is which of our parameters, by PyTorch's suffixes and by shape.

theirs                        ours
model.gru.weight_ih_l0        rnn.weight_ih_l0       the suffix says it; the prefix may be any
model.emb.weight  (V, D)      embedding.weight       the shape says it
model.fc.weight   (V, H)      head.weight            the shape, or, where D = H, that only a head has a bias
model.fc.bias     (V,)        head.bias              may be missing: zeros
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.config import Config
from engine.errors import UserError
from engine.network.cells import cell_names
from engine.network.cells.cell import Cell, cell_of
from engine.network.parameters import Architecture, mismatch
from engine.typed_json import shown

Shapes = Mapping[str, tuple[int, ...]]

RECURRENT = re.compile(r"(?:.*\.)?(weight_ih|weight_hh|bias_ih|bias_hh|weight_hr)_l(\d{1,4})(_reverse)?", re.DOTALL)
MODULES = ("rnn", "embedding", "head")  # whose names may be mapped, for all of their parameters
DEFAULT_WIDTH = Config().embedding  # of an embedding that is not there
NAMED = 4  # tensors that a sentence names


class NetworkError(UserError):
    """These tensors are none of a network that this program knows."""


class UnclearError(NetworkError):
    """Several tensors fit `ours`, a parameter or a module, or none does: the user has to say which one it is."""

    def __init__(self, problem: str, ours: str) -> None:
        super().__init__(problem)
        self.ours = ours


@dataclass(frozen=True, slots=True)
class Match:
    """The `names` of a foreign network's tensors by those of ours, which `architecture` has.

    Biases that the foreign network does not have are missing: they are zero.
    """

    architecture: Architecture
    names: dict[str, str]


def match(shapes: Shapes, cell: str, vocabulary_size: int, given: Mapping[str, str] | None = None) -> Match:
    """Which of the tensors with these `shapes` is which parameter of a network of `cell`, a name in `cell_names`.

    `given` has names that are known: of tensors by parameter, or of modules by one of `MODULES`. Raises
    `NetworkError` if a tensor is missing, or one is there that such a network has not; `UnclearError` if two fit.
    """
    return _Matching(shapes, cell, vocabulary_size, given or {}).match()


class _Matching:
    def __init__(self, shapes: Shapes, cell: str, vocabulary_size: int, given: Mapping[str, str]) -> None:
        self._shapes, self._size, self._name = shapes, vocabulary_size, cell
        self._cell: Cell = cell_of(cell)
        self._given = dict(given)
        self._names: dict[str, str] = {}  # theirs by ours

    def match(self) -> Match:
        self._take_given()
        layers = self._find_layers()
        hidden, width = self._sizes()
        self._find_head(hidden, width)
        onehot = self._find_embedding(width)
        architecture = Architecture(
            cell=self._name,
            vocabulary_size=self._size,
            hidden_size=hidden,
            layers=layers,
            embedding_size=DEFAULT_WIDTH if onehot else width,
            onehot=onehot,
        )
        self._require_all(architecture)
        return Match(architecture, self._names)

    def _left(self) -> list[str]:
        """The tensors that are none of ours so far."""
        used = set(self._names.values())
        return [name for name in self._shapes if name not in used]

    def _take_given(self) -> None:
        for ours, theirs in self._given.items():
            module = ours.split(".")[0]
            if module not in MODULES:
                raise NetworkError(f"{ours}: is no parameter; name rnn, embedding, head, or one of their parameters")
            if ours == "rnn":
                continue
            if ours == module:
                kinds = ("weight", "bias") if ours == "head" else ("weight",)
                found = {f"{ours}.{kind}": f"{theirs}.{kind}" for kind in kinds if f"{theirs}.{kind}" in self._shapes}
            else:
                found = {ours: theirs} if theirs in self._shapes else {}
            if not found:
                raise UnclearError(f"{theirs}: there is no such tensor; there are {self._listed(self._shapes)}", ours)
            self._names |= found

    def _find_layers(self) -> int:
        """Find the tensors of the recurrent layers; their number."""
        prefix = self._prefix()
        layers = 0
        while any(self._find(f"{kind}_l{layers}", prefix) for kind in ("weight_ih", "weight_hh")):
            for kind in self._cell.parameters:
                if theirs := self._find(f"{kind}_l{layers}", prefix):
                    self._names[f"rnn.{kind}_l{layers}"] = theirs
            layers += 1
        return layers

    def _find(self, suffix: str, prefix: str) -> str | None:
        return self._names.get(f"rnn.{suffix}") or (prefix + suffix if prefix + suffix in self._shapes else None)

    def _prefix(self) -> str:
        """What stands before the suffixes of the recurrent tensors."""
        prefixes = []
        for name in self._shapes:
            if found := RECURRENT.fullmatch(name):
                if found[3]:
                    raise NetworkError(
                        f"{name}: reads the text backwards, and so predicts nothing; give a network that reads forwards"
                    )
                if found[1] == "weight_hr":
                    raise NetworkError(f"{name}: is a projection of h, which no cell here has; give a network without")
                if found[2] == "0" and found[1] == "weight_ih":
                    prefixes.append(name.removesuffix("weight_ih_l0"))
        if "rnn" in self._given:
            prefix = self._given["rnn"].removesuffix(".") + "." if self._given["rnn"] else ""
            if prefix not in prefixes:
                raise UnclearError(f"{self._given['rnn']}: there is no {prefix}weight_ih_l0", "rnn")
            return prefix
        if len(prefixes) == 1 or "rnn.weight_ih_l0" in self._names:
            return prefixes[0] if len(prefixes) == 1 else ""
        if not prefixes:
            raise UnclearError(
                f"no tensor's name ends in weight_ih_l0, as in PyTorch's nn.{self._name.upper()}; there are "
                f"{self._listed(self._shapes)}",
                "rnn.weight_ih_l0",
            )
        modules = " and ".join(shown(prefix.removesuffix(".")) for prefix in prefixes[:NAMED])
        raise UnclearError(f"{len(prefixes)} recurrent modules are there: {modules}; say which one to take", "rnn")

    def _sizes(self) -> tuple[int, int]:
        """H, and the width of what layer 0 reads."""
        gates = len(self._cell.gates)
        weight_ih = self._names.get("rnn.weight_ih_l0", "")
        weight_hh = self._names.get("rnn.weight_hh_l0", "")
        if not weight_ih or (self._cell.recurrent and not weight_hh):
            missing = "rnn.weight_hh_l0" if weight_ih else "rnn.weight_ih_l0"
            raise UnclearError(f"there is no tensor for {missing}", missing)
        for name in filter(None, (weight_ih, weight_hh)):
            if len(self._shapes[name]) != 2 or not all(self._shapes[name]):
                raise NetworkError(
                    f"{name}: has shape {self._shapes[name]}, and no weights of a recurrent layer have that"
                )
        rows, width = self._shapes[weight_ih]
        hidden = self._shapes[weight_hh][1] if self._cell.recurrent else rows // gates
        if rows != gates * hidden:
            others = [name for name in cell_names() if len(cell_of(name).gates) * hidden == rows]
            hint = f"is it of {' or '.join(others)}?" if others and self._cell.recurrent else "is it of another cell?"
            raise NetworkError(
                f"{weight_ih}: has {rows:,} rows, and the {gates} gate{'s' * (gates > 1)} of a {self._name} with "
                f"{hidden:,} units have {gates * hidden:,}; {hint}"
            )
        return hidden, width

    def _find_head(self, hidden: int, width: int) -> None:
        shape = (self._size, hidden)
        if "head.weight" in self._names:
            self._require_shape("head.weight", shape)
        else:
            fitting = [name for name in self._left() if self._shapes[name] == shape]
            with_bias = [name for name in fitting if self._shapes.get(_bias_of(name)) == (self._size,)]
            self._names["head.weight"] = self._one(with_bias if len(with_bias) == 1 else fitting, "head.weight", shape)
        if "head.bias" not in self._names:
            sibling, left = _bias_of(self._names["head.weight"]), self._left()
            fitting = [name for name in left if self._shapes[name] == (self._size,)]
            if sibling in fitting:
                self._names["head.bias"] = sibling
            elif fitting:
                self._names["head.bias"] = self._one(fitting, "head.bias", (self._size,))

    def _find_embedding(self, width: int) -> bool:
        """Find the embedding, if there is one; return whether layer 0 reads one-hot characters."""
        shape = (self._size, width)
        if "embedding.weight" in self._names:
            self._require_shape("embedding.weight", shape)
            return False
        fitting = [name for name in self._left() if self._shapes[name] == shape]
        if not fitting and width == self._size:
            return True
        self._names["embedding.weight"] = self._one(fitting, "embedding.weight", shape)
        return False

    def _require_shape(self, ours: str, shape: tuple[int, ...]) -> None:
        theirs = self._names[ours]
        if (found := self._shapes[theirs]) != shape:
            raise NetworkError(
                f"{theirs}: has shape {found}, and {ours} has {shape} with a vocabulary of {self._size:,} characters; "
                "give the vocabulary that it was made with"
            )

    def _one(self, fitting: list[str], ours: str, shape: tuple[int, ...]) -> str:
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            names = " and ".join(map(shown, fitting[:NAMED]))
            raise UnclearError(f"{names} fit {ours} {shape}; say which one it is", ours)
        raise UnclearError(
            f"there is no tensor of shape {shape} for {ours}, with a vocabulary of {self._size:,} characters; left are "
            f"{self._listed(self._left())}",
            ours,
        )

    def _require_all(self, architecture: Architecture) -> None:
        wanted = architecture.shapes()
        found = {ours: self._shapes[theirs] for ours, theirs in self._names.items()}
        missing = [name for name in wanted if name not in found]
        biases = [name for name in wanted if name.startswith("rnn.bias")]
        if not set(biases) & found.keys():  # as with bias=False
            missing = [name for name in missing if name not in biases]
        if missing := [name for name in missing if name != "head.bias"]:
            raise UnclearError(f"there is no tensor for {' and '.join(missing[:NAMED])}", missing[0])
        for ours, shape in found.items():
            if problem := mismatch({ours: wanted[ours]} if ours in wanted else {}, {ours: shape}):
                raise NetworkError(
                    f"{self._names[ours]}: {problem}; give the cell and the vocabulary that it was made with"
                )
        if left := self._left():
            raise NetworkError(
                f"a network of {self._name} layers between an embedding and one linear head has no "
                f"{self._listed(left)}; give one that has nothing else"
            )

    def _listed(self, names: Iterable[str]) -> str:
        """Some tensors with their shapes, and how many more there are."""
        texts = [f"{name[:80]} {self._shapes[name]}" for name in names]
        more = f" and {len(texts) - NAMED:,} more" if len(texts) > NAMED else ""
        return (", ".join(texts[:NAMED]) or "no tensors") + more


def _bias_of(weight: str) -> str:
    return weight.removesuffix("weight") + "bias"
