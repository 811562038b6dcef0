"""How weights begin: PyTorch's bounds, orthogonal and identity blocks, the forget bias."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.config import Config, from_mapping
from engine.network.cells import cell_names
from engine.network.model import Model
from engine.network.parameters import Architecture, Parameters, initialize
from engine.probes.gradient_flow import gradient_flow
from engine.syntax import parse_init
from engine.training.trainer import Trainer

H, D = 24, 8


def drawn(init: str, cell: str = "lstm", forget_bias: float = 0.0) -> Parameters:
    architecture = Architecture(cell, 12, H, 2, D)
    return initialize(architecture, np.random.default_rng(0), init=parse_init(init), forget_bias=forget_bias)


def blocks(parameters: Parameters, layer: int) -> list[np.ndarray]:
    return np.split(parameters[f"rnn.weight_hh_l{layer}"], len(parameters.architecture.gates))


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_uniform_has_the_bounds_and_the_spread_of_pytorchs(cell: str) -> None:
    torch = pytest.importorskip("torch")
    architecture = Architecture(cell, 50, 64, 2, 32)
    own = initialize(architecture, np.random.default_rng(0))
    embedding, recurrent = torch.nn.Embedding(50, 32), getattr(torch.nn, cell.upper())(32, 64, 2)
    head = torch.nn.Linear(64, 50)
    modules = {"embedding": embedding, "rnn": recurrent, "head": head}
    for kind, module in modules.items():
        for name, judge in module.named_parameters():
            values, wanted = own[f"{kind}.{name}"], judge.detach().numpy()
            assert values.shape == wanted.shape
            assert values.std() == pytest.approx(wanted.std(), rel=0.3)  # of at least 50 values
            if kind != "embedding":
                assert 0.9 / 8 < np.abs(values).max() <= 1 / 8


def test_a_bound_holds_for_every_parameter() -> None:
    own = drawn("uniform:0.08")
    for view in own.views.values():
        assert np.abs(view).max() <= np.float32(0.08)
    assert own.flat.std() == pytest.approx(0.08 / math.sqrt(3), rel=0.05)


def test_normal_has_its_deviation_and_no_biases() -> None:
    own = drawn("normal:0.01")
    assert own["rnn.weight_ih_l1"].std() == pytest.approx(0.01, rel=0.05)
    assert not any(view.any() for name, view in own.views.items() if "bias" in name)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_each_gates_block_is_orthogonal_and_no_two_are_the_same(cell: str) -> None:
    own = drawn("orthogonal", cell)
    found = [block for layer in range(2) for block in blocks(own, layer)]
    for block in found:
        np.testing.assert_allclose(block @ block.T, np.eye(H), atol=1e-6)
    assert len({block.tobytes() for block in found}) == len(found)
    assert np.abs(own["rnn.weight_ih_l0"]).max() <= 1 / math.sqrt(H)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_each_gates_block_is_the_identity(cell: str) -> None:
    own = drawn("identity", cell)
    for layer in range(2):
        for block in blocks(own, layer):
            np.testing.assert_array_equal(block, np.eye(H))
        assert not own[f"rnn.bias_hh_l{layer}"].any()
        assert own[f"rnn.bias_ih_l{layer}"].all()


@pytest.mark.parametrize("init", ["uniform", "uniform:0.08", "normal:0.01", "orthogonal", "identity"])
@pytest.mark.parametrize("cell", cell_names())
def test_the_forget_bias_is_added_to_the_forget_gates_bias_and_to_nothing_else(cell: str, init: str) -> None:
    plain, raised = drawn(init, cell), drawn(init, cell, forget_bias=1.5)
    place = {"lstm": 1, "minlstm": 0}.get(cell)  # i, f, g, o and f, i, h
    for name, view in plain.views.items():
        expected = view.copy()
        if place is not None and name.startswith("rnn.bias_ih"):
            expected[place * H : (place + 1) * H] += 1.5
        np.testing.assert_allclose(raised[name], expected, rtol=1e-6)


@pytest.mark.parametrize("text", ["", "normal", "normal:0", "uniform:", "uniform:-1", "orthogonal:2", "glorot", "0.1"])
def test_an_init_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is none of uniform, uniform:BOUND, normal:STD, orthogonal, identity"):
        parse_init(text)


def test_a_run_begins_as_its_settings_say() -> None:
    config = Config(cell="lstm", hidden=6, embedding=4, batch=2, seq=5, threads=1, init="identity", forget_bias=3.0)
    codes = np.random.default_rng(5).integers(0, 7, 100)
    own = Trainer(config, 7, codes, codes[:0]).parameters
    np.testing.assert_array_equal(own["rnn.weight_hh_l0"], np.tile(np.eye(6), (4, 1)))
    assert own["rnn.bias_ih_l0"][6:12].min() > 2 > own["rnn.bias_ih_l0"][:6].max()


def test_settings_that_were_written_before_there_was_a_forget_bias_still_open() -> None:
    old = {name: value for name, value in Config().to_json().items() if name not in ("forget_bias", "alpha")}
    assert from_mapping(old) == Config()


def test_an_orthogonal_rnn_sends_back_more_gradient_than_a_small_normal_one() -> None:
    """As the help of the gradients pane has it tried: an orthogonal matrix itself changes no gradient's length."""
    text = np.random.default_rng(1).integers(0, 12, (26, 4))
    norms = {}
    for init in ("normal:0.01", "orthogonal"):
        architecture = Architecture("rnn", 12, H, 1, D)
        model = Model(initialize(architecture, np.random.default_rng(0), init=parse_init(init)))
        found = gradient_flow(model, text[:-1], text[1:])
        norms[init] = found.norms[0] / found.norms[-1]
    assert norms["normal:0.01"] < 1e-20
    assert norms["orthogonal"] > 1e-8
