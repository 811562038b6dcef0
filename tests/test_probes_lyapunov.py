"""Lyapunov exponents against matrices with known eigenvalues, and against Jacobians of PyTorch's autograd."""

from __future__ import annotations

import math
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.network.cells import cell_names
from engine.network.cells.cell import cell_of
from engine.network.model import Model
from engine.network.parameters import Architecture, initialize
from engine.probes.lyapunov import exponents, in_pieces, largest, memory_time, stretches, warm_up_of
from engine.runs.reader import RunReader
from tests.finished_run import finish_run

V, H = 7, 4
CODES = np.random.default_rng(5).integers(0, V, 160)


def network(cell: str, layers: int = 1, onehot: bool = False, gain: float = 2.0) -> Model:
    parameters = initialize(Architecture(cell, V, H, layers, 3, onehot), np.random.default_rng(3), np.float64)
    parameters.flat *= gain
    return Model(parameters)


def linear(matrix: np.ndarray) -> Model:
    """An RNN that never leaves zero: J_t is `matrix` itself at every step."""
    model = network("rnn")
    for name, weight in model.parameters.of_layer(0).items():
        weight[...] = matrix if name == "weight_hh" else 0
    model.refresh()
    return model


def judged(model: Model, codes: np.ndarray, warm_up: int, start: np.ndarray) -> np.ndarray:
    """The exponents from PyTorch's own cells, its autograd's Jacobians and its QR, not sorted."""
    import torch

    from tests.torch_model import TorchModel

    network = TorchModel(model.parameters, torch.float64)
    architecture = model.architecture
    states = len(cell_of(architecture.cell).states)

    def step(state: Any, code: int) -> Any:
        parts = state.reshape(architecture.layers, states, 1, H).unbind(1)
        packed = tuple(part.contiguous() for part in parts) if states > 1 else parts[0].contiguous()
        _, after = network.outputs(network.onehot(np.array([[code]])), packed)
        return torch.stack(after if states > 1 else (after,), 1).reshape(-1)

    state = torch.zeros(architecture.layers * states * H, dtype=torch.float64)
    q = torch.linalg.qr(torch.tensor(start.T.copy()))[0]
    total = torch.zeros(q.shape[1], dtype=torch.float64)
    for t, code in enumerate(codes):
        at = state.requires_grad_()
        after = step(at, int(code))
        rows = [torch.autograd.grad(entry, at, retain_graph=True)[0] for entry in after]
        state = after.detach()
        q, r = torch.linalg.qr(torch.stack(rows) @ q)
        if t >= warm_up:
            total += r.diagonal().abs().log()
    return np.asarray(total / (len(codes) - warm_up))


def test_of_a_linear_network_they_are_the_logarithms_of_the_absolute_eigenvalues() -> None:
    rng = np.random.default_rng(1)
    eigenvalues, basis = np.array([1.3, -0.9, 0.5, 0.2]), rng.standard_normal((H, H))
    model = linear(basis @ np.diag(eigenvalues) @ np.linalg.inv(basis))
    found = exponents(model, np.resize(CODES, 500))
    np.testing.assert_allclose(found, np.log(np.abs(eigenvalues)), atol=1e-6)


def test_a_rotation_that_shrinks_has_the_same_exponent_for_each_of_its_directions() -> None:
    pair = 0.8 * np.array([[math.cos(0.7), -math.sin(0.7)], [math.sin(0.7), math.cos(0.7)]])
    matrix = np.zeros((H, H))
    matrix[:2, :2], matrix[2:, 2:] = pair, 0.5 * pair
    found = exponents(linear(matrix), np.resize(CODES, 500))
    np.testing.assert_allclose(found, np.log([0.8, 0.8, 0.4, 0.4]), atol=1e-6)


@pytest.mark.parametrize("cell", cell_names())
@pytest.mark.parametrize(("layers", "onehot"), [(1, True), (2, False)])
def test_of_every_cell_they_equal_those_from_pytorch(cell: str, layers: int, onehot: bool) -> None:
    model = network(cell, layers, onehot)
    size = layers * H * len(cell_of(cell).states)
    start = np.random.default_rng(8).standard_normal((size, size))
    found = exponents(model, CODES[:60], warm_up=10, start=start)
    np.testing.assert_allclose(found, np.sort(judged(model, CODES[:60], 10, start))[::-1], atol=1e-4)


