"""The fast cells against the plain ones and PyTorch, the plain ones against PyTorch and central differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import DTypeLike

from engine import arrays
from engine.network.cells import cell_names, plain, products, tape
from engine.network.cells.cell import cell_of
from engine.network.cells.layer import Observer
from engine.network.cells.plain import PLAIN
from engine.network.cells.plain.step import Weights
from engine.network.cells.tape import Sweep
from engine.network.model import Model
from engine.network.parameters import Architecture, Parameters, initialize
from tests import reference

SEQ, BATCH, HIDDEN = 7, 5, 11
CELLS = cell_names()
PYTORCHS = ("rnn", "gru", "lstm", "mingru", "minlstm")  # the cells of `tests/torch_model.py`
# (vocabulary, embedding, one-hot): the table folded into layer 0, one-hot input, and embeddings as they are;
# the last two also with units in several blocks, as for a batch so large that products of all units are too large.
INPUTS = {
    "folded": (20, 12, False),
    "onehot": (20, 12, True),
    "embedded": (40, 6, False),
    "onehot, in blocks": (20, 12, True),
    "embedded, in blocks": (40, 6, False),
}
BLOCKS, LARGE_BATCH = 4, 500


@pytest.fixture(autouse=True)
def _small_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products in pieces, whatever this machine has: the harder case."""
    monkeypatch.setattr(products, "small_is_fast", lambda: True)


def make(cell: str, layers: int, kind: str, dtype: type = np.float32) -> tuple[Model, np.ndarray]:
    vocabulary, embedding, onehot = INPUTS[kind]
    in_blocks = "in blocks" in kind
    architecture = Architecture(cell, vocabulary, 64 if in_blocks else HIDDEN, layers, embedding, onehot)
    parameters = initialize(architecture, np.random.default_rng(0), dtype)
    model = Model(parameters, batch=LARGE_BATCH if in_blocks else BATCH)
    assert model.folded == ("embedded" not in kind)
    assert {layer.blocks for layer in model.layers} == {BLOCKS if in_blocks and cell_of(cell).recurrent else 1}
    return model, np.random.default_rng(1).integers(0, vocabulary, (2 * SEQ + 1, BATCH))


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_float32_stays_within_rounding_of_the_plain_reference(cell: str, layers: int, kind: str) -> None:
    model, codes = make(cell, layers, kind)
    work = model.workspace(2 * SEQ, BATCH, train=False)
    logits = model.forward(work, codes[:-1]).reshape(-1, 2 * SEQ, BATCH).transpose(1, 2, 0)
    np.testing.assert_allclose(logits, reference.logits(model.parameters, codes[:-1]), atol=2e-6)


