"""How often the gradient was clipped: in the step, in the log, on the screen, and in an ended run."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from engine.config import Config
from engine.remote.past import last_snapshot
from engine.runs.reader import RunReader
from engine.session.clipping import RECENT, ClippedShare
from engine.session.start import new_session, resumed_session
from engine.training.training import Step, train
from tests.small_run import trainer_of
from tui.cli import main

SMALL = Config(text=("physics",), hidden=12, embedding=6, batch=4, seq=10, threads=1, workers=1, steps=30)
LIMIT = 0.335  # of the norm: some steps are above it, some below


def written(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_line_of_metrics_has_the_share_since_the_line_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each ten steps, those whose norm was above the limit; the norms are those of the steps."""
    session = new_session(SMALL.replace(clip=f"norm:{LIMIT}"), tmp_path / "run")
    norms = []
    trainer = session.loop.trainer
    make_step = trainer.step

    def noting() -> Step:
        step = make_step()
        norms.append(step.grad_norm)
        return step

    monkeypatch.setattr(trainer, "step", noting)
    assert session.run() == "finished"
    shares = [sum(norm > LIMIT for norm in norms[at : at + 10]) / 10 for at in (0, 10, 20)]
    assert [row["clipped"] for row in written(tmp_path / "run")] == shares
    assert 0 < sum(shares) < 3, norms
    ended = last_snapshot(RunReader(tmp_path / "run"))
    assert ended.clipped == shares[-1]
    assert ended.grad_norm == norms[-1]


def test_a_run_resumed_between_two_lines_counts_on(tmp_path: Path) -> None:
    config = SMALL.replace(clip=f"norm:{LIMIT}")
    new_session(config, tmp_path / "whole").run()
    new_session(config.replace(steps=15), tmp_path / "parts").run()
    resumed_session(tmp_path / "parts", 30).run()
    shares = [{row["step"]: row["clipped"] for row in written(tmp_path / name)} for name in ("whole", "parts")]
    assert shares[1].pop(15) >= 0
    assert shares[0] == shares[1]


def test_without_clipping_nothing_is_said_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for clip, is_said in (("none", False), ("norm:0.01", True), ("norm:1000", False)):
        run = tmp_path / clip.replace(":", "-")
        options = ["--hidden", "6", "--embedding", "4", "--batch", "2", "--seq", "5", "--threads", "1", "--steps", "10"]
        assert main(["train", "physics", "--headless", "--run", str(run), "--clip", clip, *options]) == 0
        assert ("(100% clipped)" in capsys.readouterr().out) == is_said
        assert ("clipped" in written(run)[0]) == (clip != "none")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_step_is_clipped_by_value_if_one_value_is_too_large_whichever_process_has_it(workers: int) -> None:
    free = trainer_of(Config(hidden=6, embedding=4, batch=2, seq=5, threads=1, clip="none"))
    next(train(free, 1))
    largest = float(np.abs(free.replica.gradient.flat).max())
    for limit, is_clipped in ((0.99 * largest, True), (1.01 * largest, False)):
        trainer = trainer_of(
            Config(hidden=6, embedding=4, batch=2, seq=5, threads=1, workers=workers, clip=f"value:{limit}")
        )
        try:
            assert [step.clipped for step in islice(train(trainer, 1), 1)] == [is_clipped]
        finally:
            trainer.close()


def test_a_step_without_a_finite_loss_is_not_clipped_though_the_one_before_was() -> None:
    trainer = trainer_of(Config(hidden=6, embedding=4, batch=2, seq=5, threads=1, clip="norm:1e-6"))
    assert trainer.step().clipped
    trainer.parameters.flat[:] = np.nan
    trainer.refresh()
    assert not trainer.step().clipped


def test_the_share_of_late_is_of_a_hundred_steps() -> None:
    share = ClippedShare(True)
    assert share.lately is None
    for step in range(RECENT + 50):
        share.add(step < 75)
    assert share.lately == 0.25
    assert share.report(RECENT + 50) == 0.5
    share.forget()
    assert (share.lately, share.report(1)) == (None, 0)
    assert ClippedShare(False).report(1) is None
