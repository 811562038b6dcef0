"""What the views *contexts* and *portrait* ask about the cells of one network.

Each method returns a question as `engine.session.questions.Questions.of` does: all that its answer depends on besides
the weights, and how to compute it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.network.cells.cell import cell_of
from engine.network.model import Model
from engine.probes.activations import activations
from engine.probes.contexts import follow
from engine.probes.features import FEATURES, chance, correlations, shuffled
from engine.probes.held_out import HeldOut, Streams
from engine.probes.plane import Plane
from engine.probes.portrait import Landscape, landscape, portrait
from engine.probes.results import Contexts, Portrait
from engine.session.background import Background
from engine.session.messages import LONGEST_PROMPT, View
from engine.session.text_features import PATTERN, TextFeatures
from engine.text.vocabulary import Vocabulary

SHOWN_PROMPT = 48  # characters of held-out text that stand in for a prompt not yet typed
ANY_STEP = -1  # the step of an answer that later weights do not make stale: none is possible, or its question changes

Question = tuple[Hashable, Callable[[bool], tuple[Any, int]]]


class CellQuestions:
    """The questions about `model`. `features` are those of `held_out`; portraits are made in the `background`."""

    def __init__(
        self,
        model: Model,
        vocabulary: Vocabulary,
        held_out: HeldOut,
        background: Background,
        features: TextFeatures,
    ) -> None:
        self._model, self._vocabulary, self._held_out = model, vocabulary, held_out
        self._background, self._features = background, features
        self._values: dict[tuple[int, str], tuple[Array, int]] = {}  # of all units over the streams, and their step
        self._chance: dict[Hashable, float] = {}  # of each feature: the |r| that chance explains
        self._plane: Plane | None = None  # of the last portrait

    def contexts(self, view: View, step: int) -> Question:
        """Which units follow the feature of `view`, and the contexts of one."""
        name = view.cells_feature
        key = ("contexts", view.cells_layer, view.cells_kind, view.cells_unit, name, self._features.state(name))
        return key, lambda at_once: self._contexts(view, step, at_once)

    def _contexts(self, view: View, step: int, at_once: bool) -> tuple[Contexts, int]:
        """An urgent answer has the values known last, for to read the text takes longer."""
        architecture = self._model.architecture
        layer = min(max(view.cells_layer, 0), architecture.layers - 1)
        kind = view.cells_kind if view.cells_kind in cell_of(architecture.cell).kinds else "h"
        values, as_of = self._values_of(layer, kind, step, at_once)
        feature = self._features.feature(view.cells_feature or self._best_feature(values))
        text = self._held_out.streams
        chosen = (layer, kind, feature.name, feature.waiting)
        if chosen not in self._chance:
            own = shuffled(feature.values[None], text.codes.shape[1])
            self._chance[chosen] = float(chance(_after_warm_up(values, text), own)[0])
        answer = follow(
            values,
            self._held_out.streams_text,
            text,
            feature.values,
            name=feature.name,
            chance=self._chance[chosen],
            names=self._features.names,
            unit=view.cells_unit,
            layer=layer,
            kind=kind,
            step=as_of,
        )
        return dataclasses.replace(answer, waiting=feature.waiting, error=feature.error), as_of

    def _values_of(self, layer: int, kind: str, step: int, at_once: bool) -> tuple[Array, int]:
        """The values of all units over the streams, and their step; `at_once` those that are known, if there are any.

        Only those of one kind in one layer are kept.
        """
        if (layer, kind) not in self._values or not at_once:
            self._values.clear()
            self._chance.clear()
            self._values[layer, kind] = activations(self._model, self._held_out.streams.codes, layer, kind)[0], step
        return self._values[layer, kind]

    def following(self, pattern: str, layer: int, kind: str, step: int, at_once: bool) -> Array | None:
        """Pearson's r of every unit with a regular expression, (H,); None while it is searched, or if it has an error.

        None also for a `pattern` that does not begin with `PATTERN`.
        """
        if not pattern.startswith(PATTERN):
            return None
        feature = self._features.feature(pattern)
        if feature.waiting or feature.error:
            return None
        values, _ = self._values_of(layer, kind, step, at_once)
        found: Array = correlations(_after_warm_up(values, self._held_out.streams), feature.values[None])[0]
        return found

    def _best_feature(self, values: Array) -> str:
        """The named feature that one of the units follows more closely than any unit follows another one."""
        text = self._held_out.streams
        found = correlations(_after_warm_up(values, text), text.features)
        return list(FEATURES)[int(np.abs(found).max(axis=1).argmax())]

    def portrait(self, view: View, step: int) -> Question:
        """What is known of the portrait by now; it begins to be made in the background, if it has not begun yet."""
        asked, _ = self._vocabulary.encode(view.portrait_constant[:1])
        constant = int([*asked, self._held_out.by_frequency[0]][0])

        def begin() -> Iterator[Landscape | None]:
            model = Model(self._model.parameters.astype(np.float64))  # a copy: the training changes the weights
            return landscape(model, self._held_out.streams, constant, step=step, like=self._plane)

        known: Landscape | None = self._background.ask((self, constant), step, begin)
        name = view.portrait_feature or self._features.colours[0]
        key = ("portrait", known, view.prompt, name, self._features.state(name))
        return key, lambda at_once: (known and self._portrait(known, view.prompt, name, constant), ANY_STEP)

    def _portrait(self, known: Landscape, prompt: str, name: str, constant: int) -> Portrait:
        self._plane = known.plane
        feature, labels, classes = self._features.classes(name)
        codes, _ = self._vocabulary.encode(prompt[-LONGEST_PROMPT:] or self._held_out.shown[:SHOWN_PROMPT])
        answer = portrait(
            known,
            self._vocabulary,
            codes,
            feature=name,
            features=self._features.colours,
            labels=labels,
            classes=classes,
            constant=constant,
            constants=tuple(self._vocabulary.decode(self._held_out.by_frequency)),
        )
        return dataclasses.replace(answer, remark=feature.error or answer.remark)


def _after_warm_up(values: Array, text: Streams) -> Array:
    """Those of `values` (H, T, B) that are measured, (H, N)."""
    return values[:, text.warm_up :].reshape(len(values), -1)
