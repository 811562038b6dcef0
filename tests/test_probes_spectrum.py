"""The eigenvalues of the blocks of W_hh, against matrices with known ones and against the spectral radius."""

from __future__ import annotations

import numpy as np
import pytest

from engine.network.cells import cell_names
from engine.network.model import Model
from engine.network.parameters import Architecture, initialize
from engine.probes.spectrum import eigenvalues, spectrum


def network(cell: str) -> Model:
    return Model(initialize(Architecture(cell, 7, 4, 2, 3, False), np.random.default_rng(3), np.float64))


def test_a_known_matrix_has_its_eigenvalues_largest_first() -> None:
    model = network("rnn")
    weight = model.parameters.of_layer(1)["weight_hh"]
    weight[...] = 0
    weight[0, 0], weight[1, 1] = 0.5, -1.25
    weight[2:, 2:] = [[0.0, -0.75], [0.75, 0.0]]
    found = eigenvalues(model, 1)["h"]
    assert sorted(found, key=lambda each: (each.real, each.imag)) == pytest.approx([-1.25, -0.75j, 0.75j, 0.5])
    assert np.abs(found) == pytest.approx([1.25, 0.75, 0.75, 0.5])


@pytest.mark.parametrize("cell", cell_names())
def test_the_largest_of_each_gate_is_its_spectral_radius(cell: str) -> None:
    model = network(cell)
    _, rho = spectrum(model, 1)
    assert {gate: abs(values[0]) for gate, values in eigenvalues(model, 1).items()} == pytest.approx(rho)


def test_a_matrix_that_is_not_finite_has_none() -> None:
    model = network("gru")
    model.parameters.of_layer(0)["weight_hh"][0, 0] = np.inf
    found = eigenvalues(model)
    assert np.isnan(found["r"]).all()
    assert np.isfinite(found["n"]).all()
