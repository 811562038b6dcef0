"""Which runs a sweep has: lists, ranges, seeds, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.config import Config
from engine.errors import ConfigError, UserError
from engine.setting import settings_of
from engine.sweep.grid import SHARED, combinations, name_runs, read_grid, with_seeds
from engine.sweep.halving import halve, target
from engine.sweep.study import NAME, Range, Study, StudyRun
from tui.cli.commands import build_parser
from tui.cli.options import grid_of
from tui.cli.parser import COMPARED

BASE = Config(steps=100)
TWO = {  # values for each setting of `train`; what is registered later is tried with two of its choices, or 2 and 3
    "validation": "0.1,0.2",
    "test": "0.1,0.2",
    "input": "embedding,onehot",
    "dropout": "0.1,0.2",
    "init": "orthogonal,normal:0.01",
    "clip": "none,norm:2",
    "schedule": "constant,warmup:10,cosine:50",
    "alpha": "0.9,0.95",
    "lr": "1e-3,2e-3",
}


ONE = ("threads", "workers", "moments")  # the last is a list itself: several of them stand in a file


@pytest.mark.parametrize("name", [name for name in settings_of(Config) if name not in (*SHARED, *ONE)])
def test_every_setting_of_train_takes_a_list(name: str) -> None:
    setting = settings_of(Config)[name]
    typed = TWO.get(name) or ",".join(setting.choices[:2]) or "2,3"
    option = f"--{name.replace('_', '-')}"
    layers = ["--layers", "2"] if name == "dropout" else []
    grid = grid_of(build_parser("sweep").parse_args([option, typed, *layers]), COMPARED)
    assert list(grid.values) == [name]
    assert len({getattr(grid.first.replace(**run.settings), name) for run in combinations(grid)}) == 2


def test_every_combination_is_a_run_once() -> None:
    grid = with_seeds(read_grid({"hidden": "64,128", "cell": "rnn,gru,lstm", "seed": 5}, BASE), 3)
    runs = combinations(grid)
    assert len(runs) == 18
    assert len({tuple(run.settings.items()) for run in runs}) == 18
    assert runs[0] == StudyRun(name="01-rnn-hidden64-seed5", settings={"cell": "rnn", "hidden": 64, "seed": 5})
    assert runs[-1].settings == {"cell": "lstm", "hidden": 128, "seed": 7}


def test_a_text_that_is_one_value_is_not_taken_apart() -> None:
    def schedules(text: str) -> tuple[Any, ...]:
        grid = read_grid({"schedule": text}, BASE)
        return grid.values.get("schedule", (grid.first.schedule,))

    assert schedules("warmup:10,cosine:50") == ("warmup:10,cosine:50",)
    assert schedules("constant,warmup:10,cosine:50") == ("constant", "warmup:10,cosine:50")
    assert schedules("warmup:10,cosine:50,constant,step:5:0.5") == ("warmup:10,cosine:50", "constant", "step:5:0.5")
    assert schedules("warmup:10,warmup:20") == ("warmup:10", "warmup:20")
    assert read_grid({"moments": ["1,2", "5"]}, BASE).values == {"moments": ("1,2", "5")}


def test_a_file_has_arrays_and_the_command_line_wins(tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text('cell = ["rnn", "gru"]\nhidden = [8, 16]\nlr = "1e-4..1e-2"\ntext = ["physics", "lantern"]\n')
    grid = grid_of(build_parser("sweep").parse_args(["--config", str(file), "--cell", "lstm"]), COMPARED)
    assert grid.values == {"hidden": (8, 16)}
    assert grid.first.cell == "lstm"
    assert grid.first.text == ("physics", "lantern")
    assert grid.ranges == {"lr": Range(least=1e-4, most=1e-2, log=True)}


def test_a_range_is_searched_by_logarithms_if_it_is_wide() -> None:
    ranges = read_grid({"hidden": "8..64", "batch": "8..64", "alpha": "0..0.9", "forget_bias": "-1..2"}, BASE).ranges
    assert ranges["hidden"] == Range(least=8, most=64, log=False)
    assert not ranges["alpha"].log
    assert ranges["forget_bias"].least == -1
    assert read_grid({"batch": "8..80"}, BASE).ranges["batch"].log


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"cell": ""}, "cell: the list is empty"),
        ({"lr": []}, "lr: the list is empty"),
        ({"cell": "rnn,,gru"}, "cell: one of the values is empty"),
        ({"cell": "rnn,gru,rnn"}, "cell: rnn is there twice"),
        ({"lr": "1e-3,0.001"}, "lr: 0.001 is there twice"),
        ({"hidden": "0,5"}, "hidden: 0 is too small"),
        ({"hidden": "8,x", "cell": "rnn,cat"}, "cat"),
        ({"lr": "2..1"}, "lr: '2..1' has no numbers between"),
        ({"lr": "..1"}, "lr: '..1' is no range"),
        ({"lr": "1e-4..1e-3,5"}, "lr: '1e-3,5' is not a number"),
        ({"hiden": "1,2"}, "hiden: there is no such setting"),
        ({"layers": "1,2", "dropout": 0.5}, "dropout: 0.5 acts between layers"),
    ],
)
def test_bad_lists_are_refused_by_name(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_grid(given, BASE)
    assert said in str(error.value)


def test_seeds_are_given_once_and_runs_are_bounded() -> None:
    with pytest.raises(ConfigError, match="not both"):
        with_seeds(read_grid({"seed": "1,2"}, BASE), 3)
    with pytest.raises(UserError, match="10,000,000,000 seeds are too many"):
        with_seeds(read_grid({}, BASE), 10**10)
    with pytest.raises(UserError, match="make 20,000 runs"):
        combinations(with_seeds(read_grid({"hidden": "8,16"}, BASE), 10_000))
    with pytest.raises(ConfigError, match="10,001 values are too many"):
        read_grid({"seed": ",".join(map(str, range(10_001)))}, BASE)


def test_a_long_list_is_read_in_no_time() -> None:
    """Each value is looked at once: to try how many pieces of thousands are one value would take hours."""
    assert len(read_grid({"seed": ",".join(map(str, range(10_000)))}, BASE).values["seed"]) == 10_000
    schedules = [f"warmup:{n},cosine:{n}" for n in range(1, 300)]
    assert read_grid({"schedule": ",".join(schedules)}, BASE).values["schedule"] == tuple(schedules)


def test_names_of_runs_stay_in_the_directory() -> None:
    runs = name_runs([{"init": "../../etc", "schedule": "a/b\x1b[31m" + "x" * 300}, {"lr": 0.00123456}])
    assert all(NAME.fullmatch(run.name) and len(run.name) <= 60 for run in runs)
    assert runs[1].name == "2-lr0.001235"


# --- successive halving ------------------------------------------------------------------------


def halving_study(losses: list[float | None], halvings: int = 2, steps: int = 0, halved: int = 0) -> Study:
    runs = tuple(
        StudyRun(name=f"{place}-", settings={"seed": place}, steps=steps, val_loss=loss)
        for place, loss in enumerate(losses)
    )
    return Study(path=Path(), config=BASE, grid={"seed": tuple(range(9))}, runs=runs, halvings=halvings, halved=halved)


def test_the_worse_half_is_stopped_at_each_doubling_of_the_steps() -> None:
    study = halving_study([2.0, 1.0, None, 3.0, 1.5], steps=25)
    assert [target(study, run) for run in study.runs] == [25] * 5
    study = halve(study)
    assert [run.state for run in study.runs] == ["waiting", "waiting", "stopped", "stopped", "waiting"]
    assert study.runs[3].reason == "in the worse half at step 25"
    assert target(study, study.runs[0]) == 50
    assert halve(study) == study  # until they have made 50 steps
    for run in study.runs:
        study = study.with_run(run.name, steps=50 if run.state == "waiting" else 25)
    study = halve(study)
    assert [run.state for run in study.runs if run.name in ("0-", "1-", "4-")] == ["stopped", "waiting", "waiting"]
    assert target(study, study.runs[1]) == 100


def test_a_halving_waits_for_the_slowest_and_counts_no_failed_run() -> None:
    study = halving_study([2.0, 1.0, 1.2], steps=25)
    slow = study.with_run("1-", steps=24)
    assert halve(slow) == slow
    failed = study.with_run("1-", state="failed", steps=3)
    assert [run.state for run in halve(failed).runs] == ["stopped", "failed", "waiting"]


def test_without_halvings_every_run_is_trained_to_its_end() -> None:
    study = halving_study([2.0, 1.0], halvings=0)
    assert halve(study) is study
    assert target(study, study.runs[0]) == 100
