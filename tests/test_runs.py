"""A run's directory: made without harm, complete, private, and readable whatever state it was left in."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from engine.config import Config, from_mapping
from engine.errors import UserError
from engine.runs import files, kept_weights, listing, logs, reader
from engine.runs.directory import RunDirectory
from engine.runs.files import write_atomically
from engine.runs.history import RECENT, HistoryKeeper
from engine.runs.listing import RunList, find_run, list_runs
from engine.runs.lock import RunLock
from engine.runs.logs import JsonLines, read_rows
from engine.runs.reader import RunReader
from engine.runs.status import STATE
from engine.runs.writer import METRICS, MODEL, SAMPLES, RunWriter
from engine.session.messages import Ladder, Rung, Sample, State
from tests.finished_run import finish_run
from tests.small_run import SMALL, VOCABULARY, FaultyOs, record_of, row_of, train_and_report, trainer_of
from tui.cli import main

FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def run(tmp_path: Path) -> RunWriter:
    return RunWriter.create(record_of(SMALL), tmp_path / "run")


def tree(path: Path) -> list[str]:
    return sorted(str(found.relative_to(path)) for found in path.rglob("*"))


# --- making one ------------------------------------------------------------------------------


def test_a_run_without_a_directory_gets_a_readable_name_of_its_own(tmp_path: Path) -> None:
    runs = [RunWriter.create(record_of(SMALL), root=tmp_path / "runs") for _ in range(20)]
    assert len({run.path for run in runs}) == 20
    for run in runs:
        assert run.path.parent == tmp_path / "runs"
        adjective, animal = run.path.name.split("-")
        assert adjective.isalpha()
        assert animal.isalpha()


def test_config_json_has_all_settings_and_the_vocabulary_in_index_order(run: RunWriter) -> None:
    values = json.loads((run.path / "config.json").read_text())
    assert values["vocabulary"] == list(VOCABULARY)
    assert from_mapping({name: values[name] for name in SMALL.to_json()}) == SMALL
    assert (values["text_name"], values["text_length"], values["threads"]) == ("letters", 120, 1)
    assert RunReader(run.path).record == run.record


def test_an_odd_vocabulary_survives(tmp_path: Path) -> None:
    vocabulary = ("\0", "\n", "é", "漢", "\ud800", "🙂")
    odd = record_of(SMALL, vocabulary=vocabulary, ladder=Ladder((Rung(2, 2.5),), 100), entropy=0.5)
    run = RunWriter.create(odd, tmp_path / "run")
    assert RunReader(run.path).record == odd


@pytest.mark.parametrize(
    ("names", "more"),
    [(["a.png"], ""), (["a", "b", "c", "d", "e"], ""), (list("abcdefg"), " and 2 more")],
)
def test_files_that_are_left_out_are_named_once_and_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], names: list[str], more: str
) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "text.txt").write_text("to be or not to be\n" * 40)
    for name in names:
        (texts / name).write_bytes(b"\xff\xfe\x00")
    path = tmp_path / "run"
    options = ["--headless", "--hidden", "4", "--batch", "2", "--seq", "5", "--threads", "1"]
    assert main(["train", str(texts), "--run", str(path), "--steps", "2", *options]) == 0
    sentence = "left out of the text: " + ", ".join(f"{texts}/{name} (not utf-8 text)" for name in names[:5]) + more
    assert capsys.readouterr().err == sentence + "\n"
    assert RunReader(path).record.left_out_notice == sentence
    assert main(["train", "--resume", str(path), "--steps", "3", "--headless"]) == 0
    assert capsys.readouterr().err == ""


def test_only_the_owner_can_read_a_run(run: RunWriter) -> None:
    trainer = trainer_of(SMALL)
    train_and_report(trainer, run, 1)
    run.save(*trainer.state())
    run.save_best(trainer.parameters.views, 1, 2.0)
    run.keep_weights(1, trainer.parameters.views)
    run.log("a traceback")
    for path in (run.path, *run.path.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_an_empty_directory_is_taken_and_made_private(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir(mode=0o755)
    run = RunWriter.create(record_of(SMALL), tmp_path / "empty")
    assert run.path.stat().st_mode & 0o777 == 0o700


def test_nothing_is_written_over(tmp_path: Path, run: RunWriter) -> None:
    run.close()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "todo.txt").write_text("buy milk")
    (tmp_path / "file").write_text("a file")
    before = tree(tmp_path)
    refusals = {"run": "not empty", "notes": "not empty", "file": "File exists", "file/x": "File exists"}
    for name, reason in refusals.items():
        with pytest.raises(UserError, match=reason):
            RunWriter.create(record_of(SMALL), tmp_path / name)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("existing", [False, True])
def test_a_run_that_cannot_be_made_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existing: bool
) -> None:
    directory = tmp_path / "a" / "b" / "run"
    if existing:
        directory.mkdir(parents=True)
    before = tree(tmp_path)

    def full(path: str, data: bytes, *, durable: bool = True, dir_fd: int | None = None) -> None:
        if path == STATE:
            raise OSError(errno.EIO, "Input/output error")
        write_atomically(path, data, dir_fd=dir_fd)

    monkeypatch.setattr(files, "write_atomically", full)
    for given in (directory, None):
        with pytest.raises(UserError, match=r"cannot be written .Input/output error.; choose another place"):
            RunWriter.create(record_of(SMALL), given, root=tmp_path / "x" / "runs")
        assert tree(tmp_path) == before


def test_another_process_that_was_faster_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "run"
    directory.mkdir()
    faster = []

    def late(path: Path, *, dir_fd: int) -> RunLock:
        monkeypatch.undo()
        faster.append(RunWriter.create(record_of(SMALL), directory))
        return RunLock(path, dir_fd=dir_fd)

    monkeypatch.setattr("engine.runs.lock.RunLock", late)
    with pytest.raises(UserError, match=f"process {os.getpid()} is writing this run"):
        RunWriter.create(record_of(SMALL), directory)
    assert RunReader(directory).record == faster[0].record


# --- the lock --------------------------------------------------------------------------------


def test_a_second_writer_is_told_who_the_first_is(run: RunWriter) -> None:
    attempt = "import sys, pathlib; from engine.runs.lock import RunLock; RunLock(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", attempt, str(run.path)]
    second = subprocess.run(command, capture_output=True, text=True)
    assert f"process {os.getpid()} is writing this run" in second.stderr
    run.close()
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert RunReader(run.path).pid is None, "the lock went with its holder"


# --- logs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fail_at", range(3))
def test_a_line_that_could_not_be_written_comes_later_and_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fail_at: int
) -> None:
    log = JsonLines(RunDirectory(tmp_path), "log")
    log.append({"step": 1, "text": "x" * 150})
    with monkeypatch.context() as patch:
        faulty = FaultyOs(fail_at, FULL)
        for module in (files, logs):
            patch.setattr(module, "os", faulty)
        for step in (2, 3):
            with pytest.raises(OSError, match="No space"):
                log.append({"step": step, "text": "y" * 150})
    log.append({"step": 4, "text": "z"})
    lines = (tmp_path / "log").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4]


def test_what_json_does_not_have_becomes_null(tmp_path: Path) -> None:
    log = JsonLines(RunDirectory(tmp_path), "log")
    log.append({"step": 1, "loss": float("nan"), "norms": np.array([1.0, np.inf]), "mean": np.float32(0.5)})
    [line] = (tmp_path / "log").read_text().splitlines()
    assert json.loads(line, parse_constant=pytest.fail) == {"step": 1, "loss": None, "norms": [1.0, None], "mean": 0.5}


def test_broken_lines_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b'{"step": 1}\n\xff\xfe\n[1]\n{"step": "x"}\n{"step": 2}\n{"step": 3')
    assert [row["step"] for row in read_rows(tmp_path / "log")] == [1, 2]
    assert read_rows(tmp_path / "none") == []


def test_a_change_of_mind_covers_lines_that_still_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = JsonLines(RunDirectory(tmp_path), "log")
    log.append({"step": 1})
    monkeypatch.setattr(files, "os", FaultyOs(0, FULL))
    for step in (2, 3):
        with pytest.raises(OSError, match="No space"):
            log.append({"step": step})
    monkeypatch.undo()
    log.forget_after(2)
    log.append({"step": 3})
    assert [row["step"] for row in read_rows(tmp_path / "log")] == [1, 2, 3]


# --- reading it again ------------------------------------------------------------------------


def test_metrics_and_curves_are_read_back(run: RunWriter) -> None:
    trainer, kept = trainer_of(SMALL), HistoryKeeper()
    for _ in range(30):
        step = trainer.step()
        row = row_of(step)
        if step.step % 10 == 0:
            row |= {"val_loss": 2.0 - step.step / 100, "reach": 3.5, "reach_se": 0.25, "lambda1": -0.25}
            kept.add_validation(step.step, step.epoch, row["time"], row["val_loss"])
            kept.add_reach(step.step, row["reach"], row["reach_se"])
            kept.add_lambda1(step.step, row["lambda1"])
        kept.add(step.step, step.epoch, row["time"], step.loss)
        run.report(row)
    stored = RunReader(run.path)
    columns = stored.metrics()
    assert columns["step"].tolist() == list(range(1, 31))
    assert columns["loss"].shape == (30,)
    assert np.flatnonzero(np.isfinite(columns["val_loss"])).tolist() == [9, 19, 29]
    expected, found = kept.history(), stored.history().history()
    for name in expected.__slots__:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_curves_of_a_very_long_log_are_those_of_all_its_lines(run: RunWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the ends of the means that older points are; few lines are added one by one."""
    rows = [
        {"step": step, "epoch": step / 1e4, "time": step / 10, "loss": 3 - step / 1e5, "reach": 2.0}
        for step in range(10, 50_001, 10)
    ]
    (run.path / METRICS).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    monkeypatch.setattr(reader, "MANY", 1000)
    kept, added, add = HistoryKeeper(), list[float](), HistoryKeeper.add
    for row in rows:
        kept.add(int(row["step"]), row["epoch"], row["time"], row["loss"], 10)

    def counted(keeper: HistoryKeeper, step: int, epoch: float, seconds: float, loss: float, steps: int) -> None:
        added.append(step)
        add(keeper, step, epoch, seconds, loss, steps)

    monkeypatch.setattr(HistoryKeeper, "add", counted)
    expected, found = kept.history(), RunReader(run.path).history().history()
    assert len(added) < 2 * reader.MANY < len(rows)
    np.testing.assert_array_equal(found.step[-RECENT:], expected.step[-RECENT:])
    np.testing.assert_allclose(found.smoothed[-RECENT:], expected.smoothed[-RECENT:], rtol=1e-3)
    np.testing.assert_allclose(np.interp(expected.step, found.step, found.loss), expected.loss, atol=1e-3)


