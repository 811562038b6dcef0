"""A session in this process: commands between steps, snapshots when wanted, every event, trouble that ends nothing."""

from __future__ import annotations

import errno
import io
import itertools
import json
import math
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config import Config
from engine.errors import UserError
from engine.probes.connectivity import explain
from engine.runs import checkpoint
from engine.runs.reader import RunReader
from engine.runs.writer import CHECKPOINT
from engine.session.local_link import SNAPSHOT_INTERVAL
from engine.session.messages import (
    Clamp,
    Connectivity,
    Failed,
    Notice,
    Pause,
    Resume,
    RollBack,
    SampleFinished,
    SamplingSettings,
    Saved,
    ScaleLearningRate,
    SetSampling,
    SetView,
    ShiftSampling,
    Snapshot,
    StateChanged,
    StepOnce,
    Stop,
    View,
)
from engine.session.pace import Allowance, is_moment, is_report_due, is_validation_due
from engine.session.session import Session
from engine.session.snapshots import take_snapshot
from engine.session.start import new_session, resumed_session
from engine.text.vocabulary import Vocabulary
from tests.small_run import trainer_in, validation_loss

SMALL = Config(text=("physics",), hidden=12, embedding=6, batch=4, seq=10, threads=1)


class Driver:
    """Drives a session's own loop by hand, a turn at a time, with a clock that a test sets."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.link = session.connect()
        session.loop.change("training")

    def turns(self, count: int) -> None:
        for _ in range(count):
            if not self.session._turn():
                self.session.viewers.serve(self.session.loop)

    def snapshot(self) -> Snapshot:
        self.link.urgent = True
        self.session.viewers.serve(self.session.loop)
        snapshot = self.link.take()
        assert snapshot is not None
        return snapshot


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return new_session(SMALL, tmp_path / "run")


def rows(session: Session, name: str = "metrics.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (session.loop.recorder.run.path / name).read_text().splitlines()]


def test_two_headless_runs_of_one_seed_write_the_same_losses(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        session = new_session(SMALL.replace(steps=60), tmp_path / name)
        assert session.run() == "finished"
        written.append([(row["step"], row["loss"], row.get("val_loss"), row["grad_norm"]) for row in rows(session)])
    assert written[0] == written[1]
    assert [row[0] for row in written[0]] == [10, 20, 30, 40, 50, 60]


def test_reports_come_every_ten_steps_and_ever_rarer_in_a_long_run() -> None:
    due = [step for step in range(1, 1_600_001) if is_report_due(step)]
    assert due[:10_000] == list(range(10, 100_001, 10))
    apart = np.diff(due)
    assert apart.max() == 160
    assert (np.diff(apart) >= 0).all()  # no step is counted twice where the distance changes
    assert len(due) == 10_000 + 4 * 5_000


def test_validations_grow_rarer_as_reports_do() -> None:
    due = [step for step in range(1, 1_600_001) if is_validation_due(step)]
    assert due[:6] == [50, 100, 250, 500, 1000, 1500]
    assert all(map(is_report_due, due))
    assert sum(step < 100_000 for step in due) == 3 + 199
    assert sum(800_000 <= step < 1_600_000 for step in due) == 100


def test_moments_are_dense_first_then_regular_and_never_too_many() -> None:
    first = [step for step in range(10_001) if is_moment(step)]
    assert first[:10] == [0, 1, 2, 5, 10, 20, 50, 100, 200, 500]
    assert first[10:] == [1000, 1500, 2000, 2500, 3000, 3500, 4000, 5000, 6000, 7000, 8000, 10_000]
    assert sum(is_moment(step) for step in range(0, 10**8, 500)) <= 100
    doublings = [sum(is_moment(step) for step in range(4000 << k, 8000 << k, 500)) for k in range(8)]
    assert doublings == [4] * 8


def test_watching_changes_no_number(tmp_path: Path) -> None:
    alone = new_session(SMALL.replace(steps=55), tmp_path / "alone")
    alone.run()
    watched = new_session(SMALL.replace(steps=55), tmp_path / "watched")
    driver = Driver(watched)
    for prompt in itertools.islice(itertools.cycle(["", "energy", "ψ mass"]), 55):
        driver.link.send(SetView(View(prompt=prompt, occlusion=bool(prompt), gradient_view="triangle")))
        driver.turns(1)
        driver.snapshot()
    np.testing.assert_array_equal(alone.loop.trainer.parameters.flat, watched.loop.trainer.parameters.flat)
    losses = [[row["loss"] for row in rows(session) if row["step"] <= 50] for session in (alone, watched)]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 5


def test_pausing_stops_the_steps_and_single_steps_go_one_by_one(session: Session) -> None:
    driver = Driver(session)
    driver.turns(3)
    driver.link.send(Pause())
    driver.turns(5)
    assert (driver.snapshot().state, driver.snapshot().step) == ("paused", 3)
    driver.link.send(StepOnce())
    driver.turns(4)
    assert driver.snapshot().step == 4
    driver.link.send(Resume())
    driver.turns(2)
    assert (driver.snapshot().state, driver.snapshot().step) == ("training", 6)
    driver.link.send(StepOnce())  # of a run that trains
    driver.turns(5)
    assert (driver.snapshot().state, driver.snapshot().step) == ("paused", 7)


def test_a_snapshot_is_built_only_when_the_last_one_was_taken(session: Session) -> None:
    driver = Driver(session)
    driver.turns(1)
    driver.turns(20)
    first = driver.link.take()
    assert first is not None
    assert first.step == 1
    assert driver.link.take() is None


def test_snapshots_cannot_be_changed_and_hold_copies(session: Session) -> None:
    driver = Driver(session)
    driver.turns(4)
    snapshot = driver.snapshot()
    losses = snapshot.history.loss.copy()
    with pytest.raises(ValueError, match="read-only"):
        snapshot.history.loss[0] = 0
    driver.turns(5)
    np.testing.assert_array_equal(snapshot.history.loss, losses)


def test_what_is_not_visible_is_not_computed(session: Session) -> None:
    driver = Driver(session)
    driver.link.send(SetView(View(visible=("cells",))))
    driver.turns(1)
    snapshot = driver.snapshot()
    assert snapshot.cells is not None
    assert (snapshot.sample, snapshot.gradients, snapshot.connectivity) == (None, None, None)


def test_a_typed_prompt_is_answered_by_the_next_snapshot_and_unknown_characters_are_named(session: Session) -> None:
    driver = Driver(session)
    driver.turns(2)
    driver.snapshot()
    driver.link.send(SetView(View(prompt="mass ☃ of")))
    driver.turns(1)
    connectivity = driver.snapshot().connectivity
    assert connectivity is not None
    assert (connectivity.prompt, connectivity.skipped) == ("mass  of", "☃")


def test_two_viewers_see_what_each_asked_for(session: Session) -> None:
    driver = Driver(session)
    other = session.connect()
    driver.link.send(SetView(View(prompt="mass")))
    other.send(SetView(View(prompt="force")))
    driver.turns(1)
    for snapshot, prompt in ((driver.snapshot(), "mass"), (other.take(), "force")):
        assert snapshot is not None
        assert snapshot.connectivity is not None
        assert snapshot.connectivity.prompt == prompt
    other.close()
    driver.turns(2)
    assert driver.snapshot().step == 3


def test_events_arrive_in_order_and_none_is_lost(session: Session) -> None:
    driver = Driver(session)
    for _ in range(3):
        driver.link.send(Pause())
        driver.link.send(Resume())
        driver.turns(2)
    changes = [event.state for event in driver.link.events() if isinstance(event, StateChanged)]
    assert changes == ["training"]
    assert driver.link.events() == []


def test_learning_rate_and_sampling_change_on_the_way(session: Session) -> None:
    driver = Driver(session)
    for factor in (0.5, float("nan"), float("inf"), 0.0, -1.0):
        driver.link.send(ScaleLearningRate(factor))
    driver.link.send(SetSampling(temperature=0.1, length=5, prompt="energy"))
    driver.turns(1)
    snapshot = driver.snapshot()
    assert snapshot.lr == SMALL.lr * 0.5
    assert snapshot.sampling == SamplingSettings(temperature=0.1, length=5, prompt="energy")
    assert snapshot.sample is not None
    assert (snapshot.sample.temperature, snapshot.sample.prompt) == (0.1, "energy")


def test_sampling_settings_change_one_by_one_and_relative_to_what_holds(session: Session) -> None:
    driver = Driver(session)

    def sampling(*commands: SetSampling | ShiftSampling) -> SamplingSettings | None:
        for command in commands:
            driver.link.send(command)
        driver.turns(1)
        return driver.snapshot().sampling

    assert sampling() == SamplingSettings()
    assert sampling(SetSampling(top_k=7)) == SamplingSettings(top_k=7)
    assert sampling(SetSampling(prompt="mass")) == SamplingSettings(top_k=7, prompt="mass")
    assert sampling(ShiftSampling(temperature=-0.1)) == SamplingSettings(0.7, top_k=7, prompt="mass")
    assert sampling(ShiftSampling(top_k=1), SetSampling(prompt="")) == SamplingSettings(0.7, top_k=10)
    assert sampling(ShiftSampling(top_k=3), ShiftSampling(top_k=1)) == SamplingSettings(0.7, top_k=0)
    assert sampling(ShiftSampling(top_k=-1), ShiftSampling(top_k=-1)) == SamplingSettings(0.7, top_k=20)
    assert sampling(ShiftSampling(top_p=-1), ShiftSampling(top_p=-99)) == SamplingSettings(0.7, top_k=20, top_p=0.3)
    assert sampling(ShiftSampling(temperature=-5.0)) == SamplingSettings(0.0, top_k=20, top_p=0.3)


def test_a_snapshot_says_how_many_commands_of_its_viewer_were_obeyed(session: Session) -> None:
    driver = Driver(session)
    other = session.connect()
    driver.turns(1)
    lying = other.take()  # made before what is sent now
    numbers = [other.send(Pause()), other.send(SetView(View(prompt="mass")))]
    assert lying is not None
    assert (lying.obeyed, numbers) == (0, [1, 2])
    assert driver.snapshot().obeyed == 0
    driver.turns(1)
    answer = other.take()
    assert answer is not None
    assert (answer.obeyed, answer.state) == (2, "paused")
    assert answer.connectivity is not None
    assert answer.connectivity.prompt == "mass"
    assert driver.snapshot().obeyed == 0  # the commands of another viewer do not count


def test_many_viewers_share_the_snapshots_of_one(session: Session) -> None:
    now = [0.0]
    session.viewers._clock = lambda: now[0]
    session.loop.allowance = Allowance(1.0, np.inf)
    driver = Driver(session)
    links = [session.connect() for _ in range(4)]

    def taken(turns: int) -> list[int]:
        """How many snapshots each viewer gets."""
        counts = [0 for _ in links]
        for _ in range(turns):
            now[0] += SNAPSHOT_INTERVAL * 0.26
            driver.turns(1)
            counts = [count + (link.take() is not None) for count, link in zip(counts, links, strict=True)]
        return counts

    assert taken(1) == [1 for _ in links]
    assert taken(4 * 5 * 4) == [5 for _ in links]  # one after four times the interval: the driver takes none
    links[0].send(ScaleLearningRate(0.5))
    assert taken(1)[0] == 1
    for link in (driver.link, *links[1:]):
        link.close()
    assert taken(4 * 10)[0] == 10


def test_samples_grow_while_watched_and_are_kept(session: Session) -> None:
    now = [0.0]
    session.viewers._clock = session.loop.clock = lambda: now[0]
    driver = Driver(session)
    driver.link.send(SetSampling(length=40))
    lengths = []
    for _ in range(8):
        now[0] += 0.25
        driver.turns(1)
        sample = driver.snapshot().sample
        assert sample is not None
        assert len(sample.text) == len(sample.probability)
        lengths.append(len(sample.text))
    finished = [event.sample for event in driver.link.events() if isinstance(event, SampleFinished)]
    assert finished
    assert len(finished[0].text) == 40
    assert rows(session, "samples.jsonl")[0]["text"] == finished[0].text
    assert finished[0].last_step is not None
    assert finished[0].step < finished[0].last_step <= session.loop.trainer.steps
    assert lengths[0] < lengths[1]


def test_a_clamped_unit_shows_its_effect_and_is_freed_again(session: Session) -> None:
    driver = Driver(session)
    driver.link.send(SetView(View(prompt="mass")))
    driver.turns(60)
    driver.link.send(Clamp(0, 3, 1.0))
    driver.turns(1)
    cells = driver.snapshot().cells
    assert cells is not None
    assert cells.clamped == ((3, 1.0),)
    assert cells.clamp_effect not in (None, 0)
    assert (cells.values[3] == 1).all()
    driver.link.send(Clamp(0, 3, None))
    driver.turns(1)
    cells = driver.snapshot().cells
    assert cells is not None
    assert cells.clamped == ()


def test_what_holding_does_is_measured_again_with_every_validation(session: Session) -> None:
    driver = Driver(session)
    driver.turns(20)
    driver.link.send(Clamp(0, 3, 1.0))
    driver.turns(1)

    def effect() -> float:
        cells = driver.snapshot().cells
        assert cells is not None
        assert cells.clamp_effect is not None
        return cells.clamp_effect

    early = effect()
    driver.turns(29)  # to the validation after step 50
    trainer = trainer_in(session)
    assert trainer.steps == 50
    free, held = validation_loss(trainer), validation_loss(trainer, {0: ((3, 1.0),)})
    assert effect() == pytest.approx(held - free)
    assert effect() != early


def test_samples_say_that_units_were_held_while_they_were_written(session: Session) -> None:
    driver = Driver(session)
    driver.turns(45)
    for unit in (3, 5):
        driver.link.send(Clamp(0, unit, 1.0))
    driver.turns(1)
    driver.link.close()  # without a viewer, a sample is written with each validation
    session.loop.clock = lambda: time.monotonic() + 10
    driver.turns(29)
    for unit in (3, 5):
        session.send(Clamp(0, unit, None))
    driver.turns(50)
    assert [row["held"] for row in rows(session, "samples.jsonl")] == [2, 0]


def test_a_run_that_went_back_shows_nothing_of_the_weights_it_gave_up(tmp_path: Path) -> None:
    session = new_session(SMALL.replace(optimizer="sgd", lr=0.1, clip="none"), tmp_path / "run")
    driver, loop = Driver(session), session.loop

    def now(step: int) -> Connectivity:
        return explain(loop.trainer.model, Vocabulary(session.info.vocabulary), "mass", step=step)

    def shown() -> Connectivity:
        connectivity = driver.snapshot().connectivity
        assert connectivity is not None
        return connectivity

    view = View(prompt="mass", moment=200)
    driver.link.send(SetView(view))
    driver.turns(201)
    assert loop.trainer.steps == 201
    driver.snapshot()  # has the answer of step 200
    driver.link.send(ScaleLearningRate(1e33))
    with np.errstate(all="ignore"):
        driver.turns(5)
    assert (loop.state, loop.trainer.steps) == ("diverged", 100)
    assert RunReader(tmp_path / "run").status.loss == rows(session)[9]["loss"]  # of step 100
    driver.link.send(SetView(View(prompt="mass")))
    driver.turns(1)
    np.testing.assert_allclose(shown().matrix, now(100).matrix, rtol=1e-5)
    driver.link.send(SetView(view))
    driver.link.send(RollBack(1e-32))
    driver.turns(100)
    assert loop.trainer.steps == 200
    driver.link.send(Pause())
    driver.turns(1)
    np.testing.assert_allclose(shown().matrix, now(200).matrix, rtol=1e-5)


@pytest.mark.parametrize("by_viewer", [False, True])
def test_a_stop_is_obeyed_though_a_worker_process_alone_is_suspended(tmp_path: Path, by_viewer: bool) -> None:
    session = new_session(SMALL.replace(workers=2), tmp_path / "run")
    link = session.connect()
    session.start()
    trainer_in(session).workers[0].process.send_signal(signal.SIGSTOP)
    assert not session.join(0.3)
    (link if by_viewer else session).send(Stop())
    assert session.join(120)
    assert session.state == "stopped"


def test_a_failed_run_computes_nothing_from_half_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = new_session(SMALL.replace(workers=2), tmp_path / "run")
    driver = Driver(session)
    driver.turns(5)
    trainer = trainer_in(session)

    def fail(*_: object) -> None:
        raise ArithmeticError

    monkeypatch.setattr(trainer.optimizer, "step", fail)
    try:
        session._turn()
    except ArithmeticError as error:
        session.loop.fail(error)
    assert trainer.workers[0].process.poll() == 0  # it would wait for a command that never comes
    before = trainer.parameters.flat.copy()
    driver.link.send(Clamp(0, 3, 1.0))
    driver.turns(3)
    np.testing.assert_array_equal(trainer.parameters.flat, before)
    cells = driver.snapshot().cells
    assert cells is not None
    assert cells.clamped == ()


def test_divergence_pauses_keeps_good_weights_and_offers_the_way_back(tmp_path: Path) -> None:
    session = new_session(SMALL.replace(optimizer="sgd", clip="none"), tmp_path / "run")
    driver = Driver(session)
    driver.turns(55)  # past the validation at 50, whose weights are the good ones
    assert session.loop.safeguard.good is not None
    good = session.loop.safeguard.good.arrays["head.weight"].copy()
    loss, val_loss = driver.snapshot().history.loss[49], session.loop.validations.loss
    driver.link.send(ScaleLearningRate(1e33))
    with np.errstate(all="ignore"):
        driver.turns(10)
    snapshot = driver.snapshot()
    assert (snapshot.state, snapshot.step) == ("diverged", 50)
    assert (snapshot.loss, snapshot.val_loss) == (loss, val_loss)  # of the step that it names
    assert "step 5" in snapshot.reason
    np.testing.assert_array_equal(session.loop.trainer.parameters["head.weight"], good)
    driver.link.send(RollBack(1e-32))
    driver.turns(20)
    snapshot = driver.snapshot()
    assert (snapshot.state, snapshot.step) == ("training", 70)
    assert snapshot.history.step.tolist() == list(range(1, 71))
    assert [row["step"] for row in rows(session)] == [10, 20, 30, 40, 50, 60, 70]


def test_what_is_changed_after_a_divergence_is_kept_and_nothing_is_obeyed_after_a_stop(tmp_path: Path) -> None:
    session = new_session(SMALL.replace(optimizer="sgd", clip="none"), tmp_path / "run")
    driver = Driver(session)
    driver.turns(55)
    driver.link.send(ScaleLearningRate(1e33))
    with np.errstate(all="ignore"):
        driver.turns(10)
    for command in (ScaleLearningRate(1e-33), ScaleLearningRate(0.5), Stop(), RollBack()):
        driver.link.send(command)
    session.viewers.obey(session.loop)
    session.loop.close()
    assert RunReader(tmp_path / "run").state == "diverged"
    assert resumed_session(tmp_path / "run").loop.trainer.lr == pytest.approx(SMALL.lr / 2)


def test_weights_that_explode_already_when_they_are_validated_are_not_the_good_ones(tmp_path: Path) -> None:
    session = new_session(SMALL.replace(optimizer="sgd", lr=1e-9), tmp_path / "run")
    driver = Driver(session)
    driver.turns(48)
    session.loop.trainer.parameters["head.weight"][:] *= 100
    session.loop.trainer.model.refresh()
    driver.turns(30)
    assert session.loop.state == "diverged"
    measured = session.loop.history.history().val_loss[-1]  # at step 50, before it was said
    assert measured > 3 * np.log(len(session.info.vocabulary))
    snapshot = driver.snapshot()
    assert (snapshot.step, snapshot.val_loss) == (0, None)
    assert math.isnan(snapshot.loss)


def test_without_a_validation_text_there_are_good_weights_too(tmp_path: Path) -> None:
    session = new_session(SMALL.replace(optimizer="sgd", clip="none", validation=0.0), tmp_path / "run")
    driver = Driver(session)
    driver.turns(55)
    driver.link.send(ScaleLearningRate(1e33))
    with np.errstate(all="ignore"):
        driver.turns(10)
    assert (driver.snapshot().state, driver.snapshot().step) == ("diverged", 50)


def test_single_steps_that_were_asked_for_end_where_the_run_diverges(tmp_path: Path) -> None:
    session = new_session(SMALL, tmp_path / "run")
    driver = Driver(session)
    driver.link.send(Pause())
    driver.turns(1)
    session.loop.trainer.parameters["head.weight"][:] = np.nan
    session.loop.trainer.model.refresh()
    for _ in range(8):
        driver.link.send(StepOnce())
    with np.errstate(all="ignore"):
        driver.turns(10)
    assert (driver.snapshot().state, driver.snapshot().step) == ("diverged", 0)
    driver.link.send(RollBack())
    driver.link.send(Pause())
    driver.turns(5)
    assert (driver.snapshot().state, driver.snapshot().step) == ("paused", 0)


def test_the_weights_of_step_0_are_kept_however_often_the_run_begins(tmp_path: Path) -> None:
    for _ in range(2):
        begun = tmp_path / "run"
        session = resumed_session(begun) if begun.exists() else new_session(SMALL, begun)
        Driver(session).turns(1)
        session.loop.recorder.close()  # without a save: it begins again at step 0
    assert RunReader(session.directory).kept_steps() == [0, 1]


def test_settings_that_nothing_could_be_drawn_with_are_not_taken(session: Session) -> None:
    driver = Driver(session)
    settings = session.loop.samples.settings
    for refused in ({"temperature": np.nan}, {"temperature": -1.0}, {"top_k": -1}, {"top_p": 0.0}, {"length": 0}):
        driver.link.send(SetSampling(**refused))
    for shift in (np.nan, np.inf):
        driver.link.send(ShiftSampling(temperature=shift))
    driver.link.send(Clamp(0, 0, np.inf))
    driver.turns(1)
    assert session.loop.samples.settings == settings
    assert not session.loop.samples.sampler.clamps


def test_a_headless_run_that_diverges_saves_the_good_weights(tmp_path: Path) -> None:
    session = new_session(SMALL.replace(optimizer="sgd", clip="none", lr=1e30, steps=50), tmp_path / "run")
    with np.errstate(all="ignore"):
        assert session.run() == "diverged"
    again = resumed_session(tmp_path / "run")
    assert np.isfinite(again.loop.trainer.parameters.flat).all()
    again.loop.recorder.close()


def test_an_exception_is_shown_and_the_curves_stay(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    link = session.connect()
    step = session.loop.trainer.step

    def fail() -> object:
        if session.loop.trainer.steps >= 5:
            raise ArithmeticError("the abacus broke")
        return step()

    monkeypatch.setattr(session.loop.trainer, "step", fail)
    assert session.run() == "failed"
    (failure,) = [event for event in link.events() if isinstance(event, Failed)]
    assert failure.text == "ArithmeticError: the abacus broke"
    assert "ArithmeticError: the abacus broke" in Path(failure.log).read_text()
    assert take_snapshot(session.loop, link.view, urgent=True, obeyed=0).history.step.tolist() == [1, 2, 3, 4, 5]


def test_a_full_disk_stops_nothing_and_nothing_is_lost(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.runs import files, logs

    now = [0.0]
    session.loop.recorder._clock = lambda: now[0]
    driver = Driver(session)
    driver.turns(15)
    full = True
    write_all = files.write_all

    def write(descriptor: int, data: bytes) -> None:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_all(descriptor, data)

    monkeypatch.setattr(logs, "write_all", write)
    driver.turns(20)
    assert "No space left" in driver.snapshot().warning
    assert driver.snapshot().step == 35
    full = False
    now[0] += 60
    driver.turns(10)
    assert driver.snapshot().warning == ""
    notices = [event.text for event in driver.link.events() if isinstance(event, Notice)]
    assert len(notices) == 2
    assert [row["step"] for row in rows(session)] == [10, 20, 30, 40]


def test_a_stopped_run_goes_on_with_the_bits_of_one_that_was_not(tmp_path: Path) -> None:
    straight = new_session(SMALL.replace(steps=80, layers=2, dropout=0.1), tmp_path / "straight")
    straight.run()
    first = new_session(SMALL.replace(steps=80, layers=2, dropout=0.1), tmp_path / "first")
    driver = Driver(first)
    driver.turns(37)
    first.send(Stop())
    assert first.run() == "stopped"
    second = resumed_session(tmp_path / "first")
    assert second.run() == "finished"
    np.testing.assert_array_equal(straight.loop.trainer.parameters.flat, second.loop.trainer.parameters.flat)
    keys = ("step", "loss", "val_loss", "lr", "grad_norm", "epoch")
    assert [[row.get(key) for key in keys] for row in rows(second)] == [
        [row.get(key) for key in keys] for row in rows(straight)
    ]


def test_a_checkpoint_without_sampling_settings_opens_with_the_usual_ones(tmp_path: Path) -> None:
    session = new_session(SMALL, tmp_path / "run")
    session.send(SetSampling(top_k=3))
    session.send(Stop())
    session.run()
    path = tmp_path / "run" / CHECKPOINT
    arrays, meta = checkpoint.read(path)
    assert meta["session"]["sampling"]["top_k"] == 3
    del meta["session"]["sampling"]  # as version 0.1 wrote it
    checkpoint.write(path, arrays, meta)
    resumed = resumed_session(tmp_path / "run")
    resumed.close()
    assert resumed.loop.samples.settings == SamplingSettings()


def test_where_standard_input_cannot_be_kept_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = io.BytesIO(b"the quick brown fox jumps over the lazy dog. " * 100)
    monkeypatch.setattr("engine.runs.kept_text.KEPT", "no such directory/text")
    with pytest.raises(UserError, match="cannot be written"):
        new_session(SMALL.replace(text=("-",)), tmp_path / "run", stdin=text)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("save", [True, False])
def test_in_a_thread_it_starts_serves_and_stops(session: Session, save: bool) -> None:
    link = session.connect()
    session.start()
    link.send(Stop(save))
    assert session.join(120)
    events = link.events()
    assert [event.state for event in events if isinstance(event, StateChanged)] == ["training", "stopped"]
    assert [event.why for event in events if isinstance(event, Saved)] == ["end"] * save
