"""A run that version 0.1.0 wrote opens, resumes and answers; the right values are what 0.1.0 itself made of it.

`tests/data/run-0.1.0` is `train physics --seed 3 --steps 120 --hidden 8 --embedding 4 --batch 4 --seq 12`.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Literal

import pytest

from engine.runs import checkpoint
from engine.runs.reader import RunReader
from engine.runs.writer import CHECKPOINT
from engine.session.start import resumed_session
from tui.cli import main


@pytest.fixture
def old_run(tmp_path: Path) -> Path:
    return shutil.copytree(Path(__file__).parent / "data" / "run-0.1.0", tmp_path / "old")


def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([*map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_it_is_read(old_run: Path) -> None:
    run = RunReader(old_run)
    assert (run.state, run.config.cell, run.config.hidden, run.config.seed) == ("finished", "gru", 8, 3)
    assert run.record.left_out == ()
    assert run.kept_steps() == [0, 1, 2, 5, 10, 20, 50, 100]
    assert run.metrics()["loss"][-1] == run.status.loss == 3.41842095007499
    assert run.metrics()["val_loss"][-1] == run.status.best_val_loss == 3.4087989636262255
    assert [sample.step for sample in run.samples()] == [50, 100, 120]
    every: list[int | Literal["latest", "best"]] = ["latest", "best", *run.kept_steps()]
    for kept in every:
        assert run.weights(kept).flat.size == run.record.parameters


def test_it_goes_on_as_the_old_program_went_on(old_run: Path) -> None:
    resumed_session(old_run, steps=150).run()
    metrics = RunReader(old_run).metrics()
    assert metrics["step"].tolist() == [*range(10, 160, 10)]
    assert metrics["loss"][-3:] == pytest.approx([3.5179441064596175, 3.417409685254097, 3.397185896088679], rel=1e-6)
    assert metrics["val_loss"][11] == 3.4087989636262255  # as 0.1.0 wrote it
    # 0.1.0 began each of 32 streams with a zero state, and measured 3.3654521765808263.
    assert metrics["val_loss"][-1] == pytest.approx(3.35757047, rel=1e-6)
    assert checkpoint.read(old_run / CHECKPOINT)[1]["steps"] == 150


def test_it_answers(old_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "sample", old_run, "--length", 60, "--seed", 1, "--prompt", "the")
    assert text.strip() == r"theey w\bsae oear\c a$JoWe{yoeV ye ipit ed ishLseeo rlq r  stte"
    probe: dict[str, Any] = json.loads(printed(capsys, "probe", old_run, "electron", "--json"))
    assert probe["connectivity"][-1][-2:] == pytest.approx([0.15439752570872, 0.33429461630518986], rel=1e-9)
    flow: dict[str, Any] = json.loads(printed(capsys, "gradients", old_run, "--json"))
    assert flow["norms"][:2] == pytest.approx([0.0014678047343105098, 0.002025489168346385], rel=1e-9)
