"""`compare`: three runs like any other, and a table that says what is in their directories."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.config import Config
from engine.errors import ConfigError
from engine.probes.gradient_flow import EDGES
from engine.probes.reach import Reach
from engine.runs.reader import RunReader
from engine.session.messages import GradientFlow
from engine.session.session import Session
from tests.finished_run import TEXT, flow_of
from tui.cli import compare, main
from tui.cli.commands import build_parser
from tui.cli.compare import CELLS, Outcome, curve, report, verdict
from tui.cli.headless import Lines, train_headless
from tui.cli.options import config_of
from tui.cli.parser import COMPARED
from tui.rendering.norm_axis import NormAxis
from tui.rendering.numbers import clock, power


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "fox.txt"
    path.write_text(TEXT * 60)
    return path


def train(text: Path, *options: object) -> int:
    small = ["--hidden", "8", "--embedding", "4", "--batch", "2", "--seq", "10", "--threads", "1", "--steps", "12"]
    return main(["compare", str(text), *small, *map(str, options)])


def median_ratio(norms: np.ndarray) -> float:
    """Of ‖G_0‖/‖G_{T−1}‖, by the norms (T, B) of the windows; halfway between two on a logarithmic scale."""
    logs = sorted(math.log(first / last) for first, last in zip(norms[0], norms[-1], strict=True))
    middle = [logs[len(logs) // 2], logs[(len(logs) - 1) // 2]]
    return math.exp(sum(middle) / 2)


def test_the_table_holds_what_the_runs_hold(text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(text, "--run", tmp_path / "three") == 0
    out = capsys.readouterr().out
    table = out.split("\n\n", 1)[1]
    assert max(len(line) for line in table.splitlines() if str(tmp_path) not in line) <= 79
    runs = [RunReader(tmp_path / "three" / cell) for cell in CELLS]
    assert [run.config.cell for run in runs] == list(CELLS)
    assert [run.state for run in runs] == ["finished"] * 3
    assert len({run.config.replace(cell="rnn") for run in runs}) == 1  # all the rest is the same
    metrics = [run.metrics() for run in runs]
    starts = [np.asarray(flow_of(run, 0).window_norms) for run in runs]
    norms = []
    for run in runs:
        assert main(["gradients", str(run.path), "--json"]) == 0
        norms.append(np.array(json.loads(capsys.readouterr().out)["window_norms"]))
    rows = {
        "steps": ["12"] * 3,
        "validation loss, nats": [f"{each['val_loss'][-1]:.3f}" for each in metrics],
        "‖G_0‖/‖G_9‖ at step 0": [power(median_ratio(norms)) for norms in starts],
        "‖G_0‖/‖G_9‖ at the end": [power(median_ratio(each)) for each in norms],
        "reach, characters": [f"{each['reach'][-1]:.2f}" for each in metrics],
        "its standard error": [f"{each['reach_se'][-1]:.2f}" for each in metrics],
    }
    for name, values in rows.items():
        row = next(line for line in out.splitlines() if line.startswith(name))
        assert row.removeprefix(name).split() == values
    times = next(line for line in out.splitlines() if line.startswith("training time")).split()[2:]
    assert all(
        text in (clock(each["time"][-1]), clock(each["time"][-1] + 1e-3))
        for text, each in zip(times, metrics, strict=True)
    )
    for run in runs:
        assert f"run {run.path}" in out  # and lines of progress came from each
    assert out.count("step      10  loss") == 3
    named = [line for line in out.splitlines() if line.startswith(("RNN,", "GRU,", "LSTM,", "run "))]
    assert named[::2] == ["RNN, 1 of 3", "GRU, 2 of 3", "LSTM, 3 of 3"]  # each above its run
    ends = [line for line in out.splitlines() if ": finished at step 12 after " in line]  # each as soon as it is over
    assert [line.split(" after ")[1].split(",")[0] for line in ends] == times


def test_runs_get_names_of_their_own_without_a_directory(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert train(text) == 0
    assert sorted(RunReader(path).config.cell for path in (tmp_path / "runs").iterdir()) == sorted(CELLS)


@pytest.mark.parametrize("option", [["--cell", "gru"], ["--resume", "otter"], ["--detach"]])
def test_what_contradicts_it_is_refused(
    option: list[str], text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        train(text, "--run", tmp_path / "three", *option)
    assert left.value.code == 2
    assert f"unrecognized arguments: {option[0]}" in capsys.readouterr().err
    assert not (tmp_path / "three").exists()


def test_it_has_the_settings_of_training_but_for_the_cell(tmp_path: Path) -> None:
    shown = build_parser("compare").format_help()
    assert "--steps N (2000)" in shown
    assert "--cell" not in shown
    (tmp_path / "settings.toml").write_text("hidden = 9\nlr = 0.5\n")
    options = build_parser("compare").parse_args(["a", "b", "--config", str(tmp_path / "settings.toml"), "--lr", "0.1"])
    assert config_of(options, COMPARED) == Config(text=("a", "b"), hidden=9, lr=0.1, steps=2000)


def test_the_preset_that_it_was_says_where_it_is_now(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--headless", "--preset", "vanishing"]) == 2
    assert "`charrnn-tui compare`" in capsys.readouterr().err


def test_no_run_is_begun_where_a_later_one_could_not_be(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "three" / "lstm").mkdir(parents=True)
    assert train(text, "--run", tmp_path / "three") == 2
    assert "lstm: exists already" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "three").iterdir()] == ["lstm"]


def test_the_largest_network_is_reckoned_before_the_smallest_trains(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def require(config: Config, vocabulary_size: int) -> None:
        if config.cell == "lstm":
            raise ConfigError({"hidden": f"{config.hidden} needs more memory than there is"})

    monkeypatch.setattr("engine.training.memory.require", require)
    assert train(text, "--run", tmp_path / "three") == 2
    assert capsys.readouterr().err == "charrnn-tui: --hidden: 8 needs more memory than there is\n"
    assert not (tmp_path / "three").exists()


def test_a_signal_ends_the_comparison_and_saves(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Session] = []

    def interrupted(session: Session, lines: Lines) -> int:
        begun.append(session)
        if len(begun) == 2:
            monkeypatch.setattr(session.loop, "change", stop_after(session.loop.change))
        return train_headless(session, lines)

    def stop_after(change: Callable[..., None]) -> Callable[..., None]:
        def then_stop(*state: object) -> None:
            change(*state)
            os.kill(os.getpid(), signal.SIGTERM)

        return then_stop

    monkeypatch.setattr(compare, "train_headless", interrupted)
    handler = signal.getsignal(signal.SIGTERM)
    assert train(text, "--run", tmp_path / "three") == 0
    assert signal.getsignal(signal.SIGTERM) is handler
    assert sorted(path.name for path in (tmp_path / "three").iterdir()) == ["gru", "rnn"]
    assert RunReader(tmp_path / "three" / "gru").state == "stopped"
    assert "there is nothing to compare yet" in capsys.readouterr().out


def outcome(cell: str, reach: Reach, state: str = "finished", norms: np.ndarray | None = None) -> Outcome:
    norms = np.geomspace(1e-9, 1, 10) if norms is None else norms
    counts = np.stack([np.histogram([norm], EDGES)[0] for norm in norms])
    flow = GradientFlow(0, "single", 0, "h", EDGES, counts, norms)
    return Outcome(cell, Path("runs", cell), state, 12, 60.0, 1.5, flow, flow, reach)


def outcomes(*reaches: float, spread: float = 1.0) -> list[Outcome]:
    """Networks with these reaches; their differences to the first vary from place to place by `spread`."""
    places = 2 + np.sin(np.arange(32))
    noise = np.array([-1.0, 1.0] * 16) * spread
    return [
        outcome(cell, Reach(places - places.mean() + reach + noise * number, 100))
        for number, (cell, reach) in enumerate(zip(CELLS, reaches, strict=True))
    ]


def test_the_verdict_says_which_cell_reaches_further() -> None:
    """The standard error of differences ±1 at 32 places is (32 / 31)^½ / 32^½ = 0.18."""
    assert (
        "RNN reaches 2.00 characters back; the GRU reaches further, 4.00 (difference +2.00 ± 0.18), "
        "the LSTM does not reach as far, 1.00 (difference −1.00 ± 0.36)"
    ) in verdict(outcomes(2, 4, 1))
    diverged = [*outcomes(1, 2, 3)[:2], outcome("lstm", Reach(np.ones(32), 100), "diverged")]
    assert "But the LSTM did not finish." in verdict(diverged)


def test_no_difference_within_its_standard_error_is_called_further() -> None:
    """Whatever its share of the reach: 15% that vary, and 1% that do not."""
    words = verdict(outcomes(2, 2.3, 2.3))
    assert "the GRU reaches 2.30 (difference +0.30 ± 0.18, which may be chance)" in words
    assert "further" not in words
    assert "the GRU reaches further, 2.02" in verdict(outcomes(2, 2.02, 2, spread=0.01))
    one = [outcome(cell, Reach(np.array([reach]), 100)) for cell, reach in zip(CELLS, (1.0, 2.0, 3.0), strict=True)]
    assert "the GRU reaches 2.00, which cannot be compared over one place" in verdict(one)


def test_curves_share_one_logarithmic_scale() -> None:
    axis = NormAxis(-7, 0)
    assert curve(np.geomspace(1e-7, 1, 8), axis) == "▁▂▃▄▅▆▇█"
    assert curve(np.full(3, 1e-7), axis) == "▁▁▁"
    assert curve(np.array([0, 1.0, math.nan, math.inf]), axis) == " █  "
    assert len(curve(np.geomspace(1e-7, 1, 500), axis)) == 65


def test_what_was_never_measured_is_a_dash() -> None:
    blank = [dataclasses.replace(each, val_loss=None) for each in outcomes(1, 2, 3)]
    row = next(line for line in report(blank, Config(validation=0.0)) if line.startswith("validation loss"))
    assert row.split()[-3:] == ["–"] * 3
