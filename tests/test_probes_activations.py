"""What units do, and what they follow: activations, features of a text, correlations, read-out, order."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from engine.network.cells import cell_names
from engine.network.cells.cell import cell_of
from engine.network.cells.plain.rnn import rnn_step
from engine.network.model import Model
from engine.network.parameters import Architecture, initialize
from engine.probes.activations import activations, read_cells, statistics
from engine.probes.features import (
    FEATURES,
    after_space,
    best_units,
    bracket_depth,
    chance,
    correlations,
    inside_quotes,
    position_in_line,
    shuffled,
    upper_case,
)
from engine.probes.held_out import HeldOut, streams
from engine.probes.readout import ENOUGH, RIDGE, fit, readout, split
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
    assert [dataclasses.astuple(feature) for feature in best_units(correlation, np.full(len(FEATURES), 0.3))] == [
        ("bracket depth", 7, -0.9, 0.3),
        ("upper case", None, 0.2, 0.3),  # chance explains it
    ]
    assert best_units(correlation, np.full(len(FEATURES), np.nan)) == ()


def largest_correlations_with_other_texts(units: np.ndarray, others: list[np.ndarray]) -> list[float]:
    """Of features of other texts with the unit that follows each of them best, ascending."""
    scores = [(each.ravel() - each.mean()) / each.std() for each in (*units, *others)]
    rows = np.array(scores[: len(units)])
    return sorted(float(np.abs(rows @ other).max()) / other.size for other in scores[len(units) :])


def slow(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Random walks that forget within ten steps, so that neighbouring steps tell nearly the same; time is last."""
    noise, values = rng.standard_normal(shape), np.zeros(shape)
    for t in range(1, shape[-1]):
        values[..., t] = 0.9 * values[..., t - 1] + noise[..., t]
    return values


@pytest.mark.parametrize("units", [1, 128])
def test_chance_is_what_features_of_other_texts_reach(units: int) -> None:
    """The feature of 200 texts that the units never saw gives the level directly; many units reach more than one."""
    rng = np.random.default_rng(units)
    passages, seq = 32, 150
    values = slow(rng, units, passages, seq)
    features = slow(rng, 201, passages, seq)
    judge = largest_correlations_with_other_texts(values, list(features[1:]))
    level = chance(values.transpose(0, 2, 1).reshape(units, -1), shuffled(features[0].T.reshape(1, -1), passages))
    assert level.shape == (1,)
    assert level[0] == pytest.approx(judge[190], rel=0.2)  # 95% of them are below it
    assert (units == 1) == (level[0] < 0.1)
    naive = 2 / np.sqrt(passages * seq)  # if all steps were independent, and there were one unit
    assert level[0] > 2 * naive


def test_a_unit_that_counts_is_named_and_one_that_has_seen_nothing_is_not() -> None:
    rng = np.random.default_rng(0)
    depth = np.cumsum(rng.integers(-1, 2, (150, 32)), axis=0)
    values = np.stack([*slow(rng, 20, 32, 150).transpose(0, 2, 1), depth + 3 * rng.standard_normal((150, 32))])
    features = np.stack([depth, *np.zeros((len(FEATURES) - 1, 150, 32))]).reshape(len(FEATURES), -1)
    rows = values.reshape(21, -1)
    (found,) = best_units(correlations(rows, features), chance(rows, shuffled(features, 32)))
    assert found.unit == 20
    assert abs(found.correlation) > 0.8 > 0.3 > found.chance
    (lost,) = best_units(correlations(rows[:20], features), chance(rows[:20], shuffled(features, 32)))
    assert lost.unit is None
    assert abs(lost.correlation) <= lost.chance


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


HALF = np.arange(2000) < 1000


