"""TensorBoard's event files: what is in them, live and from disk, and that they hold up no run."""

from __future__ import annotations

import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event

from engine.errors import UserError
from engine.network.model import Model
from engine.probes.gradient_flow import gradient_flow
from engine.probes.results import GradientFlow
from engine.runs.kept_weights import file_of
from engine.runs.reader import RunReader
from engine.session import tensorboard
from engine.session.tensorboard import MOST_WAITING, LiveEvents
from tests.example_messages import SAMPLE
from tests.finished_run import finish_run
from tui.app import foreground
from tui.cli import main
from tui.cli.gradients import probe_batch

SMALL = ("--hidden", "8", "--batch", "4", "--seq", "6", "--threads", "1")


def events_in(directory: Path) -> dict[str, dict[int, Any]]:
    """The values in the event file of `directory`, by tag and step."""
    (file,) = directory.iterdir()
    data, found = file.read_bytes(), dict[str, dict[int, Any]]()
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        event = Event.FromString(data[12 : 12 + length])
        data = data[16 + length :]
        for value in event.summary.value:
            kind = value.WhichOneof("value")
            shown = value.tensor.string_val[0].decode() if kind == "tensor" else getattr(value, kind)
            found.setdefault(value.tag, {})[event.step] = shown
    return found


def test_curves_samples_and_gradients_are_in_the_file_live_and_from_disk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, live, later = tmp_path / "run", tmp_path / "live", tmp_path / "later"
    train = ["train", "physics", *SMALL, "--steps", "60", "--headless", "--run", str(run), "--tensorboard", str(live)]
    assert main(train) == 0
    assert main(["export", str(run), "--tensorboard", str(later)]) == 0
    assert f"tensorboard --logdir {later}" in capsys.readouterr().out
    reader = RunReader(run)
    metrics = reader.metrics()
    for found in (events_in(live), events_in(later)):
        for name in ("loss", "lr", "grad_norm"):
            assert list(found[name]) == metrics["step"].tolist()
            np.testing.assert_allclose(list(found[name].values()), metrics[name], rtol=1e-6)
        assert list(found["val_loss"]) == [50, 60]
        (sample,) = (sample for sample in reader.samples() if sample.step == 50)
        assert found["sample/text_summary"][50].replace("\n    ", "\n").strip() == sample.text.strip()
        assert list(found["gradients/t0"]) == reader.kept_steps() == [0, 1, 2, 5, 10, 20, 50]

        probe = probe_batch(reader)
        flow = gradient_flow(Model(reader.weights(20)), probe[:-1], probe[1:])
        for t in range(6):
            histogram = found[f"gradients/t{t}"][20]
            counts = dict(zip(histogram.bucket_limit, histogram.bucket, strict=True))
            expected = dict(zip(flow.edges[1:].tolist(), flow.counts[t].tolist(), strict=True))
            assert {edge: count for edge, count in counts.items() if count} == {
                edge: count for edge, count in expected.items() if count
            }
            assert histogram.num == sum(counts.values())
            assert found[f"gradient_norm/t{t}"][20] == pytest.approx(flow.norms[t], rel=1e-4)


def test_without_the_library_one_sentence_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    train = ["train", "physics", *SMALL, "--steps", "5", "--headless", "--run", str(tmp_path / "run")]
    assert main([*train, "--tensorboard", str(tmp_path / "live")]) == 2
    assert "install it (pip install tensorboardX)" in (said := capsys.readouterr().err)
    assert len(said.splitlines()) == 1


def test_without_a_thread_that_writes_there_are_no_event_files_and_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str, work: object) -> None:
        raise UserError("the system allows no more threads")

    monkeypatch.setattr(tensorboard, "require_thread", refuse)
    with pytest.raises(UserError, match="the system allows no more threads"):
        LiveEvents(tmp_path)


def test_a_disk_that_takes_nothing_holds_up_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()
    written: list[int] = []

    def report(self: Any, row: dict[str, Any], at: float) -> None:
        assert free.wait(300)
        written.append(row["step"])

    monkeypatch.setattr(tensorboard.EventFile, "report", report)
    events = LiveEvents(tmp_path)
    for step in range(2 * MOST_WAITING):
        events.report({"step": step})
    free.set()
    events.close()
    # One more than may wait is written: the one in the writer's hand, taken before the others came or between them.
    assert written[:MOST_WAITING] == list(range(MOST_WAITING))
    assert written == sorted(written)
    assert MOST_WAITING <= len(written) <= MOST_WAITING + 1


def test_a_moment_that_a_run_lets_go_meanwhile_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = RunReader(finish_run(tmp_path / "run", hidden=8, seq=6))
    first, gone, *others = reader.kept_steps()
    file = file_of(reader.path, gone)

    def flow(*arguments: Any, **options: Any) -> GradientFlow:
        file.unlink(missing_ok=True)
        return gradient_flow(*arguments, **options)

    monkeypatch.setattr(tensorboard, "gradient_flow", flow)
    tensorboard.export(reader, tmp_path / "events")
    assert list(events_in(tmp_path / "events")["gradients/t0"]) == [first, *others]


class FullDisk:
    """Takes a few records, as a disk that is nearly full."""

    def __init__(self, path: str) -> None:
        self.room = 5

    def write(self, data: bytes) -> None:
        self.room -= 1
        if self.room < 0:
            raise OSError(28, "No space left on device")

    def flush(self) -> None:
        self.write(b"")

    close = flush


def test_a_disk_that_becomes_full_is_said_and_nothing_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finish_run(tmp_path / "run", hidden=8, seq=6)
    monkeypatch.setattr("tensorboardX.record_writer.open_file", FullDisk)
    said = f"{tmp_path / 'events'}: cannot be written (No space left on device); make room there, or name another"
    assert main(["export", str(run), "--tensorboard", str(tmp_path / "events")]) == 2
    assert said in (error := capsys.readouterr().err)
    assert len(error.splitlines()) == 1
    live = LiveEvents(tmp_path / "events")
    for step in range(20):
        live.report({"step": step, "loss": 1.0})
    live.close()
    assert said in (error := capsys.readouterr().err)
    assert len(error.splitlines()) == 1


def test_a_full_disk_ends_the_files_and_not_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any, *_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tensorboard.EventFile, "gradients", fail)
    train = ["train", "physics", *SMALL, "--steps", "20", "--headless", "--run", str(tmp_path / "run")]
    assert main([*train, "--tensorboard", str(tmp_path / "live")]) == 0
    assert RunReader(tmp_path / "run").state == "finished"


def test_two_files_begun_in_one_second_are_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1e9)
    for _ in range(2):
        tensorboard.EventFile(tmp_path).close()
    assert len([*tmp_path.iterdir()]) == 2


def test_a_sample_keeps_its_lines_and_no_markdown_acts_on_it(tmp_path: Path) -> None:
    events = tensorboard.EventFile(tmp_path)
    events.sample(SAMPLE, 0.0)
    events.close()
    (shown,) = events_in(tmp_path)["sample/text_summary"].values()
    assert all(line.startswith("    ") for line in shown.split("\n"))


def test_a_run_that_is_detached_goes_on_with_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(foreground, "spawn_detached", lambda command, *_, **__: commands.append(command))
    train = ["train", "physics", *SMALL, "--detach", "--run", str(tmp_path / "run")]
    assert main([*train, "--tensorboard", str(tmp_path / "live")]) == 0
    assert f"--tensorboard={tmp_path / 'live'}" in commands[0]