@pytest.mark.parametrize("last_only", [False, True])
@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", PYTORCHS)
def test_output_and_every_gradient_agree_with_pytorch(cell: str, layers: int, kind: str, last_only: bool) -> None:
    torch = pytest.importorskip("torch")
    from tests.torch_model import TorchModel

    model, codes = make(cell, layers, kind)
    work = model.workspace(SEQ, BATCH)
    gradient = model.parameters.zeros_like()
    model.forward(work, codes[:SEQ])  # a first window, so that the second starts from a carried state
    work.carry()
    judge = TorchModel(model.parameters)
    with torch.no_grad():
        _, state = judge(codes[:SEQ])
    logits, _ = judge(codes[SEQ:-1], state)
    own = model.forward(work, codes[SEQ:-1]).reshape(-1, SEQ, BATCH).transpose(1, 2, 0)
    np.testing.assert_allclose(own, logits.detach().numpy(), atol=1e-5)

    targets = torch.tensor(codes[SEQ + 1 :])
    steps = slice(-1, None) if last_only else slice(None)
    loss = torch.nn.functional.cross_entropy(logits[steps].flatten(0, 1), targets[steps].flatten())
    loss.backward()
    own_loss = model.loss_and_gradient(work, codes[SEQ:-1], codes[SEQ + 1 :], gradient, last_only=last_only)
    assert own_loss == pytest.approx(loss.item(), abs=1e-5)
    for name, expected in judge.gradients().items():
        np.testing.assert_allclose(gradient[name], expected, atol=1e-5 * max(1, np.abs(expected).max()), err_msg=name)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_rows_and_steps_that_are_multiplied_together_change_nothing(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a processor without AVX-512: 9 rows of a step are multiplied as 12, and W_ih x of 3 steps at once."""
    whole, codes = make(cell, 2, "embedded", np.float64)
    codes = np.random.default_rng(1).integers(0, 40, (2 * SEQ + 1, 9))
    monkeypatch.setattr(products, "small_is_fast", lambda: False)
    monkeypatch.setattr(products, "WORTH_PADDING", 1)
    monkeypatch.setattr(products, "ROWS_TOGETHER", 29)
    padded = Model(whole.parameters, batch=9)
    work = padded.workspace(2 * SEQ, 9)
    assert len(work.tapes[0].factors[0]) == 12
    assert work.tapes[1].together == 3
    monkeypatch.setattr(products, "small_is_fast", lambda: True)
    other = whole.workspace(2 * SEQ, 9)
    assert other.tapes[0].products.shape[2] == 9
    gradients = []
    for model, arrays_of_it in ((padded, work), (whole, other)):
        gradients.append(model.parameters.zeros_like())
        for _ in range(2):  # the second time the arrays have numbers of the first
            arrays_of_it.reset()
            model.loss_and_gradient(arrays_of_it, codes[:-1], codes[1:], gradients[-1])
    assert_close(gradients[0].flat, gradients[1].flat)


def some_state(parameters: Parameters, batch: int) -> reference.State:
    """A state that no zero hides: h within ±1, c beyond."""
    rng, scales = np.random.default_rng(2), (0.5, 1.5)
    return tuple(
        tuple(scale * rng.uniform(-1, 1, part.shape) for scale, part in zip(scales, layer, strict=False))
        for layer in reference.zero_state(parameters, batch)
    )


def assert_close(actual: np.ndarray, expected: np.ndarray, what: object = "") -> None:
    """To 1e-12 of the largest number."""
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12 * max(1, np.abs(expected).max()), err_msg=str(what))


@pytest.mark.parametrize("last_only", [False, True])
@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_the_fast_cells_are_the_plain_ones(cell: str, layers: int, kind: str, last_only: bool) -> None:
    """Outputs, states, and the gradients of every parameter and of every state, from a state that is not zero."""
    model, codes = make(cell, layers, kind, np.float64)
    inputs, targets, begin = codes[:SEQ], codes[1 : SEQ + 1], some_state(model.parameters, BATCH)
    steps, logits = reference.run(model.parameters, reference.onehot(model.parameters, inputs), begin)
    work, gradient = model.workspace(SEQ, BATCH), model.parameters.zeros_like()
    work.restore(begin)
    work.carry()
    loss = model.loss_and_gradient(work, inputs, targets, gradient, last_only=last_only)
    expected_losses = reference.losses(model.parameters, inputs, targets, begin)
    assert loss == pytest.approx((expected_losses[-1] if last_only else expected_losses).mean(), rel=1e-12)
    for own, expected_steps in zip(work.end_state(), steps, strict=True):
        for part, expected_part in zip(own, expected_steps[-1].state, strict=True):
            assert_close(part, expected_part)
    found, by_layer = reference.gradients(model.parameters, inputs, targets, begin, last_only=last_only)
    for name, expected in found.items():
        assert_close(gradient[name], expected, name)

    watched: dict[tuple[int, int], tuple[np.ndarray, ...]] = {}

    def observer(layer: int) -> Observer:
        def observe(t: int, d_states: tuple[np.ndarray, ...], delta: np.ndarray) -> None:
            watched[layer, t] = tuple(part.copy() for part in d_states)

        return observe

    work.restore(begin)
    work.carry()
    own_logits = model.forward(work, inputs)
    assert_close(own_logits.reshape(-1, SEQ, BATCH).transpose(1, 2, 0), logits)
    for layer, expected_steps in enumerate(steps):
        for value in cell_of(cell).kinds:
            assert_close(work.tapes[layer].values(value), np.array([getattr(step, value) for step in expected_steps]))
    _, d_outputs = model.head_and_loss(work, targets, gradient, last_only=last_only)
    sweeps = [Sweep(each, SEQ, BATCH) for each in model.layers]
    model.sweep_back(work, sweeps, d_outputs, {layer: observer(layer) for layer in range(layers)})
    assert len(watched) == layers * SEQ
    for (layer, t), d_states in watched.items():
        for own_part, expected_part in zip(d_states, by_layer[layer].states[t], strict=True):
            assert_close(own_part, expected_part, (layer, t))


@pytest.mark.parametrize("cell", ["mingru", "minlstm"])
def test_a_scan_in_pieces_is_the_plain_cell(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape, "IN_CACHE", 3 * BATCH * HIDDEN)
    monkeypatch.setattr(products, "rows_in_block", lambda *_, **__: 2)  # and products in blocks of two rows
    work = make(cell, 1, "folded")[0].workspace(SEQ, BATCH)
    assert work.sweeps[0].together == 3
    assert SEQ % 3  # so that the last piece is shorter
    test_the_fast_cells_are_the_plain_ones(cell, 2, "embedded", last_only=False)


def test_two_gates_of_a_minlstm_that_are_shut_share_evenly() -> None:
    model, codes = make("minlstm", 2, "folded")
    for layer in range(2):
        model.parameters[f"rnn.bias_ih_l{layer}"][: 2 * HIDDEN] = -200  # exp(200) is more than float32 can hold
    model.refresh()
    work = model.workspace(SEQ, BATCH, train=False)
    model.forward(work, codes[:SEQ])
    for own in work.tapes:
        f, i, n = (own.values(kind) for kind in "fin")
        assert max(f.max(), i.max()) < 1e-30
        mean = (own.states[:-1] + n) / 2
        np.testing.assert_allclose(own.outputs, mean, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_many_losses_go_back_over_one_sequence_at_once(cell: str) -> None:
    """As a probe sends them: each row of a sweep with S rows over a tape of batch 1 is a sweep of its own."""
    model, codes = make(cell, 1, "folded", np.float64)
    work = model.workspace(SEQ, 1, train=False)
    model.forward(work, codes[:SEQ, :1])
    d_outputs = np.random.default_rng(5).standard_normal((SEQ, 3, HIDDEN))
    layer, together = model.layers[0], Sweep(model.layers[0], SEQ, 3)
    layer.backward(work.tapes[0], together, d_outputs)
    for row in range(3):
        alone = Sweep(layer, SEQ, 1)
        layer.backward(work.tapes[0], alone, d_outputs[:, row : row + 1])
        assert_close(together.delta[:, row], alone.delta[:, 0])


@pytest.mark.parametrize("cell", PYTORCHS)
def test_the_plain_cells_are_pytorchs(cell: str) -> None:
    """In float64, from a state that is not zero: outputs, and the gradients of weights, inputs and that state."""
    torch = pytest.importorskip("torch")
    from tests.torch_model import recurrent

    rng, width = np.random.default_rng(3), 4
    judge = recurrent(cell, width, HIDDEN).double()
    with torch.no_grad():
        for parameter in judge.parameters():
            parameter.uniform_(-0.5, 0.5)
    names = [name.removesuffix("_l0") for name, _ in judge.named_parameters()]
    none = {"weight_hh": np.zeros((0, HIDDEN)), "bias_hh": np.zeros(0)}
    weights = Weights(**none | dict(zip(names, (each.detach().numpy() for each in judge.parameters()), strict=True)))
    inputs, d_outputs = rng.standard_normal((SEQ, BATCH, width)), rng.standard_normal((SEQ, BATCH, HIDDEN))
    begin = tuple(rng.uniform(-1, 1, (BATCH, HIDDEN)) for _ in cell_of(cell).states)
    x, *state = (torch.tensor(array, requires_grad=True) for array in (inputs, *begin))
    rows = [part[None] for part in state]
    outputs, _ = judge(x, tuple(rows) if len(rows) > 1 else rows[0])
    (outputs * torch.tensor(d_outputs)).sum().backward()

    steps = plain.forward(PLAIN[cell], weights, inputs, begin)
    assert_close(np.array([step.h for step in steps]), outputs.detach().numpy())
    found = plain.backward(PLAIN[cell], weights, steps, d_outputs)
    for name, parameter in zip(names, judge.parameters(), strict=True):
        assert parameter.grad is not None
        assert_close(getattr(found.weights, name), parameter.grad.numpy(), name)
    assert_close(found.inputs, x.grad.numpy())
    for own, expected in zip(found.before, state, strict=True):
        assert_close(own, expected.grad.numpy())


@pytest.mark.parametrize("cell", CELLS)
def test_the_plain_gradients_agree_with_central_differences(cell: str) -> None:
    """Along single axes, one in each parameter, so that no error hides in a sum over directions."""
    model, codes = make(cell, 2, "folded", np.float64)
    parameters, inputs, targets = model.parameters, codes[:SEQ], codes[1 : SEQ + 1]
    begin, epsilon = some_state(parameters, BATCH), 1e-5
    gradient, _ = reference.gradients(parameters, inputs, targets, begin)
    for name, view in parameters.views.items():
        place = np.unravel_index(np.abs(gradient[name]).argmax(), view.shape)
        kept = view[place]
        view[place] = kept + epsilon
        up = reference.losses(parameters, inputs, targets, begin).mean()
        view[place] = kept - epsilon
        down = reference.losses(parameters, inputs, targets, begin).mean()
        view[place] = kept
        assert gradient[name][place] == pytest.approx((up - down) / (2 * epsilon), rel=1e-6), name


@pytest.mark.parametrize("cell", CELLS)
def test_a_description_is_true(cell: str) -> None:
    described, (model, codes) = cell_of(cell), make(cell, 1, "folded")
    model.parameters.flat[:] *= 20  # so that all values come near their bounds
    model.refresh()
    work = model.workspace(SEQ, BATCH)
    work.restore(tuple(tuple(3 * part for part in layer) for layer in some_state(model.parameters, BATCH)))
    model.forward(work, codes[:SEQ])
    for kind in described.kinds:
        values = work.tapes[0].values(kind)
        assert (values.max() > 1) == (kind in described.unbounded)
        assert (values.min() >= 0) == (kind in described.sigmoids)


@pytest.mark.parametrize("cell", CELLS)
def test_a_description_counts_the_floats_that_are_kept(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    described, (model, _) = cell_of(cell), make(cell, 1, "folded")
    sizes, seq = [], 1000  # so many steps that the one state more is rounded away

    def zeros(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
        sizes.append(math.prod(shape))
        return np.zeros(shape, dtype)

    monkeypatch.setattr(arrays, "zeros", zeros)
    model.workspace(seq, BATCH)
    kept = 1 + described.tape_floats + 1 + described.delta_floats  # h and the tape, ∂ℓ/∂h and δ
    assert round(sum(sizes) / (seq * BATCH * HIDDEN), 1) == kept


@pytest.mark.parametrize("cell", CELLS)
def test_the_carried_state_continues_the_window_before(cell: str) -> None:
    model, codes = make(cell, 2, "folded", np.float64)
    whole = model.workspace(2 * SEQ, BATCH, train=False)
    expected = model.forward(whole, codes[:-1]).reshape(-1, 2 * SEQ, BATCH)[:, SEQ:]
    half = model.workspace(SEQ, BATCH, train=False)
    model.forward(half, codes[:SEQ])
    state = half.end_state()
    half.carry()
    np.testing.assert_allclose(model.forward(half, codes[SEQ:-1]).reshape(-1, SEQ, BATCH), expected, rtol=1e-12)
    other = model.workspace(SEQ, BATCH, train=False)
    other.restore(state)
    other.carry()
    np.testing.assert_array_equal(
        model.forward(other, codes[SEQ:-1]).reshape(-1, SEQ, BATCH), half.logits.reshape(-1, SEQ, BATCH)
    )


@pytest.mark.parametrize("cell", CELLS)
def test_dropout_scales_what_it_keeps_and_its_gradient_follows_the_same_mask(cell: str) -> None:
    architecture = Architecture(cell, 20, HIDDEN, 2, 12, dropout=0.4)
    model = Model(initialize(architecture, np.random.default_rng(0), np.float64))
    codes = np.random.default_rng(1).integers(0, 20, (SEQ + 1, BATCH))
    work, gradient = model.workspace(SEQ, BATCH), model.parameters.zeros_like()

    def loss() -> float:
        model.refresh()
        return model.loss_and_gradient(work, codes[:-1], codes[1:], gradient, rng=np.random.default_rng(3))

    loss()
    kept = work.masks[0] > 0
    np.testing.assert_allclose(work.masks[0][kept], 1 / 0.6)
    assert 0.4 < kept.mean() < 0.8
    analytic = gradient.flat.copy()
    direction = np.random.default_rng(4).standard_normal(analytic.shape)
    start = model.parameters.flat.copy()
    ends = []
    for sign in (1, -1):
        model.parameters.flat[:] = start + sign * 1e-5 * direction
        ends.append(loss())
    assert analytic @ direction == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6)
    model.parameters.flat[:] = start
    model.refresh()
    undropped = model.forward(work, codes[:-1]).copy()
    np.testing.assert_allclose(undropped, model.forward(model.workspace(SEQ, BATCH, train=False), codes[:-1]))


@pytest.mark.parametrize("cell", CELLS)
def test_a_clamped_unit_stays_where_it_is_held(cell: str) -> None:
    model, codes = make(cell, 2, "folded")
    work = model.workspace(SEQ, BATCH, train=False)
    free = model.forward(work, codes[:SEQ]).copy()
    held = model.forward(work, codes[:SEQ], clamps={1: ((3, 0.5),)})
    np.testing.assert_array_equal(work.tapes[1].outputs[:, :, 3], np.float32(0.5))
    assert not np.allclose(free, held)


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("cell", CELLS)
def test_a_text_of_no_characters_has_no_logits(cell: str, kind: str) -> None:
    model, codes = make(cell, 2, kind)
    work = model.workspace(0, 1, train=False)
    assert model.forward(work, codes[:0, :1]).shape == (len(model.head_weight), 0)
