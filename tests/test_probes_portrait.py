"""The plane of the states against NumPy's SVD, and the portrait made in it."""

from __future__ import annotations

import numpy as np
import pytest

from engine.network.model import Model
from engine.network.parameters import Architecture, initialize
from engine.probes.activations import activations
from engine.probes.held_out import HeldOut
from engine.probes.kinds import KINDS, classes, kinds
from engine.probes.plane import plane_of
from engine.probes.portrait import Landscape, landscape
from engine.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary(tuple('\n "()abcdefg'))
CODES = np.random.default_rng(2).integers(0, len(VOCABULARY), 1500)


def network(cell: str, hidden: int = 6, layers: int = 1) -> Model:
    architecture = Architecture(cell, len(VOCABULARY), hidden, layers, 5)
    return Model(initialize(architecture, np.random.default_rng(0), np.float64))


def last(model: Model, code: int = 1) -> Landscape:
    *_, found = (each for each in landscape(model, HeldOut(CODES, VOCABULARY, 8).streams, code, step=7) if each)
    return found


@pytest.mark.parametrize("hidden", [1, 2, 9])
def test_the_plane_is_that_of_the_singular_value_decomposition(hidden: int) -> None:
    rng = np.random.default_rng(hidden)
    states = rng.standard_normal((200, hidden)) * np.linspace(3, 1, hidden) + rng.standard_normal(hidden)
    plane = plane_of(states.astype(np.float32))
    centred = states - states.mean(axis=0)
    _, values, axes = np.linalg.svd(centred, full_matrices=False)
    count = min(hidden, 2)
    np.testing.assert_allclose(plane.shares[:count], (values**2 / np.sum(values**2))[:count], atol=1e-6)
    for mine, expected in zip(plane.axes, axes[:2], strict=False):
        np.testing.assert_allclose(mine * np.sign(mine @ expected), expected, atol=1e-5)
    assert np.all(np.abs(plane.place(states) @ plane.axes - centred) < (1e-5 if hidden <= 2 else np.inf))


def test_the_picture_does_not_flip_from_one_plane_to_the_next() -> None:
    states = np.random.default_rng(0).standard_normal((100, 4)) * [4, 3, 2, 1]
    plane = plane_of(states)
    turned = plane_of(states).__class__(plane.mean, -plane.axes, plane.shares)
    np.testing.assert_allclose(plane_of(states, turned).axes, -plane.axes)
    assert all(axis[np.abs(axis).argmax()] > 0 for axis in plane.axes)


def test_states_that_do_not_vary_have_no_shares() -> None:
    plane = plane_of(np.full((5, 3), 0.25))
    np.testing.assert_array_equal(plane.shares, 0)
    np.testing.assert_array_equal(plane.place(np.full((5, 3), 0.25)), 0)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm", "mingru"])
def test_points_are_the_states_of_the_top_layer_over_the_measured_text(cell: str) -> None:
    model, streams = network(cell, layers=2), HeldOut(CODES, VOCABULARY, 8).streams
    found = last(model)
    states = activations(model, streams.codes, 1, "h")[0][:, streams.warm_up :].reshape(6, -1).T
    np.testing.assert_allclose(found.points, plane_of(states).place(states), atol=1e-9)
    assert found.found is None  # of two layers no fixed points are looked for
    assert found.step == 7


def test_the_path_is_that_of_the_prompt_from_a_zero_state() -> None:
    model = network("gru")
    found = last(model)
    codes = CODES[:9]
    states = activations(model, codes[:, None], 0, "h")[0][:, :, 0].T
    np.testing.assert_allclose(found.path(codes), found.plane.place(states), atol=1e-12)
    assert found.path(codes[:0]).shape == (0, 2)


def test_all_starts_are_tried_and_each_piece_adds_to_the_one_before() -> None:
    pieces = [each for each in landscape(network("lstm"), HeldOut(CODES, VOCABULARY, 8).streams, 1) if each]
    tried = [each.found.tried for each in pieces if each.found is not None]
    assert tried[0] == 0
    assert tried == sorted(tried)
    assert tried[-1] == pieces[-1].starts == 64


def test_kinds_of_characters() -> None:
    names = [KINDS[kind] for kind in kinds(" \nae\u00e9xAÉ7.(中")]
    assert names == [
        "blank", "blank", "vowel", "vowel", "vowel", "other small letter", "capital letter", "capital letter",
        "digit", "sign", "sign", "other small letter",
    ]  # fmt: skip


def test_classes_of_a_feature() -> None:
    labels, names = classes(np.array([0.0, 1, 1, 0]))
    assert (labels.tolist(), names) == ([0, 1, 1, 0], ("no", "yes"))
    labels, names = classes(np.array([3.0, 1, 2, 1]))
    assert (labels.tolist(), names) == ([2, 0, 1, 0], ("1", "2", "3"))
    values = np.arange(100.0)
    labels, names = classes(values)
    assert len(names) == 5
    assert np.bincount(labels).min() >= 19
    assert names[0] == "0 … 19"
    for label, name in enumerate(names):
        low, _, high = name.split()
        assert (values[labels == label].min(), values[labels == label].max()) == (int(low), int(high))
    assert classes(np.zeros(3))[0].tolist() == [0, 0, 0]
