"""Every cell against three judges: the plain float64 reference, PyTorch, and central differences."""

from __future__ import annotations

import numpy as np
import pytest

from engine.network.cells import products
from engine.network.model import Model
from engine.network.parameters import Architecture, Parameters, initialize
from tests import reference

SEQ, BATCH, HIDDEN = 7, 5, 11
CELLS = ("rnn", "gru", "lstm")
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
    assert {layer.blocks for layer in model.layers} == {BLOCKS if in_blocks else 1}
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
@pytest.mark.parametrize("cell", CELLS)
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


@pytest.mark.parametrize("last_only", [False, True])
@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_every_gradient_agrees_with_central_differences(cell: str, layers: int, kind: str, last_only: bool) -> None:
    model, codes = make(cell, layers, kind, np.float64)
    parameters, gradient = model.parameters, model.parameters.zeros_like()
    inputs, targets = codes[:SEQ, :2], codes[1 : SEQ + 1, :2]  # two sequences keep the plain loop short
    model.loss_and_gradient(model.workspace(SEQ, 2), inputs, targets, gradient, last_only=last_only)

    def loss(flat: np.ndarray) -> float:
        moved = Parameters(parameters.architecture, np.float64)
        moved.flat[:] = flat
        per_step = reference.losses(moved, inputs, targets)
        return float((per_step[-1] if last_only else per_step).mean())

    rng = np.random.default_rng(2)
    for _ in range(3):
        direction = rng.standard_normal(parameters.flat.shape)
        direction /= np.linalg.norm(direction)
        epsilon = 1e-4
        forward, backward = loss(parameters.flat + epsilon * direction), loss(parameters.flat - epsilon * direction)
        assert gradient.flat @ direction == pytest.approx((forward - backward) / (2 * epsilon), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("cell", CELLS)
def test_single_parameters_agree_with_central_differences(cell: str) -> None:
    """Along single axes, one in each parameter, so that no error hides in a sum over directions."""
    model, codes = make(cell, 2, "folded", np.float64)
    inputs, targets = codes[:SEQ, :1], codes[1 : SEQ + 1, :1]
    gradient = model.parameters.zeros_like()
    model.loss_and_gradient(model.workspace(SEQ, 1), inputs, targets, gradient)
    for name, view in model.parameters.views.items():
        place = np.unravel_index(np.abs(gradient[name]).argmax(), view.shape)
        kept, epsilon = view[place], 1e-5
        view[place] = kept + epsilon
        up = reference.losses(model.parameters, inputs, targets).mean()
        view[place] = kept - epsilon
        down = reference.losses(model.parameters, inputs, targets).mean()
        view[place] = kept
        assert gradient[name][place] == pytest.approx((up - down) / (2 * epsilon), rel=1e-6), name


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