def test_samples_are_read_back(run: RunWriter) -> None:
    probability = np.array([0.5, 0.12344], np.float32)
    sample = Sample(3, 1.5, 0.8, "a\x1b", probability, complete=True, word_share=0.5, repeats=True, prompt="a")
    run.add_sample(sample)
    with (run.path / SAMPLES).open("a") as file:
        file.write('{"step": 4}\n{"step": 5, "te')
    [read_sample] = RunReader(run.path).samples()
    for name in sample.__slots__:
        if isinstance(getattr(sample, name), np.ndarray):
            np.testing.assert_allclose(getattr(read_sample, name), getattr(sample, name), atol=1e-4)
        else:
            assert getattr(read_sample, name) == getattr(sample, name)


def test_latest_best_and_earlier_weights(run: RunWriter) -> None:
    trainer = trainer_of(SMALL)
    run.keep_weights(0, trainer.parameters.views)
    first = trainer.parameters.flat.tobytes()
    train_and_report(trainer, run, 1)
    run.save_best(trainer.parameters.views, trainer.steps, 2.0)
    best = trainer.parameters.flat.tobytes()
    train_and_report(trainer, run, 1)
    run.save(*trainer.state())
    latest = trainer.parameters.flat.tobytes()
    stored = RunReader(run.path)
    assert stored.weights(0).flat.tobytes() == first
    assert stored.weights("best").flat.tobytes() == best
    assert stored.weights("latest").flat.tobytes() == stored.weights().flat.tobytes() == latest
    with pytest.raises(UserError, match="no weights are kept of step 7; those kept are 0"):
        stored.weights(7)


