"""A run that is over opens as it was, and its weights answer a prompt."""

import contextlib
import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.config import Config
from engine.errors import UserError
from engine.network.model import Model
from engine.probes.lyapunov import largest
from engine.remote import archive, past
from engine.remote.archive import ArchiveLink
from engine.runs.kept_text import load_text
from engine.runs.lock import RunLock
from engine.runs.prompts import PROMPTS
from engine.runs.reader import RunReader
from engine.session import instruments
from engine.session.messages import (
    INSTRUMENTS,
    Connectivity,
    Notice,
    Pause,
    SampleFinished,
    SetView,
    Snapshot,
    Stop,
    View,
)
from engine.session.start import new_session
from tests.small_run import trainer_in
from tests.waiting import snapshot_where, wait_for

STEPS = 120
SAID = "the quick brown fox"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run that came to its end, its text beside it."""
    place = tmp_path_factory.mktemp("archive")
    text = place / "fox.txt"
    text.write_text("the quick brown fox (jumps) over the lazy dog\n" * 60)
    config = Config(text=(str(text),), hidden=8, embedding=4, batch=2, seq=10, threads=1, steps=STEPS)
    new_session(config, place / "calm-fox").run()
    return place / "calm-fox"


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return shutil.copytree(finished, tmp_path / finished.name)


def opened(path: Path) -> contextlib.closing[ArchiveLink]:
    return contextlib.closing(ArchiveLink(path))


def snapshot_of(link: ArchiveLink) -> Snapshot:
    """The one that waits already."""
    snapshot = link.take()
    assert snapshot is not None
    return snapshot


def answer(link: ArchiveLink, view: View) -> Connectivity:
    """What the run's weights say to the prompt of `view`."""
    number = link.send(SetView(view))
    connectivity = snapshot_where(link, lambda snapshot: snapshot.obeyed == number).connectivity
    assert connectivity is not None
    assert connectivity.prompt == view.prompt
    return connectivity


def test_everything_is_as_it_was(finished: Path) -> None:
    with opened(finished) as link:
        snapshot = snapshot_of(link)
        events = link.events()
        assert link.info == RunReader(finished).info
    assert (snapshot.state, snapshot.step, snapshot.steps) == ("finished", STEPS, STEPS)
    assert snapshot.history.step[-1] == STEPS
    assert snapshot.val_loss == snapshot.history.val_loss[-1]
    assert snapshot.best_val_loss == snapshot.history.val_loss.min()
    assert [event.sample for event in events if isinstance(event, SampleFinished)]


def test_its_weights_answer_a_prompt(finished: Path) -> None:
    with opened(finished) as link:
        connectivity = answer(link, View(prompt=SAID))
        assert connectivity.step == STEPS
        assert connectivity.matrix.shape == (len(SAID), len(SAID))
        assert connectivity.matrix[-1].max() > 0
        answer(link, View(prompt="fox"))


def test_gradients_and_cells_are_shown_on_its_text(finished: Path) -> None:
    with opened(finished) as link:
        link.send(SetView(View(visible=INSTRUMENTS)))
        snapshot = snapshot_where(link, lambda found: found.cells)
        assert snapshot.gradients is not None
        assert snapshot.cells is not None
        assert snapshot.gradients.norms.shape == (10,)
        assert snapshot.cells.values.shape[0] == 8
        assert snapshot.warning == ""


def test_long_answers_come_piece_by_piece_until_they_are_complete(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instruments, "PIECE", 0.001)
    with opened(finished) as link:
        link.send(SetView(View(visible=("spectrum", "gates"))))
        snapshot = snapshot_where(link, lambda found: found.exponents)
        assert snapshot.exponents is not None
        assert snapshot.exponents.values.shape == (8,)
        assert (snapshot.saturation is None, snapshot.eigenvalues is None) == (False, False)
        assert snapshot.exponents.step == STEPS


def test_the_curve_of_the_largest_exponent_ends_with_that_of_the_last_weights(finished: Path) -> None:
    run = RunReader(finished)
    held_out = load_text(finished, run.record).held_out(run.config.seq)
    expected = largest(Model(run.weights()), held_out)
    measured = run.metrics()["lambda1"]
    assert measured[-1] == expected
    assert np.isfinite(measured).sum() == np.isfinite(run.metrics()["reach"]).sum() > 1
    with opened(finished) as link:
        history = snapshot_of(link).history
        assert (history.lambda1_step[-1], history.lambda1[-1]) == (STEPS, expected)


def test_the_prompt_on_the_weights_of_a_moment(finished: Path) -> None:
    with opened(finished) as link:
        now = answer(link, View(prompt=SAID))
        for step in (0, 50):
            then = answer(link, View(prompt=SAID, moment=step))
            assert then.step == step
            assert not np.allclose(then.matrix, now.matrix)
        assert answer(link, View(prompt=SAID, moment=3)).step == STEPS  # no weights are kept of step 3


def test_nothing_else_is_done(finished: Path) -> None:
    def written() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.name != PROMPTS}

    before = written()
    with opened(finished) as link:
        for command in (Pause(), Stop()):
            link.send(command)
        answer(link, View(prompt="x"))
        assert link.take() is None
    assert written() == before


def test_without_its_text_the_prompt_is_still_answered(run: Path) -> None:
    record = RunReader(run).record
    gone = record.config.replace(text=(str(run / "gone.txt"),))
    (run / "config.json").write_bytes(dataclasses.replace(record, config=gone).to_bytes())
    with opened(run) as link:
        answer(link, View(prompt="the dog"))
        link.send(SetView(View()))
        assert "gone.txt" in wait_for(link.take).warning


