"""How often gates are shut and open, unit by unit, against the plain cells and gates that are always so."""

from __future__ import annotations

import numpy as np
import pytest

from engine.network.cells import cell_names
from engine.network.cells.cell import cell_of
from engine.network.model import Model
from engine.network.parameters import Architecture, initialize
from engine.probes.activations import statistics
from engine.probes.gates import saturation
from engine.probes.held_out import Streams, streams
from engine.text.vocabulary import Vocabulary
from tests import reference

VOCABULARY = Vocabulary(tuple(sorted('\n "()AbCd')))
HIDDEN = 6
CELLS = [cell for cell in cell_names() if cell_of(cell).sigmoids]


def network(cell: str, gain: float = 6.0) -> Model:
    """Weights so large that gates are shut and open, but not always."""
    parameters = initialize(Architecture(cell, len(VOCABULARY), HIDDEN, 2, 5), np.random.default_rng(0), np.float64)
    parameters.flat *= gain
    return Model(parameters)


def held_out(length: int = 700) -> Streams:
    return streams(np.random.default_rng(1).integers(0, len(VOCABULARY), length), VOCABULARY)


@pytest.mark.parametrize("cell", CELLS)
def test_each_units_shares_are_those_of_the_plain_cell(cell: str) -> None:
    model, text = network(cell), held_out()
    found = saturation(model, text, 1, step=7)
    assert (found.step, found.layer, found.characters) == (7, 1, 450)
    columns = [
        reference.run(model.parameters, reference.onehot(model.parameters, text.codes[:, [b]]))[0] for b in range(3)
    ]
    for gate in cell_of(cell).sigmoids:
        values = np.array([getattr(step, gate)[0] for steps in columns for step in steps[1][text.warm_up :]])  # (N, H)
        assert values.shape == (450, HIDDEN)
        np.testing.assert_allclose(found.shut[gate], np.count_nonzero(values < 0.1, axis=0) / 450)
        np.testing.assert_allclose(found.open[gate], np.count_nonzero(values > 0.9, axis=0) / 450)
    shares = np.concatenate([*found.shut.values(), *found.open.values()])
    assert ((shares > 0) & (shares < 1)).any()


@pytest.mark.parametrize("cell", CELLS)
def test_the_mean_over_the_units_is_the_layers_saturation(cell: str) -> None:
    model, text = network(cell), held_out()
    found, layers = saturation(model, text, 0), statistics(model, text, 0, "h").saturation
    for gate, (shut, opened) in layers.items():
        assert (found.shut[gate].mean(), found.open[gate].mean()) == pytest.approx((shut, opened))


def test_one_unit_that_always_keeps_its_state_and_one_that_never_does() -> None:
    model = network("gru", gain=0.5)
    bias = model.parameters.of_layer(0)["bias_ih"].reshape(3, HIDDEN)
    bias[1, 2], bias[1, 4] = 50, -50
    model.refresh()
    found = saturation(model, held_out(), 0)
    assert (found.open["z"][2], found.shut["z"][2]) == (1, 0)
    assert (found.open["z"][4], found.shut["z"][4]) == (0, 1)
    assert set(found.open["z"][[0, 1, 3, 5]]) == set(found.shut["z"][[0, 1, 3, 5]]) == {0}


def test_an_rnn_has_no_gates() -> None:
    found = saturation(network("rnn"), held_out(), 0)
    assert (found.shut, found.open) == ({}, {})
