"""What units do, and what they follow: activations, features of a text, correlations, read-out, order."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from engine.network.cells import cell_names
from engine.network.cells.cell import cell_of
from engine.network.cells.plain import rnn_step
from engine.network.model import Model
from engine.network.parameters import Architecture, initialize
from engine.probes.activations import activations, read_cells, statistics
from engine.probes.features import (
    FEATURES,
    after_space,
    best_units,
    bracket_depth,
    correlations,
    inside_quotes,
    position_in_line,
    upper_case,
)
from engine.probes.held_out import HeldOut, streams
from engine.probes.readout import readout_accuracy
from engine.text.vocabulary import Vocabulary
from tests import reference
from tests.brackets_text import brackets_text

HIDDEN = 6
VOCABULARY = Vocabulary(tuple(sorted('\n "()AbCd')))
CELLS = cell_names()


def make(cell: str, layers: int = 2) -> Model:
    architecture = Architecture(cell, len(VOCABULARY), HIDDEN, layers, embedding_size=5)
    return Model(initialize(architecture, np.random.default_rng(0), np.float64))


def text_codes(length: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, len(VOCABULARY), length)


# --- activations ---------------------------------------------------------------------------


def plain_values(model: Model, codes: np.ndarray, layer: int) -> dict[str, np.ndarray]:
    """Every kind of value of a layer over codes (S,), from the plain cells: {kind: (H, S)}."""
    steps, _ = reference.run(model.parameters, reference.onehot(model.parameters, codes[:, None]))
    kinds = cell_of(model.architecture.cell).kinds
    return {kind: np.array([getattr(step, kind)[0] for step in steps[layer]]).T for kind in kinds}


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("cell", CELLS)
def test_every_state_and_gate_of_every_layer_is_what_the_equations_say(cell: str, layer: int) -> None:
    model, codes = make(cell), text_codes(8)
    for kind, expected in plain_values(model, codes, layer).items():
        cells = read_cells(model, VOCABULARY, codes, layer=layer, kind=kind, step=3)
        np.testing.assert_allclose(cells.values, expected, rtol=1e-9, atol=1e-12)
        assert (cells.text, cells.layer, cells.kind, cells.step) == (VOCABULARY.decode(codes), layer, kind, 3)


def test_units_held_fixed_are_seen_so_and_act_on_the_others() -> None:
    model, codes = make("gru"), text_codes(8)
    free = read_cells(model, VOCABULARY, codes).values
    held = read_cells(model, VOCABULARY, codes, clamps={0: ((2, 0.5), (4, -1.0))})
    assert held.clamped == ((2, 0.5), (4, -1.0))
    assert (held.values[2] == 0.5).all()
    assert (held.values[4] == -1).all()
    assert not np.allclose(held.values[[0, 1, 3, 5], 1:], free[[0, 1, 3, 5], 1:])
    above = read_cells(model, VOCABULARY, codes, layer=1, clamps={0: ((2, 0.5),)})
    assert above.clamped == ()


def test_order_by_index_variance_and_feature() -> None:
    model, codes = make("gru"), text_codes(50)
    by_index = read_cells(model, VOCABULARY, codes)
    assert by_index.order.tolist() == by_index.score.tolist() == list(range(HIDDEN))
    by_variance = read_cells(model, VOCABULARY, codes, sort="variance")
    np.testing.assert_allclose(by_variance.score, by_index.values.var(axis=1))
    assert (np.diff(by_variance.score[by_variance.order]) <= 0).all()
    found = statistics(model, streams(text_codes(1000), VOCABULARY), 0, "h")
    by_feature = read_cells(model, VOCABULARY, codes, found, sort="after a space")
    np.testing.assert_array_equal(by_feature.score, found.correlation[list(FEATURES).index("after a space")])
    assert (np.diff(np.abs(by_feature.score[by_feature.order])) <= 0).all()
    assert (by_feature.best, by_feature.saturation) == (found.best, found.saturation)


# --- features ------------------------------------------------------------------------------


def test_features_after_each_character() -> None:
    assert bracket_depth("a(b[c]){)}))(").tolist() == [0, 1, 1, 2, 2, 1, 0, 1, 0, 0, 0, 0, 1]
    assert position_in_line("ab\n\ncd").tolist() == [1, 2, 0, 0, 1, 2]
    assert position_in_line("abc").tolist() == [0, 0, 0]
    assert after_space("a b\n").tolist() == [0, 1, 0, 1]
    assert upper_case("aBcÄ").tolist() == [0, 1, 0, 1]
    for feature in FEATURES.values():
        assert feature("").shape == (0,)


def test_quotes_are_open_from_the_first_to_the_second_and_forgotten_at_a_blank_line() -> None:
    assert inside_quotes('a"b"c').tolist() == [0, 1, 1, 0, 0]
    assert inside_quotes("“a”b“").tolist() == [1, 1, 0, 0, 1]
    text = 'say "no\nnever\n\n"yes" so'
    inside = inside_quotes(text).tolist()
    blank = text.index("\n\n")
    assert inside[: blank + 1] == [0] * 4 + [1] * (blank - 3)
    assert inside[blank + 1 :] == [0] + [1] * 4 + [0] * 4


def test_the_depth_of_the_brackets_language_is_read_from_its_digits() -> None:
    text = brackets_text(2000, seed=3)
    np.testing.assert_array_equal(bracket_depth(text[501:]), bracket_depth(text)[501:])


# --- correlation ---------------------------------------------------------------------------


def test_correlations_are_pearsons() -> None:
    rng = np.random.default_rng(0)
    values, features = rng.standard_normal((4, 60)), rng.standard_normal((3, 60))
    expected = np.corrcoef(features, values)[:3, 3:]
    np.testing.assert_allclose(correlations(values, features), expected)
    values[2], features[1] = 0.1, 7
    found = correlations(values.astype(np.float32), features)
    assert not found[1].any()
    assert not found[:, 2].any()


def test_the_unit_that_follows_a_feature_is_found_without_being_told() -> None:
    correlation = np.zeros((len(FEATURES), 9))
    correlation[0, [3, 7]] = 0.5, -0.9
    correlation[4, 1] = 0.2
    assert [dataclasses.astuple(feature) for feature in best_units(correlation)] == [
        ("bracket depth", 7, -0.9),
        ("upper case", 1, 0.2),
    ]


@pytest.mark.parametrize("cell", CELLS)
def test_statistics_are_over_the_streams_without_their_warm_up(cell: str) -> None:
    model = make(cell)
    text = streams(text_codes(1000), VOCABULARY)
    assert text.codes.shape == (200, 5)
    np.testing.assert_array_equal(text.codes.T.ravel(), text_codes(1000))
    found = statistics(model, text, 1, "h")
    hidden = activations(model, text.codes, 1, "h")[0][:, text.warm_up :]
    written = VOCABULARY.decode(text.codes.T.ravel())
    for row, feature in zip(found.correlation, FEATURES.values(), strict=True):
        wanted = feature(written).reshape(5, 200)[:, text.warm_up :]
        for unit in range(HIDDEN):
            assert row[unit] == pytest.approx(np.corrcoef(hidden[unit].T.ravel(), wanted.ravel())[0, 1])
    assert tuple(found.saturation) == cell_of(cell).sigmoids
    for gate, (shut, opened) in found.saturation.items():
        values = activations(model, text.codes, 1, gate)[0][:, text.warm_up :]
        assert (shut, opened) == ((values < 0.1).mean(), (values > 0.9).mean())


def test_saturation_of_a_gate_that_is_always_open_and_one_that_is_always_shut() -> None:
    model = make("gru", layers=1)
    model.parameters["rnn.bias_ih_l0"][:HIDDEN] = 20
    model.parameters["rnn.bias_ih_l0"][HIDDEN : 2 * HIDDEN] = -20
    model.refresh()
    found = statistics(model, streams(text_codes(400), VOCABULARY), 0, "z")
    assert found.saturation == {"r": (0.0, 1.0), "z": (1.0, 0.0)}


def test_a_short_text_is_one_stream() -> None:
    text = streams(text_codes(30), VOCABULARY)
    assert text.codes.shape == (30, 1)
    assert text.features.shape == (len(FEATURES), 30 - text.warm_up)


# --- read-out ------------------------------------------------------------------------------


def test_a_read_out_tells_classes_that_lie_on_one_line() -> None:
    """One unit that counts: the middle classes are hidden from least squares on indicators, not from this."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 5, 2000)
    states = np.vstack([classes / 5 + 0.01 * rng.standard_normal(2000), rng.standard_normal((3, 2000))])
    accuracy = readout_accuracy(states, classes)
    assert accuracy is not None
    assert accuracy > 0.98