def test_weights_of_another_network_are_refused(run: RunWriter) -> None:
    run.save(*trainer_of(SMALL.replace(hidden=7)).state())
    with pytest.raises(UserError, match="of another network"):
        RunReader(run.path).weights()


def test_moments_stay_few_and_spread_on_a_logarithmic_scale(tmp_path: Path) -> None:
    weights, directory = {"head.bias": np.zeros(1, np.float32)}, RunDirectory(tmp_path)
    for step in [0, *range(1, 100), *range(100, 3001, 20)]:
        kept_weights.keep(directory, step, weights)
    kept = kept_weights.steps(tmp_path)
    assert len(kept) == kept_weights.LIMIT
    assert (kept[0], kept[-1]) == (0, 3000)
    gaps = np.diff(np.log([step + 1.0 for step in kept if step >= 8]))  # before that there are no steps in between
    assert gaps.max() <= 4 * gaps.mean()


def test_marked_moments_stay_however_crowded_they_are(tmp_path: Path) -> None:
    weights, directory = {"head.bias": np.zeros(1, np.float32)}, RunDirectory(tmp_path)
    marked = [0, 51, 52, 53, 150]
    for step in range(200):
        kept_weights.keep(directory, step, weights, marked=step in marked)
    kept_weights.keep(directory, 52, weights)  # a run that goes back keeps it again
    kept = kept_weights.steps(tmp_path)
    assert kept_weights.marked_steps(tmp_path) == marked
    assert len(set(kept) - set(marked)) == kept_weights.LIMIT
    assert kept_weights.file_of(tmp_path, 52).is_file()
    kept_weights.keep(directory, 199, weights, marked=True)
    assert kept_weights.marked_steps(tmp_path) == [*marked, 199]
    assert len(list((tmp_path / "moments").iterdir())) == len(kept)  # and no step stands there twice
    kept_weights.forget_after(directory, 52)
    assert kept_weights.marked_steps(tmp_path) == [0, 51, 52]
    assert kept_weights.steps(tmp_path)[-1] == 52


