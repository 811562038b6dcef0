"""`sweep.json`: read as it was written; what anybody may have put there is refused with the field's name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.config import Config
from engine.errors import UserError
from engine.runs.directory import RunDirectory
from engine.runs.housekeeping import remove_run
from engine.runs.kept_text import load_asked
from engine.session.start import new_session
from engine.sweep.begin import find_sweep, new_sweep, open_sweep
from engine.sweep.board import rows_of
from engine.sweep.grid import combinations, read_grid
from engine.sweep.mirror import Mirror
from engine.sweep.one_run import RunTrainer, Switch
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
        name="3-x",
        settings={"cell": "gru", "lr": 1e-4},
        state="failed",
        reason="why",
        steps=3,
        seconds=1.5,
        val_loss=float("inf"),
    )
    study = study_in(tmp_path, ranges={"lr": Range(least=1e-4, most=1e-2, log=True)}, trials=5, halvings=2, halved=1)
    for run in study.runs:
        study = study.with_run(run.name, settings={**run.settings, "lr": 0.001})
    study = study.with_run("2-gru", state="training", steps=4)
    study = Study(**{**{name: getattr(study, name) for name in study.__slots__}, "runs": (*study.runs, ended)})
    write_study(study, RunDirectory(tmp_path))
    assert read_study(tmp_path) == study
    assert study.differing == ("cell", "lr")
    assert [study.config_of(run).cell for run in study.runs] == ["rnn", "gru", "gru"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format_version": 2}, "newer"),
        ({"runs": 3}, "runs: 3 is no list"),
        ({"trials": 10**6}, "more than 10,000"),
        ({"grid": {"nonsense": [1]}}, "'nonsense' is no setting"),
        ({"grid": {"cell": []}}, "grid.cell: [] is no list of its values"),
        ({"grid": {"cell": ["rnn", ["gru"]]}}, "grid.cell: ['rnn', ['gru']] is no list"),
        ({"grid": {"cell": ["rnn", "gru"], "lr": ["0.1"]}}, "grid.lr: ['0.1'] is no list"),
        ({"grid": {"cell": ["rnn", "gru"], "text": [["a"], ["b"]]}}, "grid.text"),
        ({"ranges": {"lr": {"least": 1, "most": 1, "log": False}}}, "ranges.lr: 1 … 1 is no range"),
        ({"ranges": {"lr": {"least": -1, "most": 1, "log": True}}}, "ranges.lr: -1 … 1 are no values"),
        ({"ranges": {"forget_bias": {"least": -1, "most": 1, "log": True}}}, "ranges.forget_bias: -1 … 1 is no range"),
        ({"ranges": {"hidden": {"least": 1.5, "most": 9, "log": False}}}, "ranges.hidden: 1.5 … 9 are no values"),
        ({"ranges": {"cell": {"least": 1, "most": 9, "log": False}}}, "ranges.cell"),
        ({"trials": 9, "ranges": {"lr": {"least": 1e-4, "most": 1e-2, "log": True}}}, "runs[0].settings: lr: None"),
        ({"halvings": 10**15}, "halvings: 1,000,000,000,000,000 are more than 30"),
        ({"halved": 31}, "halvings: 31 are more than 30"),
        ({"config": {"hidden": 0}}, "hidden: 0 is too small"),
        ({"config": {"hidden": [1]}}, "hidden"),
        ({"config": {}}, "runs[0]: has no end"),
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
    sweep.study = sweep.study.with_run("2-gru", steps=10**15)  # which no run has made that waits
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


def test_a_run_of_a_sweep_is_no_link_to_what_lies_elsewhere(tmp_path: Path) -> None:
    """A sweep of somebody else could lead to any directory of the user: neither trained on nor cleared away."""
    config = Config(text=(str(write_text(tmp_path)),), hidden=8, embedding=4, batch=2, seq=10, threads=1, workers=1)
    mine, project = tmp_path / "mine", tmp_path / "project"
    new_session(config.replace(steps=2), mine).run()
    project.mkdir()
    (project / "config.json").write_text("precious")
    before = contents(mine) | contents(project)
    trainer = RunTrainer(load_asked(config), Switch())
    for target in (mine, project, tmp_path / "nothing"):
        link = tmp_path / f"1-{target.name}"
        link.symlink_to(target)
        outcome = trainer.train(link, config.replace(steps=9))
        assert outcome.state == "failed"
        assert "it is a symbolic link" in outcome.reason
        for use in (Mirror, remove_run):
            with pytest.raises(UserError, match="it is a symbolic link"):
                use(link)
    assert contents(mine) | contents(project) == before
    assert not (tmp_path / "nothing").exists()


def contents(directory: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in directory.rglob("*") if file.is_file()}
