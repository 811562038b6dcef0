"""Runs as a table: which of them a filter shows, in which order they stand, and what they are called side by side."""

from __future__ import annotations

import csv
import io
import json
import operator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import Config
from engine.errors import UserError
from engine.runs.listing import RunState, RunSummary, list_runs
from engine.runs.reader import RunReader
from engine.runs.table import COLUMNS, in_order, labels, parse_filter, values_of
from engine.setting import settings_of
from tests.finished_run import finish_run, flow_of
from tui.cli import main
from tui.cli.runs import write_csv


def summary(name: str, *, state: RunState = "finished", best: float | None = None, **settings: Any) -> RunSummary:
    config = Config(**settings)
    return RunSummary(
        name=name,
        path=Path("runs", name),
        state=state,
        step=10,
        loss=2.0,
        best=best,
        cell=f"{config.cell} {config.layers}×{config.hidden}",
        text="fox.txt",
        age=5.0,
        pid=None,
        settings=config.to_json(),
    )


DAMAGED = RunSummary("broken", Path("runs/broken"), "damaged", 0, None, None, "", "", 1.0, None, reason="config.json")
RUNS = [
    summary("calm-fox", cell="gru", hidden=64, best=1.5),
    summary("shy-mole", cell="gru", hidden=128, best=1.25),
    summary("wild-hen", cell="lstm", hidden=256, best=None, state="crashed"),
    DAMAGED,
]


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("", ["calm-fox", "shy-mole", "wild-hen", "broken"]),
        ("cell=gru", ["calm-fox", "shy-mole"]),
        ("cell=GRU hidden>=128", ["shy-mole"]),
        ("hidden>64 hidden<256", ["shy-mole"]),
        ("hidden=64,256", ["calm-fox", "wild-hen"]),
        ("hidden!=64,256", ["shy-mole", "broken"]),
        ("best<1.5", ["shy-mole"]),
        ("best_val_loss<=1.5", ["calm-fox", "shy-mole"]),
        ("best=none", ["wild-hen", "broken"]),
        ("MOLE", ["shy-mole"]),
        ("fox.t", ["calm-fox", "shy-mole", "wild-hen"]),
        ("state=crashed,damaged", ["wild-hen", "broken"]),
        ("val>1e9", []),
    ],
)
def test_a_filter_shows_the_runs_for_which_every_condition_holds(expression: str, names: list[str]) -> None:
    assert [run.name for run in RUNS if parse_filter(expression).holds(run)] == names


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("colour=red", "colour: there is no such column; there are name, state"),
        ("hidden>=many", "hidden>=many: many is no number"),
        ("hidden>=", "hidden>=: a value is missing"),
        ("=5", "=5: is no condition"),
    ],
)
def test_a_wrong_filter_is_refused_in_a_sentence(expression: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        parse_filter(expression)


SIGNS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "!=": operator.ne}


@given(sign=st.sampled_from(sorted(SIGNS)), bound=st.integers(1, 300), sizes=st.lists(st.integers(1, 300), max_size=8))
def test_comparisons_are_those_of_numbers(sign: str, bound: int, sizes: list[int]) -> None:
    runs = [summary(f"run-{place}", hidden=size) for place, size in enumerate(sizes)]
    shown = [run.settings["hidden"] for run in runs if parse_filter(f"hidden{sign}{bound}").holds(run)]
    assert shown == [size for size in sizes if SIGNS[sign](size, bound)]


def test_every_setting_and_every_measure_is_a_column() -> None:
    assert {*settings_of(Config)} - {"loss"} | {"loss_setting"} <= set(COLUMNS)  # a loss is measured, too
    assert values_of(summary("a", loss="last"))["loss_setting"] == "last"
    assert {"loss", "val", "best", "reach", "ratio", "speed", "left", "progress"} <= set(COLUMNS)
    values = values_of(RUNS[0])
    assert (values["cell"], values["hidden"], values["best"], values["text"]) == ("gru", 64, 1.5, "fox.txt")
    assert json.loads(json.dumps(values_of(DAMAGED)))["step"] is None


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("best", ["shy-mole", "calm-fox", "wild-hen", "broken"]),
        ("-best", ["calm-fox", "shy-mole", "wild-hen", "broken"]),
        ("-hidden", ["wild-hen", "shy-mole", "calm-fox", "broken"]),
        ("name", ["broken", "calm-fox", "shy-mole", "wild-hen"]),
    ],
)
def test_what_is_not_known_comes_last_in_either_order(by: str, names: list[str]) -> None:
    assert [run.name for run in in_order(RUNS, by)] == names


def test_runs_are_called_by_what_differs() -> None:
    assert labels(RUNS[:2]) == ["64", "128"]
    assert labels([RUNS[0], RUNS[2]]) == ["gru 64", "lstm 256"]
    rates = [summary("a", lr=0.001), summary("b", lr=0.01), summary("c", lr=0.01)]
    assert labels(rates) == ["lr 0.001", "lr 0.01 b", "lr 0.01 c"]
    assert labels([RUNS[0]]) == ["calm-fox"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("runs")
    for hidden in (4, 8):
        finish_run(directory / f"size-{hidden}", hidden=hidden, steps=60, cell="gru")
    return directory


def test_the_table_says_what_the_logs_say(trained: Path) -> None:
    for run in list_runs(trained):
        rows = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
        validations = [row["val_loss"] for row in rows if row.get("val_loss") is not None]
        reaches = [row["reach"] for row in rows if row.get("reach") is not None]
        assert (run.val_loss, run.best, run.reach) == (validations[-1], min(validations), reaches[-1])
        flow = flow_of(RunReader(run.path), 50)  # the last step whose weights are kept
        assert run.gradient_ratio == pytest.approx(flow.norms[0] / flow.norms[-1])
        assert (run.chars_per_second, run.seconds) == (rows[-1]["chars_per_second"], rows[-1]["time"])
        assert (run.progress, run.seconds_left) == (1.0, None)


def test_the_command_filters_sorts_and_writes_all_columns(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", str(trained), "--json", "--sort=-hidden"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [run["name"] for run in found] == ["size-8", "size-4"]
    assert set(COLUMNS) <= set(found[0])
    assert main(["runs", str(trained), "--list", "--filter", "hidden<8"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == ["size-4"]
    table = trained.parent / "table.csv"
    assert main(["runs", str(trained), "--csv", str(table), "--sort", "hidden"]) == 0
    with table.open(newline="") as file:
        assert [row["hidden"] for row in csv.DictReader(file)] == ["4", "8"]  # as they were given
    for wrong in ("--filter=colour=red", "--sort=colour", "--csv=/dev/full"):
        assert main(["runs", str(trained), "--list", wrong]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_table_for_spreadsheets_has_no_formulas_and_can_be_read_whatever_the_names(tmp_path: Path) -> None:
    names = ["=1+1", " +1", "@sum", "＝1", "\t=1", "\r-1", "\x1b[31m", "\udcff", "plain", "a,b"]
    write_csv([summary(name) for name in names], tmp_path / "table.csv")
    data = (tmp_path / "table.csv").read_bytes()
    assert b"\x1b" not in data
    found = [row["name"] for row in csv.DictReader(io.StringIO(data.decode(), newline=""))]
    assert found == ["'=1+1", "' +1", "'@sum", "'＝1", "⇥=1", "␍-1", "␛[31m", "\ufffd", "plain", "a,b"]
