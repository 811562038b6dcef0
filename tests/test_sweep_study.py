"""`sweep.json`: read as it was written; what anybody may have put there is refused with the field's name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.config import Config
from engine.errors import UserError
from engine.runs.directory import RunDirectory
from engine.sweep.begin import find_sweep, new_sweep, open_sweep
from engine.sweep.board import rows_of
from engine.sweep.grid import combinations, read_grid
from engine.sweep.study import SWEEP, Range, Study, StudyRun, read_study, write_study
from tests.small_sweep import write_text

RUNS = tuple(
    StudyRun(name=f"{place}-{cell}", settings={"cell": cell}) for place, cell in enumerate(("rnn", "gru"), start=1)
)


def study_in(directory: Path, **changes: Any) -> Study:
    study = Study(path=directory, config=Config(steps=9), grid={"cell": ("rnn", "gru")}, runs=RUNS, **changes)
    write_study(study, RunDirectory(directory))
    return study


def test_a_study_is_read_as_it_was_written(tmp_path: Path) -> None:
    ended = StudyRun(
        name="3-x", settings={"cell": "lstm"}, state="failed", reason="why", steps=3, seconds=1.5, val_loss=float("inf")
    )
    study = study_in(tmp_path, ranges={"lr": Range(least=1e-4, most=1e-2, log=True)}, trials=5, halvings=2, halved=1)
    study = study.with_run("2-gru", state="training", steps=4)
    study = Study(**{**{name: getattr(study, name) for name in study.__slots__}, "runs": (*study.runs, ended)})
    write_study(study, RunDirectory(tmp_path))
    assert read_study(tmp_path) == study
    assert study.differing == ("cell", "lr")
    assert [study.config_of(run).cell for run in study.runs] == ["rnn", "gru", "lstm"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format_version": 2}, "newer"),
        ({"runs": 3}, "runs: 3 is no list"),
        ({"trials": 10**6}, "more than 10,000"),
        ({"grid": {"nonsense": [1]}}, "'nonsense' is no setting"),
        ({"config": {"hidden": 0}}, "hidden: 0 is too small"),
        ({"config": {"hidden": [1]}}, "hidden"),
    ],
)
def test_a_damaged_study_is_refused_by_the_field(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    study_in(tmp_path)
    values = json.loads((tmp_path / SWEEP).read_bytes())
    (tmp_path / SWEEP).write_text(json.dumps({**values, **change}))
    with pytest.raises(UserError, match=r"sweep\.json: ") as error:
        read_study(tmp_path)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "../elsewhere", "is no name"),
        ("name", "1-a/../../b", "is no name"),
        ("name", "2-gru", "the name of two runs"),
        ("state", "mad", "'mad' is none of waiting"),
        ("settings", {"hidden": 5}, "'hidden' is none of those that differ"),
        ("settings", {"cell": "cat"}, "cell: 'cat' is none of"),
        ("steps", -1, "-1 is outside"),
    ],
)
def test_a_damaged_run_of_a_study_is_refused(tmp_path: Path, field: str, value: Any, said: str) -> None:
    study_in(tmp_path)
    values = json.loads((tmp_path / SWEEP).read_bytes())
    values["runs"][0][field] = value
    (tmp_path / SWEEP).write_text(json.dumps(values))
    with pytest.raises(UserError) as error:
        read_study(tmp_path)
    assert said in str(error.value)


def test_what_is_no_sweep_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is not a sweep \(it has no sweep.json\)"):
        read_study(tmp_path)
    (tmp_path / "runs").mkdir()
    with pytest.raises(UserError, match="there are none in"):
        find_sweep("it", tmp_path / "runs")


def test_a_sweep_is_one_process_s_and_goes_on_only_with_its_text(tmp_path: Path) -> None:
    text = write_text(tmp_path)
    grid = read_grid({"text": [str(text)], "cell": "rnn,gru", "seq": 10, "batch": 2}, Config(steps=9))
    sweep = new_sweep(grid, combinations(grid), tmp_path / "it")
    with pytest.raises(UserError, match="process"):
        open_sweep(tmp_path / "it")
    sweep.study = sweep.study.with_run("1-rnn", state="training", steps=9)
    sweep.write()
    sweep.close()
    opened = open_sweep(tmp_path / "it")
    assert [(run.state, run.steps) for run in opened.study.runs] == [("waiting", 0)] * 2
    assert [(row.state, row.loss) for row in rows_of(opened.study)] == [("waiting", None)] * 2
    opened.close()
    text.write_text("other\n" * 600)
    with pytest.raises(UserError, match="has changed since the run began"):
        open_sweep(tmp_path / "it")


def test_a_sweep_begins_where_one_was_killed_before_it_had_begun(tmp_path: Path) -> None:
    grid = read_grid({"text": [str(write_text(tmp_path))], "cell": "rnn", "seq": 10, "batch": 2}, Config(steps=9))
    place = tmp_path / "it"
    place.mkdir(mode=0o700)
    for left in ("lock", f".{SWEEP}.0123456789abcdef.tmp"):
        (place / left).write_bytes(b"")
    new_sweep(grid, combinations(grid), place).close()
    assert sorted(file.name for file in place.iterdir()) == ["lock", SWEEP]
