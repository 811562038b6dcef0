"""A run whose validation loss falls no more says so, and ends if it was asked to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.config import Config
from engine.errors import ConfigError
from engine.runs.reader import RunReader
from engine.session.messages import Plateau
from engine.session.start import new_session, resumed_session
from engine.sweep.one_run import _ended
from engine.sweep.study import read_study
from engine.text.stretches import StretchLosses
from tests.small_sweep import SMALL as SWEPT
from tests.small_sweep import finish, start_sweep, write_text

# Validations are due after steps 50, 100, 250, 500, 1000 and so on.
SMALL = Config(text=("physics",), hidden=6, embedding=4, batch=2, seq=5, threads=1, workers=1)
STANDING = SMALL.replace(optimizer="sgd", lr=1e-30)  # too little for any weight to change: each loss is the first again


@pytest.mark.parametrize(("patience", "last"), [(1, 100), (3, 500)])
def test_a_loss_that_does_not_fall_ends_the_run(tmp_path: Path, patience: int, last: int) -> None:
    session = new_session(STANDING.replace(patience=patience), tmp_path / "run")
    assert session.run() == "finished"
    assert session.steps == last
    run = RunReader(tmp_path / "run")
    assert (run.state, run.status.step, run.checkpoint().steps) == ("finished", last, last)
    assert run.status.reason == f"the validation loss has not fallen for {patience} validations"
    assert run.record.ladder is not None  # all its files are there


def test_a_lower_loss_begins_the_count_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = new_session(STANDING.replace(patience=2), tmp_path / "run")
    losses = {50: 2.0, 100: 2.0, 250: 1.9, 500: 1.9, 1000: 1.95}

    def validate(*_: object) -> StretchLosses:
        return StretchLosses(np.array([losses[session.steps]]), np.array([1]))

    monkeypatch.setattr(session.loop.trainer, "validate", validate)
    assert session.run() == "finished"
    assert (session.steps, session.best_val_loss) == (1000, 1.9)


def test_the_count_survives_a_resumption_and_begins_again_after_an_end(tmp_path: Path) -> None:
    new_session(STANDING.replace(patience=3, steps=110), tmp_path / "run").run()  # counts 100, and 110, its last step
    session = resumed_session(tmp_path / "run", steps=5000)
    assert session.run() == "finished"
    assert session.steps == 250
    again = resumed_session(tmp_path / "run", patience=1)
    assert again.run() == "finished"
    assert (again.steps, again.record.config.patience) == (500, 1)
    endless = resumed_session(tmp_path / "run", endless=True)
    assert (endless.record.config.patience, endless.record.config.steps) == (0, None)
    endless.close()


def test_a_plateau_is_told_once_and_again_only_after_the_loss_has_fallen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = new_session(STANDING.replace(steps=550), tmp_path / "run")
    monkeypatch.setattr("engine.session.loop.is_validation_due", lambda step: step % 10 == 0)

    def validate(*_: object) -> StretchLosses:
        return StretchLosses(np.array([1.0 if session.steps < 200 else 0.5]), np.array([1]))

    monkeypatch.setattr(session.loop.trainer, "validate", validate)
    link = session.connect()
    session.run()
    told = [event for event in link.events() if isinstance(event, Plateau)]
    assert told == [Plateau(60, 5, 1.0), Plateau(250, 5, 0.5)]


def test_patience_without_a_validation_text_is_refused() -> None:
    with pytest.raises(ConfigError, match="patience: 3 counts validations, and no text is kept for them"):
        Config(patience=3, validation=0)


def test_a_sweep_takes_runs_that_end_before_the_others_for_ended(tmp_path: Path) -> None:
    options = ("--cell", "rnn,gru", "--optimizer", "sgd", "--lr", "1e-30", "--patience", 1, "--steps", 400)
    start = start_sweep(write_text(tmp_path), *SWEPT, *options, "--stop-worst", 1, "--run", "two", cwd=tmp_path)
    finish(start)
    runs = read_study(tmp_path / "two").runs
    assert [(run.state, run.steps) for run in runs] == [("finished", 100)] * 2
    path = tmp_path / "two" / runs[0].name
    again = _ended(path, RunReader(path).config.replace(steps=400))  # as a sweep asks that was killed just then
    assert again is not None
    assert (again.state, again.steps) == ("finished", 100)
