"""What the screen of a sweep is made of: bands of curves, groups of runs, and what is read of them from disk."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UserError
from engine.runs.reader import RunReader
from engine.sweep.begin import open_sweep
from engine.sweep.board import BoardReader, band, grouped
from engine.sweep.listing import SweepsAndRuns
from engine.sweep.study import read_study
from tests.finished_run import TEXT, flow_of
from tui.cli import main


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("sweep")
    (directory / "fox.txt").write_text(TEXT * 60)
    sizes = {"cell": "rnn,gru", "seeds": 2, "steps": 60, "hidden": 8, "embedding": 4, "batch": 2, "seq": 10, "jobs": 1}
    options = [f"--{name}={value}" for name, value in sizes.items()]
    assert main(["sweep", str(directory / "fox.txt"), *options, f"--run={directory / 'sw'}", "--headless"]) == 0
    return directory / "sw"


def test_a_board_says_of_each_run_what_its_logs_say(sweep: Path) -> None:
    board = BoardReader(sweep).look(patience=60)
    assert [row.name for row in board.rows] == [run.name for run in read_study(sweep).runs]
    for row in board.rows:
        reader, curves = RunReader(row.path), board.curves[row.name]
        columns = reader.metrics()
        measured = np.isfinite(columns["val_loss"])
        assert curves.val_loss.tolist() == columns["val_loss"][measured].tolist()
        assert curves.val_steps.tolist() == columns["step"][measured].tolist()
        kept = max(reader.kept_steps())
        assert curves.norms == pytest.approx(flow_of(reader, kept).norms)
        assert (row.state, row.step) == ("finished", 60)


def test_a_run_is_read_again_only_if_it_has_changed(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = BoardReader(sweep)
    assert len(reader.look(patience=-1).curves) == 0  # there is no time: the rows come at once, the curves later
    reader.look(patience=60)
    monkeypatch.setattr(RunReader, "history", lambda run: pytest.fail("it was read again"))
    assert len(reader.look(patience=60).curves) == 4


def test_a_sweep_is_one_line_in_a_list_of_runs(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = read_study(sweep)
    assert main(["runs", str(sweep.parent), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["name"], row["state"], row["runs"], row["step"], row["cell"]) == ("sw", "finished", 4, 240, None)
    assert row["best"] == min(run.val_loss for run in study.runs if run.val_loss is not None)
    assert main(["runs", str(sweep), "--json"]) == 0  # of the sweep itself: its runs
    assert [each["name"] for each in json.loads(capsys.readouterr().out)] == [run.name for run in study.runs]
    assert main(["runs", str(sweep.parent), "--list"]) == 0
    assert "4 runs" in capsys.readouterr().out


def test_a_list_says_of_a_sweep_how_it_is_now(sweep: Path, tmp_path: Path) -> None:
    shutil.copytree(sweep, tmp_path / "sw")
    there = SweepsAndRuns(tmp_path)
    study = json.loads((tmp_path / "sw" / "sweep.json").read_text())
    study["runs"][0]["state"] = "waiting"
    (tmp_path / "sw" / "sweep.json").write_text(json.dumps(study))
    assert [each.state for each in there.look()] == ["stopped"]
    with contextlib.closing(open_sweep(tmp_path / "sw")):
        (live,) = there.look()
        assert (live.state, live.pid) == ("live", os.getpid())
    (tmp_path / "sw" / "sweep.json").write_text("{")
    (damaged,) = there.look()
    assert damaged.state == "damaged"
    assert damaged.reason.startswith("sweep.json: is damaged")


def test_groups_are_the_runs_with_one_value_of_a_setting(sweep: Path) -> None:
    board = BoardReader(sweep).look(patience=60)
    groups = grouped(board, board.rows, "cell", [row.name for row in board.rows])
    assert [(group.label, len(group.runs)) for group in groups] == [("rnn", 2), ("gru", 2)]
    for group in groups:
        one, two = (board.curves[run.name].val_loss for run in group.runs)
        assert group.val_loss is not None
        assert np.allclose(group.val_loss.median, (one + two) / 2)
        assert np.array_equal(group.val_loss.low, np.minimum(one, two))
        assert np.array_equal(group.val_loss.high, np.maximum(one, two))
    alone = grouped(board, board.rows, "", ["a", "b", "c", "d"])
    assert [group.label for group in alone] == ["a", "b", "c", "d"]


def test_a_damaged_or_missing_sweep_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a sweep"):
        BoardReader(tmp_path).look()
    (tmp_path / "sweep.json").write_text("{")
    with pytest.raises(UserError, match="is damaged"):
        BoardReader(tmp_path).look()


def test_a_band_is_made_of_the_curves_that_reach_so_far() -> None:
    one = (np.array([0.0, 10.0]), np.array([1.0, 2.0]))
    two = (np.array([0.0, 5.0]), np.array([3.0, 3.0]))
    found = band([one, two])
    assert found is not None
    assert found.x.tolist() == [0.0, 5.0, 10.0]
    assert found.low.tolist() == [1.0, 1.5, 2.0]
    assert found.high.tolist() == [3.0, 3.0, 2.0]
    assert found.median.tolist() == [2.0, 2.25, 2.0]
    assert band([(np.zeros(0), np.zeros(0))]) is None
    nothing = np.array([np.nan])
    assert band([(np.array([1.0]), nothing)]) is None


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 2000), st.floats(-5, 5)), min_size=1, max_size=30, unique_by=lambda p: p[0]),
        min_size=1,
        max_size=6,
    )
)
def test_a_band_lies_within_its_curves(points: list[list[tuple[int, float]]]) -> None:
    curves = [tuple(np.array(each, float) for each in zip(*sorted(curve), strict=True)) for curve in points]
    found = band([(x, y) for x, y in curves])
    assert found is not None
    assert (np.diff(found.x) > 0).all()
    assert (found.low <= found.median).all()
    assert (found.median <= found.high).all()
    assert found.low.min() >= min(y.min() for _, y in curves)
    assert found.high.max() <= max(y.max() for _, y in curves)
