"""The features of the held-out text that a viewer can ask for by a name, or by a regular expression."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engine.arrays import Array, Integers
from engine.probes.features import FEATURES
from engine.probes.held_out import HeldOut
from engine.probes.kinds import KINDS, classes, kinds
from engine.probes.pattern import Matches, find
from engine.session.background import Background
from engine.text import brackets

PATTERN = "/"  # a feature's name that begins with it is a regular expression
KIND, DEPTH = "kind of character", "bracket depth"


@dataclass(frozen=True, eq=False)
class TextFeature:
    """A number for each of the N measured characters of the held-out text; all 0 if there is an `error`."""

    name: str
    values: Array  # (N,)
    error: str = ""
    waiting: bool = False  # a regular expression is still being searched


class TextFeatures:
    """The features of `held_out`. Regular expressions are searched in `background`, in a process of their own."""

    def __init__(self, held_out: HeldOut, background: Background) -> None:
        self._held_out, self._background = held_out, background

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Those named ones that are not the same everywhere."""
        rows = zip(FEATURES, self._held_out.streams.features, strict=True)
        return tuple(name for name, row in rows if row.min() != row.max())

    def state(self, name: str) -> Hashable:
        """Changes as soon as `feature` answers otherwise. A new regular expression begins to be searched."""
        return self._matches(name) if name.startswith(PATTERN) else None

    def feature(self, name: str) -> TextFeature:
        """The feature of this name, or of a regular expression after `PATTERN`; of another name it has an error."""
        streams = self._held_out.streams
        nothing = np.zeros(streams.features.shape[1])
        if name.startswith(PATTERN):
            found = self._matches(name)
            if found is None:
                return TextFeature(name, nothing, waiting=True)
            return TextFeature(name, streams.after_warm_up(found.inside).astype(np.float64), found.error)
        if name not in FEATURES:
            return TextFeature(name, nothing, f"there is no feature “{name}”")
        return TextFeature(name, streams.features[list(FEATURES).index(name)])

    @cached_property
    def colours(self) -> tuple[str, ...]:
        """The named features that states can be coloured by, the one first that is shown if none is asked for."""
        if set(self._held_out.streams_text) <= set(brackets.CHARACTERS):
            return (DEPTH, KIND, *(name for name in self.names if name != DEPTH))
        return (KIND, *self.names)

    def classes(self, name: str) -> tuple[TextFeature, Integers, tuple[str, ...]]:
        """The feature, and for each measured character its class, (N,), with the names of the classes."""
        if name == KIND:
            labels = self._held_out.streams.after_warm_up(kinds(self._held_out.streams_text))
            return TextFeature(name, labels.astype(np.float64)), labels, KINDS
        feature = self.feature(name)
        return feature, *classes(feature.values)

    def _matches(self, name: str) -> Matches | None:
        pattern, text = name.removeprefix(PATTERN), self._held_out.streams_text

        def search() -> Iterator[Matches]:
            yield find(pattern, text)

        found: Matches | None = self._background.ask((PATTERN, pattern), True, search)
        return found
