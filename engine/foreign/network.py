"""A foreign network's numbers as parameters of ours: its tensors under our names, its characters in our order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import DTypeLike

from engine.arrays import Array
from engine.config import Config
from engine.foreign.names import Match, NetworkError
from engine.foreign.vocabulary import ForeignVocabulary
from engine.network.parameters import Parameters
from engine.runs.origin import axes_of_characters


def take_over(
    parameters: Parameters, tensors: Mapping[str, Array], match: Match, vocabulary: ForeignVocabulary
) -> None:
    """Copy the `tensors`, by their own names, into `parameters`; those that `match` does not have are zero.

    What belongs to a character goes where `parameters` have that character.
    """
    axes = axes_of_characters(parameters.architecture)
    for ours, view in parameters.views.items():
        theirs = match.names.get(ours)
        if theirs is None:
            view[...] = 0
            continue
        axis = axes.get(ours)
        view[...] = tensors[theirs] if axis is None else np.take(tensors[theirs], vocabulary.order, axis)


def parameters_of(
    tensors: Mapping[str, Array], match: Match, vocabulary: ForeignVocabulary, dtype: DTypeLike = np.float32
) -> Parameters:
    """New parameters with the numbers of `tensors`, as `take_over` copies them.

    Raises `NetworkError` if a number is not finite.
    """
    parameters = Parameters(match.architecture, dtype)
    take_over(parameters, tensors, match, vocabulary)
    if not np.isfinite(parameters.flat).all():
        bad = next(ours for ours, view in parameters.views.items() if not np.isfinite(view).all())
        raise NetworkError(f"{match.names[bad]}: has numbers that are not finite in float32; give other weights")
    return parameters


def settings_of_network(match: Match) -> Config:
    """Settings that ask for such a network, and the defaults for all others."""
    architecture = match.architecture
    return Config(
        cell=architecture.cell,
        layers=architecture.layers,
        hidden=architecture.hidden_size,
        input="onehot" if architecture.onehot else "embedding",
        embedding=architecture.embedding_size,
    )
