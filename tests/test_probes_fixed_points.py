"""Fixed points of networks in which they are known, and of a trained one judged by PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.network.model import Model
from engine.network.parameters import Architecture, Parameters, initialize
from engine.probes.fixed_points import MERGED, REACHED, fixed_points, one_step, search, why_not
from engine.text import brackets
from engine.text.vocabulary import Vocabulary


def two_units(weight_hh: np.ndarray, bias: np.ndarray) -> Model:
    """h = tanh(W h + b), whatever is read."""
    parameters = Parameters(Architecture("rnn", 3, 2, 1, 2), np.float64)
    parameters["rnn.weight_hh_l0"][...] = weight_hh
    parameters["rnn.bias_hh_l0"][...] = bias
    return Model(parameters)


def root(gain: float) -> float:
    """The positive h with h = tanh(gain · h), by bisection."""
    low, high = 1e-3, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.tanh(gain * middle) > middle else (low, middle)
    return low


def test_two_units_that_each_remember_a_bit_have_nine_fixed_points_of_known_kinds() -> None:
    # h_i = tanh(2 h_i) has the zeros 0 and ±r; the slope at 0 is 2, at ±r it is 2 (1 − r²) < 1.
    r = root(2.0)
    starts = np.random.default_rng(0).uniform(-1, 1, (300, 2))
    found = fixed_points(two_units(2 * np.eye(2), np.zeros(2)), 0, starts)
    places = {tuple(np.round(point.state / r).astype(int)): point for point in found.points}
    assert set(places) == {(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)}
    assert len(found.points) == 9
    assert found.tried == 300
    assert 9 <= found.arrived <= 300
    for signs, point in places.items():
        np.testing.assert_allclose(point.state, r * np.array(signs), atol=1e-9)
        slopes = sorted((2.0 if sign == 0 else 2 * (1 - r**2) for sign in signs), reverse=True)
        np.testing.assert_allclose(point.eigenvalues.real, slopes, atol=1e-9)
        assert point.kind == ("stable", "saddle", "repeller")[signs.count(0)]
        assert point.largest == pytest.approx(slopes[0])
        assert point.q < REACHED


def test_a_rotation_has_complex_eigenvalues_and_is_stable_only_if_it_shrinks() -> None:
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    starts = np.random.default_rng(0).uniform(-0.5, 0.5, (20, 2))
    for factor, kind in ((0.9, "stable"), (1.2, "repeller")):
        (point,) = fixed_points(two_units(factor * turn, np.zeros(2)), 1, starts).points
        np.testing.assert_allclose(point.state, 0, atol=1e-9)
        np.testing.assert_allclose(np.abs(point.eigenvalues), factor)
        assert point.kind == kind


def test_where_there_is_no_fixed_point_none_is_reported() -> None:
    # c = f ∘ c₋₁ + i ∘ g with f near 1 and i·g near 1 grows for ever: q stays at ½ or so.
    parameters = Parameters(Architecture("lstm", 3, 1, 1, 2), np.float64)
    parameters["rnn.bias_ih_l0"][...] = 40  # all gates open, g = 1
    found = fixed_points(Model(parameters), 0, np.zeros((5, 2)))
    assert (found.points, found.tried, found.arrived) == ((), 5, 0)


def test_a_state_that_only_moves_slowly_is_no_fixed_point() -> None:
    # With z near 1 the gru moves by (1 − z)(n − h) ≈ 1e-8 anywhere: q < 1e-12, but n = h is far away.
    parameters = Parameters(Architecture("gru", 3, 2, 1, 2), np.float64)
    parameters["rnn.bias_ih_l0"][2:4] = 18
    parameters["rnn.bias_ih_l0"][4:] = 0.5
    after, _ = one_step(Model(parameters), 0)
    start = np.full((1, 2), -0.6)
    assert 0.5 * np.sum((after(start) - start) ** 2) < REACHED
    found = fixed_points(Model(parameters), 0, start)
    for point in found.points:
        np.testing.assert_allclose(point.state, np.tanh(0.5), atol=MERGED)


def test_a_start_that_is_not_finite_leads_nowhere() -> None:
    starts = np.array([[np.nan, 0.0], [0.1, 0.1]])
    found = fixed_points(two_units(0.5 * np.eye(2), np.zeros(2)), 0, starts)
    assert (len(found.points), found.tried, found.arrived) == (1, 2, 1)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_step_and_its_jacobian_are_pytorchs(cell: str) -> None:
    import torch

    from tests.torch_model import TorchModel

    single = initialize(Architecture(cell, 5, 4, 1, 3), np.random.default_rng(1))  # `TorchModel` rounds to float32
    single.flat *= 2
    parameters = single.astype(np.float64)
    after, jacobian = one_step(Model(parameters), 2)
    network = TorchModel(parameters, torch.float64)
    autograd: Any = torch.autograd.functional

    def step(state: torch.Tensor) -> torch.Tensor:
        parts = tuple(part.reshape(1, 1, 4) for part in torch.tensor_split(state, len(state) // 4))
        _, end = network.outputs(network.onehot(np.array([[2]])), parts if cell == "lstm" else parts[0])
        return torch.cat([part.reshape(-1) for part in (end if cell == "lstm" else (end,))])

    for state in np.random.default_rng(3).uniform(-1, 1, (3, 8 if cell == "lstm" else 4)):
        at = torch.tensor(state)
        np.testing.assert_allclose(after(state[None])[0], step(at).detach().numpy(), atol=1e-12)
        expected = autograd.jacobian(step, at).numpy()
        np.testing.assert_allclose(jacobian(state[None])[0], expected, atol=1e-12)


def test_every_fixed_point_of_a_trained_gru_is_one_in_pytorch() -> None:
    import torch

    from engine.config import PRESETS, from_mapping
    from engine.training.trainer import Trainer
    from tests.torch_model import TorchModel

    config = from_mapping({**PRESETS["brackets"], "threads": 1, "workers": 1})
    vocabulary = Vocabulary(tuple(sorted(brackets.CHARACTERS)))
    codes, _ = vocabulary.encode("".join(brackets.blocks(40_000)))
    trainer = Trainer(config, len(vocabulary), codes[:36_000], codes[36_000:])
    for _ in range(600):
        trainer.step()
    parameters = trainer.parameters.astype(np.float64)
    work = trainer.model.workspace(100, 1, train=False)
    trainer.model.forward(work, codes[:100, None])
    network = TorchModel(parameters, torch.float64)
    count = 0
    for code in range(len(vocabulary)):
        for point in fixed_points(Model(parameters), code, work.outputs).points:
            state = torch.tensor(point.state)
            _, after = network.outputs(network.onehot(np.array([[code]])), state.reshape(1, 1, -1))
            assert 0.5 * float(((after.detach().reshape(-1) - state) ** 2).sum()) < REACHED
            count += 1
    assert count >= 4  # not an empty loop


def test_of_other_networks_it_is_said_why_none_are_looked_for() -> None:
    def network(cell: str, hidden: int = 4, layers: int = 1) -> Model:
        return Model(Parameters(Architecture(cell, 3, hidden, layers, 2)))

    assert why_not(network("gru")) == ""
    assert why_not(network("rnn", 512)) == ""
    assert "not in a mingru" in why_not(network("mingru"))
    assert "one layer; this one has 2" in why_not(network("gru", layers=2))
    assert "at most 512 numbers; this one has 514" in why_not(network("lstm", 257))
    with pytest.raises(ValueError, match="not in a minlstm"):
        next(search(network("minlstm"), 0, np.zeros((1, 4))))
