"""The run whose weights another run begins with: which of its numbers are taken over, and where they go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.arrays import Integers
from engine.config import Config
from engine.errors import ConfigError
from engine.network.parameters import Architecture, Parameters
from engine.runs.reader import RunReader
from engine.text.vocabulary import Vocabulary

NETWORK = ("cell", "layers", "hidden", "input", "embedding")  # the settings that say which weights there are
BY_CHARACTER = {"embedding.weight": 0, "head.weight": 0, "head.bias": 0}
ONEHOT = {"rnn.weight_ih_l0": 1, "head.weight": 0, "head.bias": 0}


@dataclass(frozen=True, eq=False)
class Origin:
    """Weights of a run, with what is needed to begin another one with them."""

    name: str  # of the run, with the step after which it had these weights
    config: Config
    vocabulary: Vocabulary
    parameters: Parameters

    def beyond(self, vocabulary: Vocabulary) -> tuple[str, ...]:
        """The characters that the origin knows and `vocabulary` does not."""
        known = set(vocabulary.characters)
        return tuple(each for each in self.vocabulary.characters if each not in known)

    def unknown(self, vocabulary: Vocabulary) -> tuple[str, ...]:
        """The characters of `vocabulary` that the origin does not know."""
        known = set(self.vocabulary.characters)
        return tuple(each for each in vocabulary.characters if each not in known)

    def require_network(self, config: Config) -> None:
        """Raise `ConfigError` if `config` asks for a network that these weights do not fit."""
        problems = {
            name: f"{getattr(config, name)} is not that of {self.name}, {getattr(self.config, name)}; leave it out"
            for name in NETWORK
            if getattr(config, name) != getattr(self.config, name)
        }
        if problems:
            raise ConfigError(problems)

    def give(self, parameters: Parameters, vocabulary: Vocabulary) -> None:
        """Copy the weights into `parameters` of a network over `vocabulary`, which has all characters of the origin.

        What belongs to a character goes where that character is; the rest is copied whole. Nothing is changed of the
        characters that only `vocabulary` has.
        """
        places = self._places(vocabulary)
        axes = axes_of_characters(parameters.architecture)
        for name, view in parameters.views.items():
            if name not in axes:
                view[...] = self.parameters[name]
            elif axes[name]:
                view[:, places] = self.parameters[name]
            else:
                view[places] = self.parameters[name]

    def _places(self, vocabulary: Vocabulary) -> Integers:
        code = {character: place for place, character in enumerate(vocabulary.characters)}
        return np.array([code[character] for character in self.vocabulary.characters])


def axes_of_characters(architecture: Architecture) -> dict[str, int]:
    """The axis along which characters lie, by parameter; the others belong to no character."""
    return ONEHOT if architecture.onehot else BY_CHARACTER


def origin_of(run: RunReader, which: int | Literal["latest", "best"] = "latest") -> Origin:
    """The weights of `run` to begin another one with. Raises `UserError` if there are none."""
    parameters, step = run.saved(which)
    return Origin(f"{run.path.name} at step {step:,}", run.config, Vocabulary(run.vocabulary), parameters)
