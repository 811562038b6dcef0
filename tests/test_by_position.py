"""The loss by position since a zero state, against the plain cells and against a network that must count."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from engine.network.model import Model
from engine.network.parameters import Architecture, initialize
from engine.probes.by_position import LossByPosition, loss_by_position
from engine.runs.reader import RunReader
from tests import reference
from tests.finished_run import finish_run
from tui.cli import main


def make(vocabulary: int = 7) -> Model:
    architecture = Architecture("lstm", vocabulary, 6, 2, embedding_size=5)
    return Model(initialize(architecture, np.random.default_rng(0), np.float64))


@pytest.mark.parametrize("length", [30, 1100])
def test_each_window_is_read_from_a_zero_state(length: int) -> None:
    model, text = make(), np.random.default_rng(1).integers(0, 7, length)
    found = loss_by_position(model, [text])
    starts = [0] if length == 30 else [0, length - 501]
    read = [text[start : start + 501] for start in starts]
    expected = [reference.losses(model.parameters, each[:-1, None], each[1:, None])[:, 0] for each in read]
    np.testing.assert_allclose(found.losses, np.array(expected).T, rtol=1e-9)


def test_windows_beyond_those_that_are_read_together_are_read_too() -> None:
    model, text = make(), np.random.default_rng(1).integers(0, 7, 40 * 501)
    done: list[float] = []
    found = loss_by_position(model, [text], done.append)
    assert found.losses.shape == (500, 40)
    assert done == [0.8, 1.0]
    last = text[-501:]
    expected = reference.losses(model.parameters, last[:-1, None], last[1:, None])[:, 0]
    np.testing.assert_allclose(found.losses[:, -1], expected, rtol=1e-9)


def test_groups_have_the_mean_of_their_positions_and_its_standard_error() -> None:
    losses = np.random.default_rng(0).random((12, 5))
    groups = LossByPosition(losses).groups()
    assert [(first, last) for first, last, _, _ in groups] == [(1, 1), (2, 2), (3, 3), (4, 5), (6, 10), (11, 12)]
    _, _, mean, error = groups[4]
    windows = [sum(losses[5:10, window]) / 5 for window in range(5)]
    assert mean == pytest.approx(sum(windows) / 5)
    squares = sum((each - sum(windows) / 5) ** 2 for each in windows)
    assert error == pytest.approx((squares / 4 / 5) ** 0.5)
    assert np.isnan(LossByPosition(losses[:, :1]).groups()[0][3])


def test_the_command_prints_what_can_be_computed_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = finish_run(tmp_path / "run", cell="gru")
    capsys.readouterr()
    assert main(["eval", str(run), "--by-position", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    reader = RunReader(run)
    text = Path(reader.config.text[0]).read_text()
    held_out = text[len(text) - round(len(text) * reader.config.validation) :]
    codes = np.array([reader.vocabulary.index(character) for character in held_out])
    assert said["windows"] == max(1, len(codes) // 501)
    length = len(said["loss"])
    starts = [at * (len(codes) - length - 1) // max(1, said["windows"] - 1) for at in range(said["windows"])]
    weights = reader.weights().astype(np.float64)
    rows = [
        reference.losses(weights, codes[at : at + length, None], codes[at + 1 : at + length + 1, None])[:, 0]
        for at in starts
    ]
    np.testing.assert_allclose(said["loss"], np.mean(rows, axis=0), rtol=1e-6)
    assert main(["eval", str(run), "--by-position"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "over 1 window of the text" in lines[1] or f"over {said['windows']} windows of the text" in lines[1]
    assert lines[2].split()[:2] == ["1", f"{said['loss'][0]:.4f}"]
    assert lines[5].split()[:4] == ["4", "to", "5", f"{sum(said['loss'][3:5]) / 2:.4f}"]
