"""At a moment everything that a viewer sees comes from the weights that were kept then."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from pathlib import Path

import numpy as np
import pytest

from engine.config import Config
from engine.network.model import Model
from engine.network.sampling import Choice, Sampler
from engine.remote.archive import ArchiveLink
from engine.runs import kept_weights
from engine.runs.reader import RunReader
from engine.session.messages import (
    Clamp,
    MarkMoment,
    Notice,
    Pause,
    Resume,
    Sample,
    SampleAgain,
    SamplingSettings,
    SetSampling,
    SetView,
    Snapshot,
    StepOnce,
    View,
)
from engine.session.session import Session
from engine.session.start import new_session, resumed_session
from engine.text.vocabulary import Vocabulary
from tests.example_messages import is_equal
from tests.small_run import assert_same_state, trainer_in, validation_loss
from tests.test_session import SMALL, Driver
from tests.waiting import snapshot_where, wait_for

THEN = 20
EVERYTHING = View(prompt="mass of the", occlusion=True)


def driven(path: Path, steps: int, config: Config = SMALL) -> Driver:
    driver = Driver(new_session(config, path))
    driver.turns(steps)
    return driver


def asked(driver: Driver, view: View) -> Snapshot:
    """The snapshot that answers `view`, at a moment with the whole sample."""
    driver.link.send(SetView(view))
    driver.link.send(Pause())
    driver.turns(1)
    snapshot = driver.snapshot()
    while snapshot.moment is not None and not (snapshot.sample and snapshot.sample.complete):
        snapshot = driver.snapshot()
    return snapshot


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return new_session(SMALL, tmp_path / "run")


@pytest.fixture
def paused(tmp_path: Path) -> Driver:
    """A run that was paused at step 60."""
    driver = driven(tmp_path / "run", 60)
    driver.link.send(Pause())
    driver.turns(1)
    return driver


def test_every_answer_at_a_moment_is_that_of_the_run_as_it_was_then(paused: Driver, tmp_path: Path) -> None:
    """Another run of the same seed that was stopped at that step, saved and resumed, says the same."""
    then = asked(paused, dataclasses.replace(EVERYTHING, moment=THEN))
    other = driven(tmp_path / "other", THEN)
    other.session.loop.save("end")
    other.session.loop.close()
    resumed = Driver(resumed_session(tmp_path / "other"))
    now = asked(resumed, EVERYTHING)
    assert (then.moment, then.step, now.moment, now.step) == (THEN, 60, None, THEN)
    for name in ("gradients", "connectivity", "cells"):
        answer = getattr(then, name)
        assert answer.step == THEN, name
        assert is_equal(answer, getattr(now, name)), name
    resumed.session.loop.close()


def test_the_sample_at_a_moment_is_that_of_the_saved_weights(paused: Driver, tmp_path: Path) -> None:
    paused.link.send(SetSampling(temperature=0.0, prompt="mass", length=300))
    then = asked(paused, View(moment=THEN)).sample
    assert then is not None
    assert (then.step, len(then.text), then.prompt, then.last_step) == (THEN, 300, "mass", None)
    model = Model(RunReader(tmp_path / "run").weights(THEN))
    vocabulary = Vocabulary(paused.session.info.vocabulary)
    sampler = Sampler(model, np.random.default_rng(0))
    sampler.prime(vocabulary.encode("mass")[0])
    codes = np.array([sampler.next(Choice(temperature=0.0))[0] for _ in range(300)])
    assert then.text == vocabulary.decode(codes)


def test_the_same_question_has_the_same_sample_and_another_one_another(paused: Driver) -> None:
    def text(moment: int) -> str:
        sample = asked(paused, View(moment=moment)).sample
        assert sample is not None
        return sample.text

    first, earlier = text(THEN), text(5)
    assert first != earlier
    assert text(THEN) == first
    paused.link.send(SampleAgain())
    again = text(THEN)
    assert again != first
    paused.link.send(SetSampling(temperature=0.3))
    assert text(THEN) not in (first, again)


def test_units_that_are_held_are_held_at_a_moment_too(paused: Driver) -> None:
    paused.link.send(Clamp(0, 3, 1.0))
    cells = asked(paused, View(moment=THEN)).cells
    assert cells is not None
    assert cells.clamped == ((3, 1.0),)
    assert cells.clamp_effect is None  # it was measured with the present weights
    paused.link.send(Clamp(0, 3, None))
    cells = asked(paused, View(moment=THEN)).cells
    assert cells is not None
    assert cells.clamped == ()


def test_now_is_laid_beside_a_moment_where_it_is_asked_for(paused: Driver) -> None:
    assert asked(paused, dataclasses.replace(EVERYTHING, moment=THEN)).now is None
    both = asked(paused, dataclasses.replace(EVERYTHING, moment=THEN, beside_now=True))
    present = asked(paused, EVERYTHING)
    assert present.now is None
    assert both.now is not None
    assert both.now.gradients is present.gradients
    assert both.now.connectivity is present.connectivity
    assert both.now.cells is present.cells
    assert present.gradients is not None
    assert present.gradients.step == 60
    assert both.gradients is not None
    assert both.gradients.step == THEN


def test_now_is_not_an_answer_of_long_ago(tmp_path: Path) -> None:
    driver = driven(tmp_path / "run", 30)
    asked(driver, EVERYTHING)
    driver.link.send(Resume())
    driver.session.loop.instruments._budget._free_from = math.inf  # no time is left to renew anything unasked
    driver.turns(30)
    both = asked(driver, dataclasses.replace(EVERYTHING, moment=THEN, beside_now=True))
    assert both.now is not None
    assert both.now.gradients is not None
    assert both.now.gradients.step == driver.session.loop.trainer.steps


def test_visits_to_moments_take_no_time_from_the_present_instruments(paused: Driver) -> None:
    budget = paused.session.loop.instruments._budget
    asked(paused, EVERYTHING)
    before = budget._free_from
    for moment in (0, 5, THEN):
        asked(paused, dataclasses.replace(EVERYTHING, moment=moment))
    assert budget._free_from == before


def test_looking_at_moments_changes_no_bit_of_the_run(tmp_path: Path) -> None:
    watched, unwatched = driven(tmp_path / "watched", 25), driven(tmp_path / "unwatched", 25)
    for moment in (0, 20, 1, None, 5):
        watched.link.send(SetView(dataclasses.replace(EVERYTHING, moment=moment, beside_now=True)))
        watched.turns(7)
        assert watched.snapshot().moment == moment
    unwatched.turns(35)
    one, other = trainer_in(watched.session), trainer_in(unwatched.session)
    assert one.steps == other.steps == 60
    assert_same_state(one, other)
    assert validation_loss(one) == validation_loss(other)


def test_where_no_weights_are_kept_the_present_ones_answer_and_this_is_said(paused: Driver) -> None:
    snapshot = asked(paused, View(moment=3))
    assert snapshot.moments == (0, 1, 2, 5, 10, 20, 50)
    assert snapshot.moment is None
    (paused.session.directory / "moments" / "10.safetensors").write_bytes(b"no weights")
    assert asked(paused, View(moment=10)).moment is None
    assert asked(paused, View()).moments == (0, 1, 2, 5, 20, 50)  # it is offered no more


# --- marks ---------------------------------------------------------------------------------


def test_the_present_weights_are_marked_on_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_weights, "MOST_MARKED", 2)
    driver = driven(tmp_path / "run", 23)
    driver.link.events()
    for _ in range(3):
        driver.link.send(MarkMoment())
        driver.turns(1)
    notices = [event.text for event in driver.link.events() if isinstance(event, Notice)]
    assert notices[:2] == [f"step {step} is marked: its weights stay as long as the run" for step in (23, 24)]
    assert notices[2:] == ["2 moments are marked; no more can be"]
    assert kept_weights.marked_steps(tmp_path / "run") == [23, 24]
    assert driver.snapshot().moments == (0, 1, 2, 5, 10, 20, 23, 24)


def test_the_moments_of_the_settings_are_kept_in_steps_and_epochs(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the quick brown fox\n" * 6)  # 108 characters to train on: 10 windows an epoch
    config = Config(
        text=(str(text),), hidden=8, embedding=4, batch=1, seq=10, threads=1, steps=40, moments="0, 7,2e,3.5e"
    )
    new_session(config, tmp_path / "run").run()
    assert kept_weights.marked_steps(tmp_path / "run") == [0, 7, 20, 35]


# --- samples of weights that stand still -----------------------------------------------------


def test_a_paused_run_writes_one_sample_and_another_as_soon_as_it_is_asked(session: Session) -> None:
    now = [0.0]
    session.viewers._clock = session.loop.clock = lambda: now[0]
    driver = Driver(session)
    driver.turns(3)
    driver.link.send(Pause())
    driver.link.send(SetSampling(length=40))

    def grown() -> list[Sample]:
        found = []
        for _ in range(6):
            now[0] += 0.25
            driver.turns(1)
            sample = driver.snapshot().sample
            assert sample is not None
            found.append(sample)
        return found

    first = grown()
    assert 0 < len(first[1].text) < 40
    assert first[-1].complete
    assert first[-1] is grown()[-1]  # it stands until something else is asked
    for command in (SetSampling(temperature=1.5), SampleAgain(), SetSampling(prompt="mass")):
        driver.link.send(command)
        samples = grown()
        assert 0 < len(samples[1].text) < 40
        assert samples[-1].complete
        assert samples[-1].text != first[-1].text
    assert (samples[-1].prompt, samples[-1].temperature) == ("mass", 1.5)
    driver.link.send(StepOnce())
    assert grown()[-1].step == 4  # other weights write another one


# --- a run that has ended --------------------------------------------------------------------


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("moments") / "run"
    new_session(SMALL.replace(steps=120), path).run()
    return path


def test_an_ended_run_writes_a_sample_at_once_with_any_settings(ended: Path) -> None:
    with contextlib.closing(ArchiveLink(ended)) as link:
        first = snapshot_where(link, lambda found: found.sample and found.sample.complete)
        assert first.sampling == SamplingSettings()
        assert first.sample is not None
        assert (first.sample.step, len(first.sample.text)) == (120, 400)
        assert first.sample.word_share is not None
        number = link.send(SetSampling(temperature=0.1, prompt="mass", length=50))
        asked_for = snapshot_where(
            link, lambda found: found.obeyed == number and found.sample and found.sample.complete
        )
        assert asked_for.sampling == SamplingSettings(temperature=0.1, prompt="mass", length=50)
        assert asked_for.sample is not None
        assert (asked_for.sample.prompt, asked_for.sample.temperature) == ("mass", 0.1)
        assert len(asked_for.sample.text) == 50


def test_moments_asked_faster_than_they_are_answered_never_get_each_others_answers(ended: Path) -> None:
    moments: list[int | None] = [*RunReader(ended).kept_steps(), None]
    with contextlib.closing(ArchiveLink(ended)) as link:
        asked_for: dict[int, int | None] = {}
        seen = []
        for number in range(50):
            moment = moments[number % len(moments)]
            asked_for[link.send(SetView(dataclasses.replace(EVERYTHING, moment=moment)))] = moment
            time.sleep(0.01)
            seen.append(link.take())
        last = max(asked_for)
        while not any(snapshot is not None and snapshot.obeyed == last for snapshot in seen):
            seen.append(wait_for(link.take))
        answered = [snapshot for snapshot in seen if snapshot is not None and snapshot.gradients is not None]
        for snapshot in answered:
            moment = asked_for.get(snapshot.obeyed)
            step = 120 if moment is None else moment
            assert snapshot.moment == moment
            answers = (snapshot.gradients, snapshot.connectivity, snapshot.cells, snapshot.sample)
            assert [answer and answer.step for answer in answers] == [step] * 4
        assert answered[-1].obeyed == last
        assert answered[-1].moments == tuple(moments[:-1])
