"""Connectivity against PyTorch's autograd, finite differences and closed forms; occlusion; reach."""

from __future__ import annotations

import numpy as np
import pytest

from engine.network.cells import cell_names
from engine.network.model import Model
from engine.network.numerics import softmax
from engine.network.parameters import Architecture, initialize
from engine.probes.connectivity import MOST_PROBABLE, connectivity, explain, input_factor, weighted_distance
from engine.probes.occlusion import agreement, occlusion, ranks, spearman
from engine.probes.positions import ROWS
from engine.probes.reach import POSITIONS, REACH_BEFORE, reach, windows
from engine.probes.results import ConnectivityMode
from engine.text.vocabulary import Vocabulary
from tests import reference

SEQ, HIDDEN = 9, 7
CELLS = cell_names()
# (vocabulary, embedding, one-hot): folded into layer 0, one-hot, embeddings as they are, and wider than δ has rows
INPUTS = {"folded": (12, 8, False), "onehot": (12, 8, True), "embedded": (30, 5, False), "wide": (40, 8, True)}


def make(cell: str = "gru", layers: int = 1, kind: str = "folded", dtype: type = np.float64) -> Model:
    vocabulary, embedding, onehot = INPUTS[kind]
    architecture = Architecture(cell, vocabulary, HIDDEN, layers, embedding, onehot)
    return Model(initialize(architecture, np.random.default_rng(0), dtype))


def text_of(model: Model, length: int = SEQ) -> np.ndarray:
    return np.random.default_rng(1).integers(0, model.architecture.vocabulary_size, length)


def vocabulary_of(model: Model) -> Vocabulary:
    return Vocabulary(tuple(chr(ord("A") + k) for k in range(model.architecture.vocabulary_size)))


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_agrees_with_autograd_in_every_mode(cell: str, layers: int, kind: str) -> None:
    torch = pytest.importorskip("torch")
    from tests.torch_states import gradients, unroll

    model = make(cell, layers, kind)
    text = text_of(model, SEQ + 1)
    codes, targets = text[:-1], text[1:]
    judge = unroll(model.parameters, codes[:, None])
    logits, losses = np.zeros((2, SEQ, SEQ))
    for s, (z, k) in enumerate(zip(judge.logits, targets, strict=True)):
        logits[s] = [np.linalg.norm(g) for g in gradients(z[0, k], judge.inputs)]
        loss = torch.nn.functional.cross_entropy(z, torch.tensor([k]))
        losses[s] = [np.linalg.norm(g) for g in gradients(loss, judge.inputs)]
    modes: dict[ConnectivityMode, np.ndarray] = {"logit": logits, "squared": logits**2, "loss": losses}
    for mode, expected in modes.items():
        np.testing.assert_allclose(connectivity(model, codes, targets, mode)[0], expected, rtol=1e-9, atol=0)
    single = Model(model.parameters.astype(np.float32))
    np.testing.assert_allclose(connectivity(single, codes, targets)[0], logits, rtol=1e-4, atol=0)