def test_a_read_out_finds_nothing_where_there_is_nothing() -> None:
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 4, 2000)
    accuracy = readout_accuracy(rng.standard_normal((5, 2000)), classes)
    assert accuracy == pytest.approx(0.25, abs=0.05)
    assert readout_accuracy(rng.standard_normal((5, 2000)), classes // 4) is None
    assert readout_accuracy(rng.standard_normal((5, 2000)), (np.arange(2000) % 20 == 0).astype(int)) is None


# --- the held-out text ---------------------------------------------------------------------


def test_held_out_text_gives_the_same_probe_at_every_step() -> None:
    codes = text_codes(500).astype(np.uint8)
    text = HeldOut(codes, VOCABULARY, seq=20)
    assert text.probe.shape == (21, 16)
    assert text.probe is text.probe
    counts = np.bincount(codes)
    assert counts[text.frequent].tolist() == sorted(counts, reverse=True)[:8]
    newline = VOCABULARY.decode(codes).index("\n")
    assert text.shown == VOCABULARY.decode(codes)[newline + 1 :]
    assert HeldOut(np.full(30, 3), VOCABULARY, seq=20).frequent.tolist() == [3]


def test_losses_of_a_model_with_a_unit_held_are_what_the_reference_says() -> None:
    """The effect of holding a unit is measured by the model itself."""
    model, text = make("rnn", layers=1), text_codes(9)
    work = model.workspace(8, 1, train=False)
    held = model.losses(work, text[:-1, None], text[1:, None], {0: ((1, 0.3),)})
    h: np.ndarray = np.zeros((1, HIDDEN))
    weights = reference.weights_of(model.parameters, 0)
    for t in range(8):
        h = rnn_step(weights, model.parameters["embedding.weight"][text[t : t + 1]], h).h
        h[0, 1] = 0.3
        logits = model.parameters["head.weight"] @ h[0] + model.parameters["head.bias"]
        assert held[t, 0] == pytest.approx(np.log(np.exp(logits).sum()) - logits[text[t + 1]])
