"""Panes that draw an answer of the run: about a layer of the network, one of its gates, or a kind of value."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from engine.session.messages import RunInfo, Snapshot, cell_of
from tui.panes.pane import PaintedPane, ViewChanged


def towards(shown: object, asked: object) -> str:
    """What the picture shows; with what is asked for instead, until the answer is there: "h → c …"."""
    return f"{shown}" if shown == asked else f"{shown} → {asked} …"


class AnswerPane(PaintedPane):
    """A pane that draws the latest answer in the first field of ANSWERS.

    Subclasses define `_changed`, which writes the title and repaints.
    """

    _answer: Any = None  # the message of that field; None until the first one
    _now: Any = None  # the present one, to be laid over the answer, which is then of a moment
    _older = False  # the answer lies far behind the run

    @abstractmethod
    def _changed(self) -> None:
        """Show what has changed."""

    def begin(self, info: RunInfo) -> None:
        self._answer, self._now, self._older = None, None, False

    def show(self, snapshot: Snapshot) -> None:
        found, now = getattr(snapshot, self.ANSWERS[0]), getattr(snapshot.now, self.ANSWERS[0], None)
        if found is None:
            return
        older = self.is_older(found.step, snapshot.step)
        if found is not self._answer or now is not self._now or older != self._older:
            self._answer, self._now, self._older = found, now, older
            self._changed()


class LayerPane(AnswerPane):
    """A pane about one layer; a key asks for the next one, in the field LAYER of `View`."""

    LAYER: ClassVar[str]
    _cell = "rnn"
    _layers, _layer = 1, 0  # how many there are; which one is asked for

    def begin(self, info: RunInfo) -> None:
        super().begin(info)
        self._cell = str(info.config.get("cell", "rnn"))
        self._layers, self._layer = int(info.config.get("layers", 1)), 0

    def layer_words(self, shown: int | None) -> str:
        """The layer as the title names it; `shown` is that of the answer, if there is one."""
        asked = self._layer + 1
        return f"layer {towards(asked if shown is None else shown + 1, asked)}/{self._layers}"

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._layers > 1 if action == "layer" else super().check_action(action, parameters)

    def action_layer(self) -> None:
        self._layer = (self._layer + 1) % self._layers
        self.post_message(ViewChanged(**{self.LAYER: self._layer}))
        self._changed()


class GatePane(LayerPane):
    """A pane with all gates of a layer, or, by a key, one of them alone."""

    _gate = ""  # the only one that is shown; empty for all

    @property
    @abstractmethod
    def _gates(self) -> tuple[str, ...]:
        """Those that the cell has."""

    def begin(self, info: RunInfo) -> None:
        super().begin(info)
        self._gate = ""

    def layer_words(self, shown: int | None) -> str:
        return (f"gate {self._gate} of " if self._gate else "") + super().layer_words(shown)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "gate":
            return len(self._gates) > 1
        return (bool(self._gates) or action != "layer") and super().check_action(action, parameters)

    def action_gate(self) -> None:
        choices = ("", *self._gates)
        self._gate = choices[(choices.index(self._gate) + 1) % len(choices)]
        self._changed()


class UnitsPane(LayerPane):
    """A pane about one kind of value of each unit, of which one is chosen; all such panes share these."""

    LAYER = "cells_layer"
    _kind = "h"  # asked for
    _unit = -1  # asked for; -1 is the first one in the pane's order

    def begin(self, info: RunInfo) -> None:
        super().begin(info)
        self._kind, self._unit = "h", -1

    def take_over(self, changes: dict[str, Any]) -> None:
        self._unit = changes.get("cells_unit", self._unit)
        self._layer = changes.get("cells_layer", self._layer)
        self._kind = changes.get("cells_kind", self._kind)

    def _kind_words(self) -> str:
        """The kind and the layer as the title names them."""
        answer = self._answer
        kind = self._kind if answer is None else towards(answer.kind, self._kind)
        return f"{kind} of {self.layer_words(None if answer is None else answer.layer)}"

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return len(cell_of(self._cell).kinds) > 1 if action == "kind" else super().check_action(action, parameters)

    def action_kind(self) -> None:
        kinds = cell_of(self._cell).kinds
        self._kind = kinds[(kinds.index(self._kind) + 1) % len(kinds)]
        self.post_message(ViewChanged(cells_kind=self._kind))
        self._changed()

    def _choose(self, unit: int) -> None:
        self._unit = unit
        self.post_message(ViewChanged(cells_unit=unit))
        self._changed()

    @abstractmethod
    def action_move(self, places: int) -> None:
        """Choose the unit `places` further in the pane's order."""

    def wheel(self, by: int, column: int) -> None:
        self.action_move(by)