def test_a_text_that_has_changed_is_not_taken_for_the_old_one(run: Path) -> None:
    record = RunReader(run).record
    (run / "config.json").write_bytes(dataclasses.replace(record, fingerprint="another").to_bytes())
    with opened(run) as link:
        link.send(SetView(View(prompt="a")))
        assert "has changed" in snapshot_where(link, lambda snapshot: snapshot.warning).warning


def test_after_a_crash_the_newest_weights_answer(run: Path) -> None:
    shutil.copy(run / "moments" / "0.safetensors", run / "model.safetensors")
    with opened(run) as link:
        assert answer(link, View(prompt=SAID)).step == 100
    (run / "model.safetensors").unlink()
    with opened(run) as link:
        assert answer(link, View(prompt=SAID)).step == 100


def test_without_weights_the_curves_are_still_there(run: Path) -> None:
    (run / "model.safetensors").unlink()
    shutil.rmtree(run / "moments")
    with opened(run) as link:
        snapshot = snapshot_where(link, lambda found: found.warning)
        assert "model.safetensors" in snapshot.warning
        assert snapshot.history.step[-1] == STEPS


def test_a_crashed_run_says_so(run: Path) -> None:
    (run / "state.json").write_text('{"state": "training", "step": 110, "reason": ""}')
    with opened(run) as link:
        snapshot = snapshot_of(link)
    assert snapshot.state == "crashed"
    assert "its last save is kept" in snapshot.reason


def test_a_run_that_ended_before_its_first_report_can_be_looked_at(run: Path) -> None:
    (run / "metrics.jsonl").write_text("")
    (run / "state.json").write_text('{"state": "training", "step": 3, "reason": ""}')
    with opened(run) as link:
        snapshot = snapshot_of(link)
    assert (snapshot.state, snapshot.step, snapshot.seconds, snapshot.epoch) == ("crashed", 3, 0, 0)
    assert snapshot.lr == Config().lr


def test_a_diverged_run_says_why(run: Path) -> None:
    (run / "state.json").write_text('{"state": "diverged", "step": 100, "reason": "back at the weights of step 100"}')
    with opened(run) as link:
        snapshot = snapshot_of(link)
    assert (snapshot.state, snapshot.live, snapshot.step) == ("diverged", False, 100)
    row = next(
        row for line in (run / "metrics.jsonl").read_text().splitlines() if (row := json.loads(line))["step"] == 100
    )
    assert snapshot.loss == row["loss"]  # and not one of those that it gave up
    assert snapshot.reason == "back at the weights of step 100"


def test_a_run_that_goes_on_elsewhere_is_shown_as_it_was_saved(run: Path) -> None:
    lock = RunLock(run)
    with opened(run) as link:
        snapshot = snapshot_of(link)
    lock.release()
    assert snapshot.state == "stopped"
    assert "goes on in process" in snapshot.reason


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run"):
        ArchiveLink(tmp_path)


def test_the_rate_of_a_schedule_in_epochs_is_that_of_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("the quick brown fox\n" * 6)  # 108 characters to train on: 10 windows an epoch
    text, schedule = (str(tmp_path / "text.txt"),), "step:1e:0.5"
    settings = Config(text=text, hidden=8, embedding=4, batch=1, seq=10, threads=1, steps=11, schedule=schedule)
    session = new_session(settings, tmp_path / "run")
    assert trainer_in(session).batches.windows_per_epoch == 10
    session.run()
    with opened(tmp_path / "run") as link:
        assert snapshot_of(link).lr == settings.lr / 2


def test_it_notices_that_another_process_goes_on_with_the_run(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LOOK_SECONDS", 0.02)
    with opened(run) as link, opened(run) as other:
        for each in (link, other):
            assert snapshot_where(each, lambda s: s.obeyed == 0).state == "finished"
            each.events()
        with contextlib.closing(Process(run)) as process:
            for each in (link, other):
                snapshot = snapshot_where(each, lambda s: s.state == "stopped")
                assert snapshot.reason == past.trained_elsewhere(process.pid)
                assert [event for event in each.events() if isinstance(event, Notice)] == [
                    Notice(f"{snapshot.reason}; open it again to watch it", "warning")
                ]


def test_a_run_that_this_program_goes_on_with_itself_is_no_news(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LOOK_SECONDS", 0.02)
    looks, look = list[bool](), ArchiveLink._notices_another

    def noted(link: ArchiveLink) -> bool:
        looks.append(look(link))
        return looks[-1]

    monkeypatch.setattr(ArchiveLink, "_notices_another", noted)
    with opened(run) as link:
        snapshot_where(link, lambda s: s.obeyed == 0)
        lock = RunLock(run)
        looks.clear()
        wait_for(lambda: len(looks) > 3)
        lock.release()
    assert not any(looks)


class Process:
    """Another process that has the lock of the run in `path`."""

    def __init__(self, path: Path) -> None:
        code = "import sys; from pathlib import Path; from engine.runs.lock import RunLock\n"
        code += "lock = RunLock(Path(sys.argv[1])); sys.stdin.read()"
        self._process = subprocess.Popen([sys.executable, "-c", code, path], stdin=subprocess.PIPE)
        self.pid = self._process.pid

    def close(self) -> None:
        self._process.communicate()
