"""Runs that were changed by hand, or come from another machine: refused with one sentence, or obeyed, never guessed."""

from __future__ import annotations

import json
import os
import reprlib
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config import Config, from_mapping
from engine.errors import ConfigError, UserError
from engine.remote.archive import ArchiveLink
from engine.runs import checkpoint
from engine.runs.reader import RunReader
from engine.runs.record import RunRecord
from engine.runs.writer import CHECKPOINT, MODEL, RunWriter
from engine.session.messages import INSTRUMENTS, SetView, View
from engine.session.start import new_session, resumed_session
from engine.training import cores, memory
from tests.finished_run import finish_run
from tests.small_run import SMALL, record_of
from tests.waiting import snapshot_where
from tui.cli import main
from tui.cli.attach import latest


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finish_run(tmp_path_factory.mktemp("foreign") / "calm-fox", layers=2)


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return shutil.copytree(finished, tmp_path / finished.name)


def edit(run: Path, **changes: Any) -> None:
    """Change values of `config.json`."""
    path = run / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refused(run: Path, *command: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The sentence with which a command ends."""
    assert main([*command, str(run)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "Traceback" not in error
    return error


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"lr": 0.5}, "config.json: lr is 0.5, and the run was trained with 0.002; put that back, or start a new run"),
        ({"seq": 9}, "config.json: seq is 9, and the run was trained with 10; put that back"),
        ({"schedule": "cosine:100"}, "config.json: schedule is 'cosine:100', and the run was trained with 'constant'"),
        ({"clip": "none"}, "config.json: clip is 'none', and the run was trained with 'norm:5'"),
        ({"optimizer": "sgd"}, "is of another network than config.json .optimizer.exp_avg"),
        ({"batch": 3}, "is of another network than config.json .state.h_l0 has shape .8, 2., not .8, 3."),
        ({"hidden": 9}, "config.json: is damaged .parameters: "),
        ({"validation": 0.2}, "config.json: validation is 0.2, and the run was trained with 0.1"),
        ({"seed": 9}, "config.json: seed is 9, and the run was trained with 1"),
    ],
)
def test_a_setting_changed_by_hand_is_named_and_nothing_is_touched(
    run: Path, changes: dict[str, Any], sentence: str
) -> None:
    edit(run, **changes)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.name != "lock"}
    with pytest.raises(UserError, match=sentence):
        resumed_session(run, steps=40)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.name != "lock"} == before


def test_settings_that_may_change_are_obeyed(run: Path) -> None:
    edit(run, steps=35)
    session = resumed_session(run)
    session.run()
    assert session.steps == 35


def test_a_run_that_saved_no_settings_goes_on(run: Path) -> None:
    """Checkpoints of earlier versions name neither settings nor vocabulary."""
    arrays, meta = checkpoint.read(run / CHECKPOINT)
    del meta["settings"], meta["vocabulary"]
    checkpoint.write(run / CHECKPOINT, arrays, meta)
    session = resumed_session(run, steps=31)
    session.run()
    assert session.steps == 31


@pytest.mark.parametrize(
    "vocabulary",
    [
        lambda known: [*known[:-1], "🙂"],  # another character
        lambda known: [known[1], known[0], *known[2:]],  # another order
        lambda known: [known[0], known[0], *known[2:]],  # one twice
        lambda known: [known[0] + known[1], "", *known[2:]],  # two in one place
        lambda known: known[1:],  # too few
        lambda known: [*known[:-1], 7],
        lambda known: "".join(known),
    ],
)
@pytest.mark.parametrize("command", ["sample", "probe", "train --resume"])
def test_a_false_vocabulary_is_not_believed(
    run: Path, vocabulary: Any, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(run, vocabulary=vocabulary(json.loads((run / "config.json").read_text())["vocabulary"]))
    if command == "probe":
        assert main(["probe", str(run), "fox", "--json"]) == 2
        sentence = capsys.readouterr().err
    else:
        options = ["--headless"] if "train" in command else []
        sentence = refused(run, *command.split()[:1], *options, *command.split()[1:], capsys=capsys)
    assert "config.json: " in sentence
    assert "vocabulary" in sentence or "parameters: " in sentence


def test_weights_of_another_run_are_not_taken(run: Path, tmp_path: Path) -> None:
    """Of another network, or of the same one over other characters."""
    other = finish_run(tmp_path / "other", layers=2, hidden=9)
    shutil.copy(other / MODEL, run / MODEL)
    with pytest.raises(UserError, match=r"its weights are of another network than its config.json .they are"):
        RunReader(run).weights()
    text = tmp_path / "capitals.txt"
    text.write_text((tmp_path / "fox.txt").read_text().upper())
    config = RunReader(run).config.replace(text=(str(text),), steps=3)
    new_session(config, tmp_path / "capitals").run()
    shutil.copy(tmp_path / "capitals" / MODEL, run / MODEL)
    with pytest.raises(UserError, match=r"config\.json: its vocabulary is not that of model\.safetensors"):
        RunReader(run).weights()


@pytest.mark.parametrize("name", [MODEL, CHECKPOINT])
def test_numbers_that_are_not_finite_are_refused(run: Path, name: str) -> None:
    arrays, meta = checkpoint.read(run / name)
    arrays["head.bias"][3] = np.nan
    checkpoint.write(run / name, arrays, meta)
    with pytest.raises(UserError, match=f"{name}: is damaged .*head.bias: has numbers that are not finite"):
        checkpoint.read(run / name)


@pytest.mark.parametrize("workers", [300, 10**6])
def test_more_workers_than_cores_are_not_started_because_a_run_asks_for_them(run: Path, workers: int) -> None:
    edit(run, workers=workers)
    with pytest.raises(UserError, match=f"workers: {workers} would wait for one another"):
        resumed_session(run, steps=40)
    session = resumed_session(run, steps=31, cores={"workers": 1})
    session.close()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"layers": 10**6}, "layers: 1000000 is too large; at most 1000"),
        ({"hidden": 10**9}, "parameters: "),
        ({"embedding": 10**9}, "parameters: "),
        ({"seq": 10**9}, "seq: 1000000000, with .* GB of memory"),
        ({"batch": 10**9}, "batch: 1000000000, with .* GB of memory"),
    ],
)
def test_a_network_without_room_takes_no_memory(run: Path, changes: dict[str, Any], sentence: str) -> None:
    edit(run, **changes)
    with pytest.raises(UserError, match=sentence):
        resumed_session(run, steps=40)


def test_weights_are_not_read_if_there_is_no_memory_for_them(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_there", lambda: 1000)
    with pytest.raises(UserError, match=r"its network needs .* GB of memory"):
        RunReader(run).weights()


def test_a_window_without_room_leaves_the_prompt_answered(run: Path) -> None:
    """The dashboard of a run from a larger machine has short windows for its gradients, and says so."""
    edit(run, seq=10**9)
    link = ArchiveLink(run)
    link.send(SetView(View(prompt="fox", visible=INSTRUMENTS)))
    snapshot = snapshot_where(link, lambda found: found.connectivity is not None)
    link.close()
    assert "GB of memory" in snapshot.warning
    assert snapshot.connectivity is not None
    assert snapshot.gradients is not None
    assert len(snapshot.gradients.norms) == 1000


def test_the_size_of_a_run_on_disk_is_checked_before_it_is_written(tmp_path: Path) -> None:
    """A record that could not be read again is not written: the run would be lost."""
    names = tuple(f"{number:0>1000}" for number in range(9000))
    with pytest.raises(UserError, match="name a directory instead of its files"):
        RunWriter.create(record_of(SMALL.replace(text=names)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_identity_of_a_run_is_not_its_text_nor_what_may_change() -> None:
    record: RunRecord = record_of(SMALL)
    may_change = {"text", "encoding", "steps", "patience", "moments", "threads", "workers"}
    assert record.kept_settings.keys() == SMALL.to_json().keys() - may_change


# --- lists -------------------------------------------------------------------------------------


def test_attach_opens_the_run_that_was_written_last(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the one that was begun last, and none that it cannot open."""
    monkeypatch.chdir(tmp_path)
    for name, created in [("older", "2020"), ("newer", "2021"), ("broken", "2022"), ("far", "2023")]:
        run = shutil.copytree(finished, tmp_path / "runs" / name)
        edit(run, created=f"{created}-01-01T00:00:00+00:00")
        status = json.loads((run / "state.json").read_text())
        updated = {"older": time.time() - 10, "newer": time.time() - 20, "far": time.time() - 30}
        (run / "state.json").write_text(json.dumps(status | {"updated": updated.get(name, "just now")}))
    assert latest().name == "older"
    resumed_session(tmp_path / "runs" / "far", steps=31).run()
    assert latest().name == "far"
    shutil.rmtree(tmp_path / "runs")
    with pytest.raises(UserError, match="there are no runs"):
        latest()


def test_runs_that_cannot_be_opened_are_listed_with_the_reason(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes: list[tuple[str, dict[str, Any]]] = [
        ("newer", {"format_version": 99}),
        ("garbled", {"hidden": []}),
        ("good", {}),
    ]
    for name, content in changes:
        edit(shutil.copytree(finished, tmp_path / name), **content)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "hollow").mkdir()
    os.mkfifo(tmp_path / "hollow" / "config.json")
    assert main(["runs", str(tmp_path), "--list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()[1:]}
    assert lines.keys() == {"newer", "garbled", "good", "hollow"}
    assert " newer " in lines["newer"]
    assert "update this one to open the run" in lines["newer"]
    assert " damaged " in lines["garbled"]
    assert "hidden: [] is not a whole number" in lines["garbled"]
    assert " damaged   config.json: cannot be read (it is a pipe, not a file)" in lines["hollow"]
    assert " finished " in lines["good"]
    assert main(["runs", str(tmp_path), "--json"]) == 0
    found = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
    assert found["newer"]["state"] == "newer"
    assert found["good"]["reason"] == ""
    for command in (["sample"], ["gradients"], ["train", "--headless", "--resume"]):
        assert "newer charrnn-tui" in refused(tmp_path / "newer", *command, capsys=capsys)


# --- the same bounds wherever a setting comes from ----------------------------------------------


VALUES: list[Any] = [10**400, "9" * 400, 1e400, [], {}, None, True, "x" * 10_000, float("nan")]


@pytest.mark.parametrize("value", VALUES, ids=map(reprlib.repr, VALUES))
@pytest.mark.parametrize("name", ["hidden", "lr", "seed", "workers", "validation", "schedule", "encoding", "cell"])
def test_a_setting_that_cannot_be_used_is_a_short_sentence(name: str, value: Any) -> None:
    problems: dict[str, str] = {}
    try:
        config = from_mapping({name: value})
    except ConfigError as error:
        problems = error.problems
    else:
        assert type(getattr(config, name)) is type(getattr(Config(), name))
    assert set(problems) <= {name}
    assert len(problems.get(name, "")) < 400


@pytest.mark.parametrize(
    "content", [b"a = " + b"[" * 10_000, b"hidden = " + b"9" * 5000, b"\xff", b"hidden = [8]", b"\0", b" " * (1 << 21)]
)
def test_a_file_of_settings_that_nobody_would_write_is_a_sentence(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "settings.toml").write_bytes(content)
    for path in (tmp_path / "settings.toml", Path("/dev/zero")):
        assert main(["train", "--headless", "--config", str(path)]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"charrnn-tui: {path}: ")
        assert len(error) < 500


def test_cores_are_counted_for_a_stored_run_as_for_a_new_one(run: Path) -> None:
    edit(run, threads=10**6)
    with pytest.raises(UserError, match=f"threads: 1000000 would wait .* {cores.usable_cores()} cores"):
        resumed_session(run, steps=40)