def test_of_a_large_network_fewer_weights_are_kept() -> None:
    assert kept_weights.room_for(400_000) == kept_weights.LIMIT
    assert kept_weights.room_for(2_000_000) == 33
    assert kept_weights.room_for(10**9) == kept_weights.LEAST


# --- finding and listing ---------------------------------------------------------------------


def test_runs_are_listed_with_what_they_are_doing(tmp_path: Path) -> None:
    states: list[State] = ["training", "paused", "diverged", "failed", "finished", "stopped", "training"]
    for number, state in enumerate(states):
        config = SMALL.replace(cell="lstm", steps=number + 1)
        run = RunWriter.create(
            record_of(config, created=f"2024-01-0{9 - number}T10:00:00.000+00:00"), tmp_path / str(number)
        )
        run.report({"step": 5, "loss": 1.5, "val_loss": 1.25})
        run.set_state(state, 5)
        if number >= 4:
            run.close()
    (tmp_path / "junk").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "config.json").write_text("{")
    (tmp_path / "mute").mkdir()
    shutil.copy(tmp_path / "5" / "config.json", tmp_path / "mute")
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / "config.json").write_text('{"format_version": 99, "cells": "of a new kind"}')
    shutil.copytree(tmp_path / "4", tmp_path / "garbled")
    (tmp_path / "garbled" / "state.json").write_text('{"step": "many"}')

    summaries = {summary.name: summary for summary in list_runs(tmp_path)}
    assert set(summaries) == {*map(str, range(7)), "mute", "damaged", "newer", "garbled"}
    unreadable = {name: (summary.state, summary.reason) for name, summary in summaries.items() if summary.reason}
    assert unreadable.keys() == {"damaged", "newer", "garbled"}
    for name, kind, reason in [
        ("damaged", "damaged", "config.json: is damaged (it is no JSON"),
        ("newer", "newer", "config.json: was written by a newer charrnn-tui; update this one"),
        ("garbled", "damaged", "state.json: is damaged (step: 'many' is no whole number)"),
    ]:
        assert unreadable[name][0] == kind
        assert unreadable[name][1].startswith(reason)
    shown = [summaries[str(number)].state for number in range(7)]
    assert shown == ["live", "paused", "diverged", "failed", "finished", "stopped", "crashed"]
    assert summaries["mute"].state == "crashed"
    assert [summary.name for summary in list_runs(tmp_path) if summary.name.isdigit()] == list("0123456")
    first, last = summaries["0"], summaries["6"]
    assert (first.step, first.loss, first.best, first.cell, first.text) == (5, 1.5, 1.25, "lstm 2×6", "letters")
    assert (first.pid, last.pid) == (os.getpid(), None)
    assert last.age - first.age == pytest.approx(6 * 86400, abs=5)
    assert list_runs(tmp_path / "none") == []