def test_of_several_stretches_an_exponent_is_the_mean() -> None:
    model, sides = network("lstm"), CODES[:60].reshape(2, 30).T
    start = np.random.default_rng(8).standard_normal((5, 8))
    found = exponents(model, sides, warm_up=6, start=start)
    expected = np.mean([judged(model, side, 6, start) for side in sides.T], axis=0)
    np.testing.assert_allclose(found, np.sort(expected)[::-1], atol=1e-4)


@pytest.mark.parametrize(
    ("length", "shape", "measured"),
    [(5000, (200, 4), 400), (800, (200, 4), 400), (799, (500, 1), 400), (300, (300, 1), 200), (90, (90, 1), 45)],
)
def test_at_least_400_steps_are_measured_after_100_of_warm_up_where_the_text_is_long_enough(
    length: int, shape: tuple[int, int], measured: int
) -> None:
    codes = np.arange(length)
    found = stretches(codes)
    assert found.shape == shape
    assert (len(found) - warm_up_of(len(found))) * found.shape[1] == measured
    assert (np.diff(found, axis=0) == 1).all()
    assert (found[0, 0], found[-1, -1]) == (0, length - 1 if shape[1] > 1 else shape[0] - 1)


def test_in_pieces_the_weights_of_the_beginning_count() -> None:
    model = network("gru")
    expected = exponents(model, CODES, 2)
    pieces = in_pieces(model, CODES, 2)
    for _ in range(3):
        next(pieces)
    model.parameters.flat[:] = 0

    def rest() -> Generator[None, None, None]:
        np.testing.assert_array_equal((yield from pieces), expected)

    assert len(list(rest())) == len(CODES) - 3


@pytest.mark.parametrize("cell", cell_names())
def test_the_first_of_all_are_found_alone(cell: str) -> None:
    """Each direction depends only on those before it, so that λ₁ is the same however many are computed."""
    model, codes = network(cell, 2), np.resize(CODES, 500)
    assert exponents(model, codes, 1)[0] == pytest.approx(exponents(model, codes, 3)[0], abs=1e-3)


@pytest.mark.parametrize("cell", cell_names())
@pytest.mark.parametrize("onehot", [False, True])
def test_in_single_precision_the_largest_is_the_same(cell: str, onehot: bool) -> None:
    model, codes = network(cell, 2, onehot), np.resize(CODES, 5000)
    assert largest(model, codes) == pytest.approx(exponents(model, stretches(codes), 1)[0], abs=1e-5)


def test_a_run_measures_it_where_its_weights_are_kept_and_after_its_last_step(tmp_path: Path) -> None:
    metrics = RunReader(finish_run(tmp_path / "run", steps=260)).metrics()
    measured = {name: metrics["step"][np.isfinite(metrics[name])].tolist() for name in ("val_loss", "lambda1")}
    assert measured == {"val_loss": [50, 100, 250, 260], "lambda1": [50, 100, 260]}


def test_what_vanishes_altogether_has_the_exponent_minus_infinity_and_no_memory() -> None:
    model = linear(np.zeros((H, H)))
    assert (exponents(model, CODES) == -np.inf).all()
    assert memory_time(-math.inf) == 0


def test_a_state_that_is_not_finite_has_no_exponents() -> None:
    model = linear(np.full((H, H), np.nan))
    assert np.isnan(exponents(model, CODES)).all()
    assert math.isnan(memory_time(largest(model, CODES)))


@pytest.mark.parametrize("length", [0, 1, 3, 99])
def test_a_short_text_is_measured_as_far_as_it_goes(length: int) -> None:
    model = linear(0.5 * np.eye(H))
    np.testing.assert_allclose(exponents(model, CODES[:length]), [math.log(0.5)] * H * bool(length), atol=1e-12)


def test_the_memory_time_is_the_characters_in_which_a_difference_shrinks_by_e() -> None:
    assert memory_time(-0.25) == 4
    assert memory_time(0.1) == memory_time(0.0) == math.inf
