"""A run that is over opens as it was, and its weights answer a prompt."""

import contextlib
import dataclasses
import json
import shutil

import numpy as np
import pytest

from engine.config import Config
from engine.errors import UserError
from engine.remote.archive import ArchiveLink
from engine.runs.lock import RunLock
from engine.runs.reader import RunReader
from engine.session.messages import INSTRUMENTS, MomentRecorded, Pause, SampleFinished, SetView, Stop, View
from engine.session.start import new_session
from tests.waiting import wait_for

STEPS = 120
SAID = "the quick brown fox"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The directory of a run that came to its end, its text beside it."""
    place = tmp_path_factory.mktemp("archive")
    text = place / "fox.txt"
    text.write_text("the quick brown fox (jumps) over the lazy dog\n" * 60)
    config = Config(text=(str(text),), hidden=8, embedding=4, batch=2, seq=10, threads=1, steps=STEPS)
    new_session(config, place / "calm-fox").run()
    return place / "calm-fox"


@pytest.fixture
def run(finished, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(finished, tmp_path / finished.name)


@contextlib.contextmanager
def opened(path):
    with contextlib.closing(ArchiveLink(path)) as link:
        yield link


def answer(link, view, part):
    """The part of a snapshot that answers `view`."""
    link.send(SetView(view))

    def look():
        snapshot = link.take()
        found = snapshot and getattr(snapshot, part)
        return found if found and getattr(found, "prompt", view.prompt) == view.prompt else None

    return wait_for(look)


def test_everything_is_as_it_was(finished):
    with opened(finished) as link:
        snapshot = link.take()
        events = link.events()
        assert link.info == RunReader(finished).info
    assert (snapshot.state, snapshot.step, snapshot.steps) == ("finished", STEPS, STEPS)
    assert snapshot.history.step[-1] == STEPS
    assert snapshot.val_loss == snapshot.history.val_loss[-1]
    assert snapshot.best_val_loss == snapshot.history.val_loss.min()
    assert snapshot.smoothed == snapshot.history.smoothed[-1]
    assert [event.sample for event in events if isinstance(event, SampleFinished)]
    steps = [event.flow.step for event in events if isinstance(event, MomentRecorded)]
    assert steps == [0, 1, 2, 5, 10, 20, 50, 100]


def test_its_weights_answer_a_prompt(finished):
    with opened(finished) as link:
        connectivity = answer(link, View(prompt=SAID), "connectivity")
        assert connectivity.step == STEPS
        assert connectivity.matrix.shape == (len(SAID), len(SAID))
        assert connectivity.matrix[-1].max() > 0
        assert answer(link, View(prompt="fox"), "connectivity").prompt == "fox"


def test_gradients_and_cells_are_shown_on_its_text(finished):
    with opened(finished) as link:
        link.send(SetView(View(visible=INSTRUMENTS)))
        snapshot = wait_for(lambda: (found := link.take()) and found.cells and found)
        assert snapshot.gradients.norms.shape == (10,)
        assert snapshot.cells.values.shape[0] == 8
        assert snapshot.warning == ""


def test_the_prompt_on_the_weights_of_a_moment(finished):
    with opened(finished) as link:
        now = answer(link, View(prompt=SAID), "connectivity")
        for step in (0, 50):
            view = View(prompt=SAID, moment=step)
            then = wait_for(lambda view=view, step=step: (c := answer(link, view, "connectivity")).step == step and c)
            assert not np.allclose(then.matrix, now.matrix)
        assert answer(link, View(prompt=SAID, moment=3), "connectivity").prompt == SAID


def test_nothing_else_is_done(finished):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    with opened(finished) as link:
        for command in (Pause(), Stop()):
            link.send(command)
        answer(link, View(prompt="x"), "cells")
        assert link.take() is None
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before


def test_without_its_text_the_prompt_is_still_answered(run):
    record = RunReader(run).record
    gone = record.config.replace(text=(str(run / "gone.txt"),))
    (run / "config.json").write_bytes(dataclasses.replace(record, config=gone).to_bytes())
    with opened(run) as link:
        assert answer(link, View(prompt="the dog"), "connectivity").prompt == "the dog"
        link.send(SetView(View()))
        assert "gone.txt" in wait_for(link.take).warning


def test_a_text_that_has_changed_is_not_taken_for_the_old_one(run):
    record = RunReader(run).record
    (run / "config.json").write_bytes(dataclasses.replace(record, fingerprint="another").to_bytes())
    with opened(run) as link:
        link.send(SetView(View(prompt="a")))
        assert "has changed" in wait_for(lambda: (found := link.take()) and found.warning)


def test_after_a_crash_the_newest_weights_answer(run):
    shutil.copy(run / "moments" / "0.safetensors", run / "model.safetensors")
    with opened(run) as link:
        assert answer(link, View(prompt=SAID), "connectivity").step == 100
    (run / "model.safetensors").unlink()
    with opened(run) as link:
        assert answer(link, View(prompt=SAID), "connectivity").step == 100


def test_without_weights_the_curves_are_still_there(run):
    (run / "model.safetensors").unlink()
    shutil.rmtree(run / "moments")
    with opened(run) as link:
        snapshot = wait_for(lambda: (found := link.take()) and found.warning and found)
        assert "model.safetensors" in snapshot.warning
        assert snapshot.history.step[-1] == STEPS


def test_a_crashed_run_says_so(run):
    (run / "state.json").write_text('{"state": "training", "step": 110, "reason": ""}')
    with opened(run) as link:
        snapshot = link.take()
    assert snapshot.state == "crashed"
    assert "its last save is kept" in snapshot.reason


def test_a_run_that_ended_before_its_first_report_can_be_looked_at(run):
    (run / "metrics.jsonl").write_text("")
    (run / "state.json").write_text('{"state": "training", "step": 3, "reason": ""}')
    with opened(run) as link:
        snapshot = link.take()
    assert (snapshot.state, snapshot.step, snapshot.seconds, snapshot.epoch) == ("crashed", 3, 0, 0)
    assert snapshot.lr == Config().lr


def test_a_diverged_run_says_why(run):
    (run / "state.json").write_text('{"state": "diverged", "step": 100, "reason": "back at the weights of step 100"}')
    with opened(run) as link:
        snapshot = link.take()
    assert (snapshot.state, snapshot.live, snapshot.step) == ("diverged", False, 100)
    row = next(
        row for line in (run / "metrics.jsonl").read_text().splitlines() if (row := json.loads(line))["step"] == 100
    )
    assert snapshot.loss == row["loss"]  # and not one of those that it gave up
    assert snapshot.reason == "back at the weights of step 100"


def test_a_run_that_goes_on_elsewhere_is_shown_as_it_was_saved(run):
    lock = RunLock(run)
    with opened(run) as link:
        snapshot = link.take()
    lock.release()
    assert snapshot.state == "stopped"
    assert "goes on in process" in snapshot.reason


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="is not a run"):
        ArchiveLink(tmp_path)
