"""Gradient flow against PyTorch's autograd, closed forms, and its own promises about the histogram."""

from __future__ import annotations

import json
from typing import Literal

import numpy as np
import pytest

from engine.network.model import Model
from engine.network.parameters import Architecture, Parameters, initialize
from engine.probes.gradient_flow import EDGES, back_propagated, finite, gradient_flow, histograms
from engine.probes.positions import ROWS
from engine.probes.results import GradientView
from engine.probes.spectrum import largest_singular_value, spectral_radius, spectrum
from tui.rendering.gradient_words import NOTE_ON_GATES, matrix_note, verdict
from tui.rendering.numbers import superscript

SEQ, BATCH, HIDDEN, VOCABULARY = 6, 3, 7, 12
CELLS_AND_STATES = [("rnn", "h"), ("gru", "h"), ("lstm", "h"), ("lstm", "c"), ("mingru", "h"), ("minlstm", "h")]


def make(cell: str, layers: int = 1, seed: int = 0) -> tuple[Model, np.ndarray, np.ndarray]:
    architecture = Architecture(cell, VOCABULARY, HIDDEN, layers, embedding_size=8)
    text = np.random.default_rng(1).integers(0, VOCABULARY, (SEQ + 1, BATCH))
    return Model(initialize(architecture, np.random.default_rng(seed))), text[:-1], text[1:]


@pytest.mark.parametrize("view", ["single", "training", "triangle"])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize(("cell", "state"), CELLS_AND_STATES)
def test_agrees_with_autograd(cell: str, state: Literal["h", "c"], layers: int, view: GradientView) -> None:
    torch = pytest.importorskip("torch")
    from tests.torch_states import gradients, unroll

    model, codes, targets = make(cell, layers)
    judge = unroll(model.parameters, codes)
    wanted = torch.tensor(targets)
    losses = [torch.nn.functional.cross_entropy(z, k) for z, k in zip(judge.logits, wanted, strict=True)]
    for layer in range(layers):
        flow = gradient_flow(model, codes, targets, view=view, layer=layer, state=state, step=5)
        states = judge.states(layer, state)
        expected = gradients(sum(losses) / SEQ if view == "training" else losses[-1], states)
        np.testing.assert_allclose(flow.norms, [np.linalg.norm(g) for g in expected], rtol=1e-9)
        parts = [np.linalg.norm(np.reshape(g, (BATCH, -1)), axis=1) for g in expected]  # each window's part
        assert flow.window_norms is not None
        np.testing.assert_allclose(flow.window_norms, parts, rtol=1e-9)
        np.testing.assert_array_equal(flow.counts, [np.histogram(g, EDGES)[0] for g in expected])
        if view == "triangle":
            assert flow.triangle is not None
            norms = [[np.linalg.norm(g) for g in gradients(loss, states)] for loss in losses]
            np.testing.assert_allclose(flow.triangle, norms, rtol=1e-9, atol=0)
        else:
            assert flow.triangle is None
        assert (flow.step, flow.view, flow.layer, flow.state) == (5, view, layer, state)


@pytest.mark.parametrize("last_only", [False, True])
def test_the_view_training_is_of_the_loss_that_is_trained(last_only: bool) -> None:
    model, codes, targets = make("gru")
    double = Model(model.parameters.astype(np.float64))
    flow = gradient_flow(model, codes, targets, view="training", last_only=last_only)
    expected = back_propagated(double, codes, targets, layer=0, state="h", last_only=last_only)
    np.testing.assert_array_equal(flow.norms, np.linalg.norm(expected, axis=1))
    single = gradient_flow(model, codes, targets, last_only=last_only)
    assert np.allclose(flow.norms, single.norms) == last_only


def test_every_value_is_in_the_histogram_and_all_share_one_grid() -> None:
    model, codes, targets = make("lstm")
    first = gradient_flow(model, codes, targets)
    model.parameters.flat[:] *= 3
    model.refresh()
    second = gradient_flow(model, codes, targets, view="training", state="c")
    for flow in (first, second):
        assert flow.edges is EDGES
        assert flow.counts.shape == (SEQ, len(EDGES) - 1)
        assert (flow.counts.sum(axis=1) == BATCH * HIDDEN).all()