@pytest.mark.parametrize("cell", CELLS)
def test_agrees_with_finite_differences_of_the_plain_reference(cell: str) -> None:
    model = make(cell, 2)
    text = text_of(model, 5)
    codes, targets = text[:-1], text[1:]

    def numbers(onehot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits = soft_logits(model, onehot)
        log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        places = np.arange(len(targets)), targets
        return logits[places], -log_probabilities[places]

    onehot = np.eye(12)[codes]
    step = 1e-6
    squares = np.zeros((2, 4, 4))
    for t in range(4):
        for v in range(12):
            change = np.zeros_like(onehot)
            change[t, v] = step
            upper, lower = numbers(onehot + change), numbers(onehot - change)
            slopes = (np.array(upper) - np.array(lower)) / (2 * step)
            squares[:, :, t] += slopes**2
    np.testing.assert_allclose(connectivity(model, codes, targets)[0], np.sqrt(squares[0]), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(
        connectivity(model, codes, targets, "loss")[0], np.sqrt(squares[1]), rtol=1e-6, atol=1e-9
    )


def soft_logits(model: Model, onehot: np.ndarray) -> np.ndarray:
    """Logits (T, V) of inputs (T, V) that need not be one-hot, by the plain reference."""
    return reference.run(model.parameters, onehot[:, None])[1][:, 0]


@pytest.mark.parametrize("cell", CELLS)
def test_nothing_rests_on_what_comes_later_and_everything_on_what_came_before(cell: str) -> None:
    model = make(cell, 2, dtype=np.float32)
    length = ROWS + 7  # more than one group of rows
    matrix, _, _ = connectivity(model, text_of(model, length), np.full(length, MOST_PROBABLE))
    causal = np.tri(length, dtype=bool)
    assert (matrix[causal] > 0).all()
    assert not matrix[~causal].any()


def test_a_position_does_not_depend_on_the_text_after_it() -> None:
    model = make("lstm", 2)
    length = 2 * ROWS + 3
    codes = text_of(model, length)
    targets = text_of(model, length)[::-1]
    whole, _, _ = connectivity(model, codes, targets)
    for s in (0, 1, ROWS - 1, ROWS, length - 1):
        part, _, _ = connectivity(model, codes[: s + 1], targets[: s + 1])
        np.testing.assert_allclose(part[s], whole[s, : s + 1], rtol=1e-9)


def test_a_linear_rnn_has_the_product_of_its_matrices() -> None:
    model = make("rnn", kind="onehot")
    for name in ("weight_ih", "bias_ih", "bias_hh"):
        model.parameters[f"rnn.{name}_l0"][...] *= 1e-7  # tanh is the identity to 1e-12 there
    model.refresh()
    codes, targets = text_of(model), text_of(model)[::-1]
    matrix, _, _ = connectivity(model, codes, targets)
    w_x, w_h = model.parameters["rnn.weight_ih_l0"], model.parameters["rnn.weight_hh_l0"]
    w_y = model.parameters["head.weight"]
    for s in range(SEQ):
        for t in range(s + 1):
            expected = w_y[targets[s]] @ np.linalg.matrix_power(w_h, s - t) @ w_x
            assert matrix[s, t] == pytest.approx(np.linalg.norm(expected), rel=1e-9)


@pytest.mark.parametrize(
    ("recurrence", "size", "length"), [(1e-3, 1e-4, 40), (30.0, 1e-20, 12)], ids=["vanishing", "exploding"]
)
def test_float32_weights_lose_no_digits_where_float32_has_not_the_range(
    recurrence: float, size: float, length: int
) -> None:
    model = make("rnn", kind="onehot", dtype=np.float32)
    for name in ("bias_ih", "bias_hh"):
        model.parameters[f"rnn.{name}_l0"][...] = 0
    model.parameters["rnn.weight_ih_l0"][...] = size
    model.parameters["rnn.weight_hh_l0"][...] = recurrence * np.eye(HIDDEN)
    model.refresh()
    codes, targets = text_of(model, length), np.full(length, 3)
    matrix, _, _ = connectivity(model, codes, targets)
    double, _, _ = connectivity(Model(model.parameters.astype(np.float64)), codes, targets)
    np.testing.assert_allclose(matrix, double, rtol=1e-4, atol=0)
    growth = matrix[-1, 0] / matrix[-1, -1]
    assert growth == pytest.approx(recurrence ** (length - 1.0), rel=1e-4)


def test_the_gradient_of_a_small_loss_has_its_digits_in_float32() -> None:
    model = make("gru", dtype=np.float32)
    model.parameters["head.bias"][3] = 25  # so that character 3 has a probability of 1 − 10⁻¹⁰
    codes, targets = text_of(model), np.full(SEQ, 3)
    double = connectivity(model.in_double(), codes, targets, "loss")[0]
    assert 0 < double[-1, -1] < 1e-9
    np.testing.assert_allclose(connectivity(model, codes, targets, "loss")[0], double, rtol=1e-4)


@pytest.mark.parametrize("kind", INPUTS)
def test_the_input_factor_keeps_the_norm_of_the_whole_input(kind: str) -> None:
    model = make("gru", kind=kind)
    layer, parameters = model.layers[0], model.parameters
    gates = parameters["rnn.weight_ih_l0"].reshape(3, HIDDEN, -1)[list(layer.input_order)].reshape(3 * HIDDEN, -1)
    whole = gates.T if model.architecture.onehot else parameters["embedding.weight"] @ gates.T
    deltas = np.random.default_rng(3).standard_normal((3 * HIDDEN, 20))
    factor = input_factor(model)
    np.testing.assert_allclose(np.linalg.norm(deltas.T @ factor, axis=1), np.linalg.norm(whole @ deltas, axis=0))
    assert factor.shape[1] <= min(whole.shape[0], 3 * HIDDEN, model.architecture.input_size)


def test_explain_asks_about_the_actual_the_most_probable_and_the_picked_character() -> None:
    model, vocabulary = make(), vocabulary_of(make())
    answer = explain(model, vocabulary, "AB?CA", step=7)
    assert (answer.step, answer.prompt, answer.skipped, answer.focus) == (7, "ABCA", "?", 3)
    assert answer.targets[:3] == ("B", "C", "A")
    assert answer.target_kind == ("actual", "actual", "actual", "probable")
    assert answer.targets[3] == answer.candidates[3][0].char
    codes, _ = vocabulary.encode("ABCA")
    expected, _, probabilities = connectivity(model, codes, np.append(codes[1:], MOST_PROBABLE))
    np.testing.assert_array_equal(answer.matrix, expected)
    assert answer.reach == pytest.approx(expected[3] @ [3, 2, 1, 0] / expected[3].sum())
    for s, candidates in enumerate(answer.candidates):
        assert [c.probability for c in candidates] == sorted(probabilities[:, s], reverse=True)[:5]
        assert [probabilities[vocabulary.encode(c.char)[0][0], s] for c in candidates] == [
            c.probability for c in candidates
        ]

    picked = explain(model, vocabulary, "AB?CA", position=1, candidate="F")
    assert picked.focus == 1
    assert (picked.targets[1], picked.target_kind[1]) == ("F", "picked")
    assert not np.allclose(picked.matrix[1], answer.matrix[1])
    np.testing.assert_array_equal(picked.matrix[2:], answer.matrix[2:])
    assert explain(model, vocabulary, "ABCA", position=99).focus == 3
    assert explain(model, vocabulary, "ABCA", candidate="?").target_kind[3] == "probable"


def test_explain_of_a_prompt_without_a_known_character() -> None:
    answer = explain(make(), vocabulary_of(make()), "?!")
    assert (answer.prompt, answer.skipped, answer.matrix.shape, answer.focus) == ("", "?!", (0, 0), -1)


def test_probabilities_are_the_models_own() -> None:
    model = make("lstm", 2)
    codes = text_of(model)
    _, _, probabilities = connectivity(model, codes, np.full(SEQ, MOST_PROBABLE))
    expected = softmax(reference.logits(model.parameters, codes[:, None])[:, 0].T)
    np.testing.assert_allclose(probabilities, expected, rtol=1e-9)


@pytest.mark.parametrize("focus", [0, 5, 139])
def test_occlusion_is_the_mean_change_of_the_logit_when_a_character_is_replaced(focus: int) -> None:
    model = make("lstm", 2)
    codes = text_of(model, 140)  # more changed prompts than are read side by side
    replacements = np.array([2, 5, 7])
    changes, _ = occlusion(model, codes, focus, 4, replacements)

    def logit(prompt: np.ndarray) -> float:
        work = model.workspace(len(prompt), 1, train=False)
        return float(model.forward(work, prompt[:, None])[4, focus])

    for t in {0, focus // 2, max(0, focus - 1), focus}:
        others = [np.concatenate([codes[:t], [r], codes[t + 1 :]]) for r in replacements if r != codes[t]]
        expected = np.mean([abs(logit(other) - logit(codes)) for other in others])
        assert changes[t] == pytest.approx(expected, rel=1e-9)
    assert not changes[focus + 1 :].any()


def test_occlusion_with_nothing_but_the_character_itself_changes_nothing() -> None:
    assert not occlusion(make(), np.full(5, 3), 4, 0, np.array([3]))[0].any()


def test_explain_compares_the_gradient_picture_with_occlusion() -> None:
    model, vocabulary = make("gru"), vocabulary_of(make())
    prompt = vocabulary.decode(text_of(model))
    answer = explain(model, vocabulary, prompt, position=6, candidate="C", replacements=np.arange(4))
    assert answer.occlusion is not None
    np.testing.assert_array_equal(answer.occlusion, occlusion(model, text_of(model), 6, 2, np.arange(4))[0])
    assert answer.rank_correlation == spearman(answer.matrix[6, :7], answer.occlusion[:7])
    assert explain(model, vocabulary, prompt).occlusion is None


def test_rank_correlation() -> None:
    values = np.array([3.0, 1.0, 4.0, 1.0, 5.0])
    np.testing.assert_array_equal(ranks(values), [3, 1.5, 4, 1.5, 5])
    assert spearman(values, values**3) == pytest.approx(1)
    assert spearman(values, -values) == pytest.approx(-1)
    assert spearman(np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 2, 4])) == pytest.approx(0.8)  # 1 − 6·2 / (4·15)
    tied = spearman(np.array([1.0, 2, 2, 3]), np.array([1.0, 2, 3, 4]))
    assert tied == pytest.approx(np.corrcoef([1, 2.5, 2.5, 4], [1, 2, 3, 4])[0, 1])
    assert spearman(values, np.ones(5)) is None
    assert spearman(values[:1], values[:1]) is None


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_reach_is_the_mean_over_windows_of_what_connectivity_says(cell: str, layers: int) -> None:
    model = make(cell, layers, "embedded")
    texts = np.random.default_rng(5).integers(0, 30, (SEQ + 1, 4))
    expected = [weighted_distance(connectivity(model, text[:-1], text[1:])[0][-1]) for text in texts.T]
    found = reach(model, texts)
    np.testing.assert_allclose(found.distances, expected, rtol=1e-9)
    assert found.mean == pytest.approx(sum(expected) / 4)
    assert found.before == SEQ
    squares = sum((each - sum(expected) / 4) ** 2 for each in expected)
    assert found.standard_error == pytest.approx((squares / 3 / 4) ** 0.5)
    assert np.isnan(reach(model, texts[:, :1]).standard_error)


def test_reach_of_a_network_without_recurrence_is_nothing() -> None:
    model = make("rnn")
    model.parameters["rnn.weight_hh_l0"][...] = 0
    model.refresh()
    assert reach(model, text_of(model, 40).reshape(10, 4)).mean == 0
    model.parameters["head.weight"][...] = 0
    model.refresh()
    assert reach(model, text_of(model, 40).reshape(10, 4)).mean == 0


def test_reach_is_known_where_gradients_explode_beyond_float32() -> None:
    """With h = 0, x_t has 10 times as much influence as x_{t+1}: the earliest of 60 has 0.9 of all of it."""
    model = make("rnn", kind="onehot", dtype=np.float32)
    for name in ("bias_ih", "bias_hh"):
        model.parameters[f"rnn.{name}_l0"][...] = 0
    model.parameters["rnn.weight_ih_l0"][:, :1] = 0  # the only character that is read
    model.parameters["rnn.weight_hh_l0"][...] = 10 * np.eye(HIDDEN)
    model.refresh()
    found = reach(model, np.zeros((61, 2), np.intp))
    distances = np.arange(60)
    assert found.distances == pytest.approx([np.average(distances, weights=10.0**distances)] * 2, rel=1e-6)


def test_windows_are_evenly_spaced_and_from_the_first_character_to_the_last() -> None:
    codes = np.arange(100, dtype=np.uint8)
    taken = windows(codes, 7, 12)
    assert taken.shape == (7, 12)
    assert (np.diff(taken, axis=0) == 1).all()
    assert (taken[0, 0], taken[-1, -1]) == (0, 99)
    assert windows(codes, 60, 12).shape == (60, 1)
    assert windows(codes, 200, 12).shape == (100, 1)
    assert windows(codes, 7, 12).dtype == np.intp


def changes_by_the_plain_cells(model: Model, codes: np.ndarray, target: int, replacements: np.ndarray) -> np.ndarray:
    """Mean |change of the last logit|, (S,), by the textbook's equations in float64."""
    others = [np.where(np.arange(len(codes)) == t, r, codes) for t in range(len(codes)) for r in replacements]
    logits = reference.logits(model.parameters.astype(np.float64), np.array([*others, codes]).T)[-1, :, target]
    changes = np.abs(logits[:-1] - logits[-1]).reshape(len(codes), -1)
    differs = replacements != codes[:, None]
    means: np.ndarray = (changes * differs).sum(axis=1) / np.maximum(1, differs.sum(axis=1))
    return means


def ranks_in_python(values: np.ndarray) -> list[float]:
    """Each value's rank, the mean of their ranks for equal ones."""
    return [float(sum(v < value for v in values) + (sum(v == value for v in values) + 1) / 2) for value in values]


@pytest.mark.parametrize(
    ("cell", "length", "scale", "single", "shown"),
    [("rnn", 200, 1.0, 0.65, 0.95), ("lstm", 200, 2.0, 0.65, 0.95), ("rnn", 100, 1.0, 0.7, 0.95)],
)
def test_the_check_of_a_long_prompt_ranks_changes_and_not_rounding(
    cell: str, length: int, scale: float, single: float, shown: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = initialize(Architecture(cell, 30, 128, onehot=True), np.random.default_rng(0))
    parameters["rnn.weight_hh_l0"][...] *= scale
    model = Model(parameters)  # in float32, as a run's network is
    codes, replacements = np.random.default_rng(1).integers(0, 30, length), np.array([2])
    expected = changes_by_the_plain_cells(model, codes, 4, replacements)
    assert np.median(expected) < 1e-8  # most of them are below the resolution of float32
    found, least = occlusion(model, codes, length - 1, 4, replacements)
    assert least < 1e-14
    tellable = expected > 1e-13
    np.testing.assert_allclose(found[tellable], expected[tellable], rtol=1e-2)
    assert (found[expected < 1e-17] == 0).all()

    gradient = connectivity(model, codes, np.append(codes[1:], 4))[0][-1]
    correlation = agreement(gradient, found, least)
    assert correlation is not None
    assert correlation > shown
    ties = [np.where(values < 1e-15, 0, values) for values in (gradient, expected)]
    assert correlation == pytest.approx(np.corrcoef([ranks_in_python(values) for values in ties])[0, 1], abs=0.02)
    monkeypatch.setattr(Model, "in_double", lambda self: self)  # what was shown before
    before = spearman(gradient, occlusion(model, codes, length - 1, 4, replacements)[0])
    assert before is not None
    assert before < single


def test_in_mode_loss_occlusion_compares_with_the_change_of_the_loss() -> None:
    model, vocabulary = make("gru"), vocabulary_of(make())
    codes, replacements = text_of(model), np.arange(4)
    answer = explain(model, vocabulary, vocabulary.decode(codes), position=6, mode="loss", replacements=replacements)
    assert answer.occlusion is not None
    target = int(codes[7])

    def loss(prompt: np.ndarray) -> float:
        logits = reference.logits(model.parameters, prompt[:, None])[6, 0]
        return float(np.log(np.exp(logits).sum()) - logits[target])

    for t in range(7):
        others = [np.concatenate([codes[:t], [r], codes[t + 1 :]]) for r in replacements if r != codes[t]]
        assert answer.occlusion[t] == pytest.approx(np.mean([abs(loss(o) - loss(codes)) for o in others]), rel=1e-6)


def test_reach_is_measured_at_so_many_places_as_the_help_says() -> None:
    """A place has 100 characters before the one that is predicted."""
    places = windows(np.zeros(10_000, np.uint8), REACH_BEFORE + 1, POSITIONS)
    assert places[:-1].shape == (100, 32)


@pytest.mark.parametrize("before", [100, 800])
def test_a_network_that_forgets_nothing_reaches_as_far_as_is_read(before: int) -> None:
    """Each character counts the same, so the reach is half of what is read: it says nothing of what lies further."""
    model = make("rnn", kind="onehot")
    for name in ("weight_ih", "bias_ih", "bias_hh"):
        model.parameters[f"rnn.{name}_l0"][...] *= 1e-7  # tanh is the identity to 1e-12 there
    model.parameters["rnn.weight_hh_l0"][...] = np.eye(HIDDEN)
    model.refresh()
    found = reach(model, windows(np.resize(text_of(model, 5000), 5000), before + 1, POSITIONS))
    assert found.mean == pytest.approx((before - 1) / 2, rel=1e-6)
