"""A new cell is one new file and one line: this one, which only this file knows, trains, is probed, and resumes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from engine import arrays
from engine.arrays import Array
from engine.config import Config
from engine.network.cells import CELLS
from engine.network.cells.cell import Cell
from engine.network.cells.layer import Clamps, Observer, RecurrentLayer, hold
from engine.network.cells.tape import Layout, Sweep, Tape
from engine.network.model import Model
from engine.network.parameters import Architecture, initialize
from engine.probes.activations import activations
from engine.probes.gradient_flow import gradient_flow
from engine.probes.reach import reach
from tests.finished_run import finish_run
from tui.cli import main
from tui.rendering.unit_colours import limits


class ToyTape(Tape):
    def __init__(self, layout: Layout, seq: int, batch: int, inputs: Array | None) -> None:
        super().__init__(layout, seq, batch, inputs)
        self.gates: Array = arrays.zeros((seq, 2, batch, layout.units), layout.dtype)
        self.entries = list(self.gates)
        self.by_kind = dict(zip("zn", self.gates.swapaxes(0, 1), strict=True))


class ToyLayer(RecurrentLayer[ToyTape]):
    """z = σ(W_z x + U_z h₋₁), n = tanh(W_n x + U_n h₋₁), h = (1 − z) ∘ n + z ∘ h₋₁: a gru without a reset gate."""

    cell: ClassVar[Cell] = Cell(
        gates=("z", "n"), delta=("z", "n"), sigmoids=("z",), forget_gate="z", tape_floats=2, delta_floats=1
    )

    def new_tape(self, seq: int, batch: int, inputs: Array | None) -> ToyTape:
        return ToyTape(self, seq, batch, inputs)

    def forward(self, tape: ToyTape, clamp: Clamps = ()) -> None:
        for t, gates in enumerate(tape.gates):
            self.enter(tape, t)
            self.recur(tape, t)
            gates += tape.recurrent
            np.tanh(gates, gates)
            z, n = gates
            z[...] = z / 2 + 0.5
            h = (1 - z) * n + z * tape.hidden[t]
            hold(h, clamp)
            tape.hidden[t + 1][...] = h

    def backward(self, tape: ToyTape, sweep: Sweep, d_outputs: Array, observe: Observer | None = None) -> None:
        d_h, direct = sweep.d_hidden, d_outputs[:, :, self.own]
        d_h[...] = 0
        for t in reversed(range(len(d_outputs))):
            z, n = tape.gates[t]
            d_h += direct[t]
            d_z = d_h * (tape.hidden[t] - n) * z * (1 - z)
            d_n = d_h * (1 - z) * (1 - n**2)
            straight = d_h * z
            sweep.parts[t][...] = d_z, d_n
            if observe is not None:
                observe(t, (d_h,), sweep.rows[t])
            self.pass_back(sweep, t)
            d_h += straight


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CELLS, "toy", f"{__name__}:ToyLayer")


def test_its_gradient_is_right() -> None:
    """By central differences, so that what follows is about a cell that works."""
    architecture = Architecture("toy", 9, 6, 2, 4)
    parameters = initialize(architecture, np.random.default_rng(0), np.float64, forget_bias=1.0)
    plain = initialize(architecture, np.random.default_rng(0), np.float64)
    raised = parameters["rnn.bias_ih_l1"] - plain["rnn.bias_ih_l1"]
    np.testing.assert_allclose(raised, [1] * 6 + [0] * 6)  # z is the forget gate
    model, gradient = Model(parameters), parameters.zeros_like()
    codes = np.random.default_rng(1).integers(0, 9, (6, 3))
    direction = np.random.default_rng(2).standard_normal(parameters.flat.shape)
    work, start = model.workspace(5, 3), parameters.flat.copy()

    def loss(moved: float) -> float:
        parameters.flat[:] = start + moved * direction
        model.refresh()
        work.reset()
        return model.loss_and_gradient(work, codes[:-1], codes[1:], gradient)

    slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
    loss(0)
    assert gradient.flat @ direction == pytest.approx(slope, rel=1e-6)
    assert gradient_flow(model, codes[:-1], codes[1:]).norms.min() > 0
    assert 0 < reach(model, codes).mean < 5
    h, z, n = activations(model, codes, 1, "h", "z", "n")
    np.testing.assert_allclose(h[:, 1:], (1 - z[:, 1:]) * n[:, 1:] + z[:, 1:] * h[:, :-1])
    with pytest.raises(ValueError, match="has no state 'c'"):
        gradient_flow(model, codes[:-1], codes[1:], state="c")


def test_it_trains_is_probed_and_resumes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = finish_run(tmp_path / "whole", cell="toy", layers=2, steps=60)
    run = finish_run(tmp_path / "halves", cell="toy", layers=2, steps=30)
    assert main(["train", "--resume", str(run), "--headless", "--steps", "60"]) == 0
    losses = [
        [json.loads(row)["loss"] for row in (each / "metrics.jsonl").read_text().splitlines()] for each in (whole, run)
    ]
    assert losses[0][-1] == losses[1][-1]
    assert losses[0][-1] < losses[0][0] - 0.1

    for command in (["probe", str(run), "the quick"], ["gradients", str(run)], ["sample", str(run), "--length", "9"]):
        capsys.readouterr()
        assert main(command) == 0
        assert capsys.readouterr().out
    assert [limits(kind, "toy", np.zeros(1)) for kind in ("h", "z", "n")] == [(-1, 1), (0, 1), (-1, 1)]


def test_it_is_offered(capsys: pytest.CaptureFixture[str]) -> None:
    assert Config(cell="toy").architecture(5).shapes()["rnn.weight_hh_l0"] == (256, 128)
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    assert "|".join(CELLS) in capsys.readouterr().out