def test_the_grid_is_symmetric_and_tells_zero_from_small_and_overflow_from_large() -> None:
    np.testing.assert_array_equal(EDGES, -EDGES[::-1])
    assert (np.diff(EDGES) > 0).all()
    magnitudes = EDGES[len(EDGES) // 2 : -1]
    np.testing.assert_allclose(magnitudes[1:] / magnitudes[:-1], magnitudes[1] / magnitudes[0], rtol=1e-9)
    middle, last = len(EDGES) // 2 - 1, len(EDGES) - 2
    values = np.array([[0.0, 1e-44, -1e-44, np.inf, -1e5, np.nan]])
    places = np.flatnonzero(histograms(values)[0])
    np.testing.assert_array_equal(places[[0, -1]], [0, last])
    assert histograms(values)[0][[0, middle, last]].tolist() == [1, 1, 2]


def test_the_edges_survive_json_and_count_the_same() -> None:
    model, codes, targets = make("rnn")
    edges = json.loads(json.dumps(finite(EDGES), allow_nan=False))
    assert np.isfinite(edges).all()
    values = back_propagated(Model(model.parameters), codes, targets, layer=0, state="h", last_only=True)
    again = [np.histogram(row, edges)[0] for row in values]
    np.testing.assert_array_equal(histograms(values), again)


def linear_rnn(scale: float, seq: int) -> tuple[Model, np.ndarray, np.ndarray]:
    """An RNN so near zero that tanh is the identity to 1e-12, with W_hh = scale·I."""
    parameters = initialize(Architecture("rnn", VOCABULARY, HIDDEN, onehot=True), np.random.default_rng(0), np.float64)
    for name in ("weight_ih", "bias_ih", "bias_hh"):
        parameters[f"rnn.{name}_l0"][...] *= 1e-7
    parameters["rnn.weight_hh_l0"][...] = scale * np.eye(HIDDEN)
    text = np.random.default_rng(1).integers(0, VOCABULARY, (seq + 1, BATCH))
    return Model(parameters), text[:-1], text[1:]


@pytest.mark.parametrize("scale", [0.1, 0.9, 1.1])
def test_a_linear_rnn_multiplies_the_gradient_by_its_matrix_at_every_step(scale: float) -> None:
    seq = 30
    flow = gradient_flow(*linear_rnn(scale, seq))
    powers = scale ** np.arange(seq - 1, -1, -1.0)
    np.testing.assert_allclose(flow.norms, flow.norms[-1] * powers, rtol=1e-8)
    assert flow.sigma["h"] == pytest.approx(scale)
    assert flow.rho["h"] == pytest.approx(scale)


def test_a_windows_part_is_what_it_sends_back_alone() -> None:
    """Of a mean over the batch it is one of `BATCH` parts; the other windows change nothing in it."""
    model, codes, targets = make("lstm")
    flow = gradient_flow(model, codes, targets)
    assert flow.window_norms is not None
    for window in range(BATCH):
        alone = gradient_flow(model, codes[:, [window]], targets[:, [window]])
        np.testing.assert_allclose(flow.window_norms[:, window], alone.norms / BATCH, rtol=1e-9)


def exploding(cell: str, seq: int) -> tuple[Model, np.ndarray, np.ndarray]:
    """An LSTM with W_hg, or a GRU with W_hr, of 0.95·I, and no other recurrent weights: no block has σ above 1.

    The inputs are cut off, so the state stays at 0, an unstable fixed point. The LSTM's gates are all open: a step
    multiplies by 1 + 0.95. In the GRU, z is shut and n = tanh(40 r − 20), r = σ(0.95 h): by 40 · 0.95 / 4.
    """
    parameters = initialize(Architecture(cell, VOCABULARY, HIDDEN, onehot=True), np.random.default_rng(0), np.float64)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        parameters[f"rnn.{name}_l0"][...] = 0
    names = parameters.architecture.gates
    gates, biases = (
        dict(zip(names, np.split(parameters[f"rnn.{kind}_l0"], len(names)), strict=True))
        for kind in ("weight_hh", "bias_ih")
    )
    gates["g" if cell == "lstm" else "r"][...] = 0.95 * np.eye(HIDDEN)
    if cell == "lstm":
        for gate in "ifo":
            biases[gate][...] = 40
    else:
        biases["z"][...], biases["n"][...] = -40, -20
        parameters["rnn.bias_hh_l0"][2 * HIDDEN :] = 40
    text = np.random.default_rng(1).integers(0, VOCABULARY, (seq + 1, BATCH))
    return Model(parameters), text[:-1], text[1:]


@pytest.mark.parametrize(("cell", "growth"), [("lstm", 1.95), ("gru", 9.5)])
def test_a_gated_cell_explodes_though_no_block_has_sigma_above_one(cell: str, growth: float) -> None:
    """The growth of the whole state's Jacobian decides, and the verdict names the explosion; see `exploding`."""
    torch = pytest.importorskip("torch")
    from tests.torch_states import gradients, unroll

    model, codes, targets = exploding(cell, 50)
    flow = gradient_flow(model, codes, targets)
    judge = unroll(model.parameters, codes)
    loss = torch.nn.functional.cross_entropy(judge.logits[-1], torch.tensor(targets[-1]))
    expected = [np.linalg.norm(g) for g in gradients(loss, judge.states(0, "h"))]
    np.testing.assert_allclose(flow.norms, expected, rtol=1e-9)
    assert max(flow.sigma.values()) == pytest.approx(0.95)
    decades = np.log10(flow.norms[0] / flow.norms[-1])
    assert decades == pytest.approx(49 * np.log10(growth), abs=0.5)  # 10^14 and 10^48
    assert f"grows 10{superscript(round(decades))}-fold over 49 steps back" in verdict(flow)
    assert ": it explodes on this batch." in verdict(flow)
    assert matrix_note(flow, cell) == NOTE_ON_GATES


def test_a_gradient_far_below_float32_keeps_its_digits() -> None:
    model, codes, targets = linear_rnn(0.1, 60)
    single = Model(model.parameters.astype(np.float32))
    flow = gradient_flow(single, codes, targets)
    assert 0 < flow.norms[0] < 1e-58
    assert flow.norms[0] / flow.norms[-1] == pytest.approx(1e-59, rel=1e-4)


def test_the_triangle_of_a_text_longer_than_one_group_of_columns() -> None:
    model, _, _ = make("gru")
    text = np.random.default_rng(2).integers(0, VOCABULARY, (2 * ROWS + 4, 2))
    codes, targets = text[:-1], text[1:]
    triangle = gradient_flow(model, codes, targets, view="triangle").triangle
    assert triangle is not None
    for s in (0, ROWS // 2, ROWS, 2 * ROWS + 2):
        shorter = gradient_flow(model, codes[: s + 1], targets[: s + 1])
        np.testing.assert_allclose(triangle[s, : s + 1], shorter.norms, rtol=1e-9)
        assert not triangle[s, s + 1 :].any()


def test_only_an_lstm_has_a_cell_state() -> None:
    with pytest.raises(ValueError, match="a gru has no state 'c'"):
        gradient_flow(*make("gru"), state="c")


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_singular_value_and_spectral_radius_of_every_gate(cell: str) -> None:
    model, _, _ = make(cell, layers=2)
    sigma, rho = spectrum(model, 1)
    gates = model.architecture.gates
    blocks = np.split(model.parameters["rnn.weight_hh_l1"].astype(np.float64), len(gates))
    assert tuple(sigma) == tuple(rho) == gates
    for gate, block in zip(gates, blocks, strict=True):
        assert sigma[gate] == pytest.approx(np.linalg.svd(block, compute_uv=False)[0])
        assert rho[gate] == pytest.approx(np.abs(np.linalg.eigvals(block)).max(), rel=1e-8)
        assert rho[gate] <= sigma[gate]


@pytest.mark.parametrize(
    ("matrix", "radius"),
    [
        ([[0.0, 5.0], [0.0, 0.0]], 0.0),  # nilpotent: a large σ, and yet nothing survives two steps
        ([[0.0, -2.0], [2.0, 0.0]], 2.0),  # a rotation
        ([[0.5, 100.0], [0.0, 0.4]], 0.5),
        ([[1.0, 1.0], [0.0, 1.0]], 1.0),  # not diagonalisable
        ([[-3.0]], 3.0),
    ],
)
def test_spectral_radius_in_closed_form(matrix: list[list[float]], radius: float) -> None:
    assert spectral_radius(np.array(matrix)) == pytest.approx(radius, rel=1e-6)


@pytest.mark.parametrize("size", [1e-300, 1.0, 1e300])
def test_singular_value_of_large_and_small_numbers(size: float) -> None:
    assert largest_singular_value(np.array([[3.0, 0.0], [4.0, 5.0]]) * size) == pytest.approx(45**0.5 * size)
    assert largest_singular_value(np.zeros((2, 2))) == 0


def test_a_matrix_that_is_not_finite_has_no_spectrum() -> None:
    model, _, _ = make("rnn")
    parameters: Parameters = model.parameters
    parameters["rnn.weight_hh_l0"][0, 0] = np.inf
    sigma, rho = spectrum(model)
    assert np.isnan([sigma["h"], rho["h"]]).all()