def test_a_run_grows_older_by_the_time_that_goes_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish_run(tmp_path / "otter")
    now = time.time()
    monkeypatch.setattr(listing, "time", SimpleNamespace(time=lambda: now))
    runs = RunList(tmp_path)
    ages = list[float]()
    for _ in range(5):  # at the second look, at the latest, its files are known, and not read again
        now += 100
        ages += [run.age for run in runs.look()]
    assert np.diff(ages) == pytest.approx(100)


def test_a_run_is_found_by_name_and_by_path(tmp_path: Path, run: RunWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_run("run", tmp_path) == tmp_path / "run"
    assert find_run(str(run.path)) == run.path
    assert find_run("./run").resolve() == run.path
    with pytest.raises(UserError, match="rnu: there is no such run; did you mean run"):
        find_run("rnu", tmp_path)
    with pytest.raises(UserError, match=r"there is no such run; the newest in .* are run$"):
        find_run("blithe-xylophone", tmp_path)
    with pytest.raises(UserError, match="there are none in empty/"):
        find_run("rnu", Path("empty"))
    with pytest.raises(UserError, match="is not a run"):
        RunReader(tmp_path / "empty")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "is damaged"),
        (b"[]", "is damaged"),
        (b"{}", "is damaged"),
        (b'{"format_version": 2}', "newer charrnn-tui"),
        (b'{"format_version": 1, "hidden": 0}', "is damaged"),
        (b"\xff\xfe\x00", "is damaged"),
    ],
)
def test_a_damaged_config_is_refused(run: RunWriter, content: bytes, reason: str) -> None:
    (run.path / "config.json").write_bytes(content)
    with pytest.raises(UserError, match=reason):
        RunReader(run.path)


# --- PyTorch ---------------------------------------------------------------------------------


@pytest.mark.parametrize("input_", ["embedding", "onehot"])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_pytorch_loads_the_weights_as_they_are(tmp_path: Path, cell: str, input_: str) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    config: Config = SMALL.replace(cell=cell, input=input_, dropout=0.0)
    trainer, run = trainer_of(config), RunWriter.create(record_of(config), tmp_path / "run")
    train_and_report(trainer, run, 20)
    run.save(*trainer.state())

    size = len(VOCABULARY)
    width = config.embedding if input_ == "embedding" else size
    network = torch.nn.ModuleDict(
        {
            "rnn": getattr(torch.nn, cell.upper())(width, config.hidden, config.layers),
            "head": torch.nn.Linear(config.hidden, size),
        }
    )
    if input_ == "embedding":
        network["embedding"] = torch.nn.Embedding(size, width)
    network.load_state_dict(load_file(run.path / MODEL))

    inputs, _ = trainer.batches.window(0)
    work = trainer.replica.window.work
    work.reset()
    logits = trainer.model.forward(work, inputs)
    codes = torch.as_tensor(inputs)
    columns = network["embedding"](codes) if input_ == "embedding" else torch.nn.functional.one_hot(codes, size).float()
    expected = network["head"](network["rnn"](columns)[0]).detach().numpy()
    np.testing.assert_allclose(logits.reshape(size, config.seq, config.batch).transpose(1, 2, 0), expected, atol=1e-5)