def test_a_read_out_tells_classes_that_lie_on_one_line() -> None:
    """One unit that counts: the middle classes are hidden from least squares on indicators, not from this."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 5, 2000)
    states = np.vstack([classes / 5 + 0.01 * rng.standard_normal(2000), rng.standard_normal((3, 2000))])
    found = readout(states, classes, HALF, ~HALF)
    assert found is not None
    assert found.accuracy > 0.98
    largest = np.bincount(classes[:1000]).argmax()
    assert found.majority == pytest.approx(sum(each == largest for each in classes[1000:].tolist()) / 1000)


def test_a_read_out_finds_nothing_where_there_is_nothing() -> None:
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 4, 2000)
    states = rng.standard_normal((5, 2000))
    found = readout(states, classes, HALF, ~HALF)
    assert found is not None
    assert found.accuracy == pytest.approx(0.25, abs=0.05)
    assert readout(states, classes // 4, HALF, ~HALF) is None
    assert readout(states, (np.arange(2000) % 20 == 0).astype(int), HALF, ~HALF) is None
    assert readout(states, classes, HALF, np.arange(2000) >= 1951) is None  # too few to measure it on


def test_the_weights_of_a_read_out_are_those_of_the_least_loss() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(5)
    states = slow(rng, 12, 400)
    labels = np.digitize(states[0] + rng.standard_normal(400), (-0.5, 0.5))
    inputs = np.vstack([states, np.ones(400)])

    def loss(weights: Any) -> Any:
        scores = weights @ torch.tensor(inputs)
        return torch.nn.functional.cross_entropy(scores.T, torch.tensor(labels)) + RIDGE / 2 * (weights**2).sum()

    best = torch.zeros(3, 13, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([best], max_iter=2000, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def closure() -> Any:
        search.zero_grad()
        value = loss(best)
        value.backward()
        return value

    search.step(closure)
    found = fit(inputs, labels, 3)
    least = float(loss(best.detach()))
    assert least <= float(loss(torch.tensor(found))) < least + 100 * ENOUGH


def test_a_class_that_the_read_out_was_not_fitted_on_is_never_right() -> None:
    classes = np.where(HALF, np.arange(2000) % 2, 2 + np.arange(2000) % 2)
    found = readout(np.eye(4)[classes].T, classes, HALF, ~HALF)
    assert found is not None
    assert (found.accuracy, found.majority) == (0, 0)


def test_no_passage_is_both_fitted_and_measured_not_even_a_copy_of_one() -> None:
    """Passages that repeat each other, wherever they begin, are recognised: a copy says nothing of other text."""
    rng = np.random.default_rng(0)
    old, new = rng.integers(0, 4, 400), rng.integers(0, 4, 200)
    copy = np.concatenate([old[37:137], new[:100]])  # at another place of the passage
    codes = np.stack([old[:200], old[200:], copy, new], axis=1)
    fitted, measured = (mask.reshape(150, 4) for mask in split(codes, 50))
    assert fitted[:, :2].all()
    assert not fitted[:, 2:].any()
    assert not measured[:, :2].any()
    text = ["".join(map(str, column)) for column in codes.T]
    for passage in (2, 3):
        for t in range(50, 200):
            before = text[passage][t - 19 : t + 1]
            assert measured[t - 50, passage] == (before not in text[0] and before not in text[1])
    assert not measured[:50, 2].any()
    assert measured[50:, 3].all()


def test_a_single_passage_is_fitted_on_its_first_half() -> None:
    fitted, measured = split(np.arange(100)[:, None], 20)
    assert fitted.tolist() == [True] * 30 + [False] * 50
    assert measured.tolist() == [False] * 30 + [True] * 50


def test_states_that_recognise_their_text_read_nothing_of_other_text() -> None:
    """Classes by lot, the same in a copy of a text: a state that knows its place in the text seems to read them."""
    rng = np.random.default_rng(1)
    text, lots = rng.integers(0, 8, 100), rng.integers(0, 4, 100)
    others, other_lots = rng.integers(0, 8, 100), rng.integers(0, 4, 100)
    codes = np.stack([text, text[::-1], text, others], axis=1)
    classes = np.stack([lots, lots[::-1], lots, other_lots], axis=1)
    places = rng.permutation(400).reshape(100, 4)
    places[:, 2] = places[:, 0]  # the copy's states are those of the first passage
    states = np.eye(400)[places.ravel()].T
    fitted, measured = split(codes, 0)
    naive, found = (readout(states, classes.ravel(), fitted, mask) for mask in (~fitted, measured))
    assert naive is not None
    assert found is not None
    assert naive.accuracy > 0.55
    assert found.accuracy == pytest.approx(0.25, abs=0.1)


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
