"""Where the loss is, as a run answers it: in pieces, of the weights of one step, beside the moment before."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config import Config
from engine.network.model import Model
from engine.network.parameters import Parameters
from engine.probes.reading import read_whole
from engine.probes.results import Where
from engine.probes.where import where, yardstick
from engine.remote.archive import ArchiveLink
from engine.runs.reader import RunReader
from engine.session import loss_by_class as module
from engine.session.loop import Loop
from engine.session.loss_by_class import LossByClass
from engine.session.messages import SetView, Snapshot, View
from engine.session.snapshots import take_snapshot
from engine.session.start import new_session
from engine.text.corpus import Corpus, load_corpus
from engine.text.stretches import stretches
from engine.training.trainer import Trainer
from engine.training.training import train
from tests.waiting import snapshot_where, wait_for

SMALL = Config(text=("physics",), hidden=12, embedding=6, batch=8, seq=20, threads=1, workers=1, lr=1e-2)
SHOWN = View(visible=("where",))


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load_corpus(SMALL.text)


def made(corpus: Corpus, before: Callable[[int], tuple[int, Parameters] | None] = lambda step: None) -> LossByClass:
    return LossByClass(corpus, before)


def trainer_of(corpus: Corpus, steps: int = 40) -> Trainer:
    trainer = Trainer(SMALL, len(corpus.vocabulary), corpus.train, corpus.valid)
    for _ in islice(train(trainer), steps):
        pass
    return trainer


def complete(pieces: Any, between: Callable[[], object] = lambda: None) -> Where | None:
    while True:
        try:
            if next(pieces):
                time.sleep(0.01)
        except StopIteration as end:
            found: Where | None = end.value
            return found
        between()


def test_the_answer_is_of_the_weights_with_which_it_began(corpus: Corpus) -> None:
    trainer = trainer_of(corpus)
    validated = trainer.validate()
    assert validated is not None
    found = complete(made(corpus).answer(trainer.model, trainer.steps), between=trainer.step)
    assert trainer.steps > 45
    assert found is not None
    assert (found.step, found.before) == (40, None)
    assert found.loss == pytest.approx(validated.mean, abs=1e-6)
    now = trainer.validate()
    assert now is not None
    assert abs(found.loss - now.mean) > 1e-3


def test_it_is_compared_with_the_moment_before_which_is_read_once(corpus: Corpus) -> None:
    trainer, asked = trainer_of(corpus), list[int]()
    earlier = Parameters(trainer.parameters.architecture)
    earlier.flat[:] = trainer.parameters.flat

    def before(step: int) -> tuple[int, Parameters]:
        asked.append(step)
        return 40, earlier

    for _ in range(20):
        trainer.step()
    by_class = made(corpus, before)
    found = complete(by_class.answer(trainer.model, 60))
    alone = complete(made(corpus).answer(Model(earlier), 40))
    assert found is not None
    assert alone is not None
    assert found.before_step == 40
    np.testing.assert_array_equal(found.before, alone.losses)
    pieces = sum(1 for _ in by_class.answer(trainer.model, 61))
    earlier.flat[0] += 1  # the run went back, and came to other weights at that step
    assert sum(1 for _ in by_class.answer(trainer.model, 61)) == 2 * pieces
    assert asked == [60, 61, 61]


def test_the_training_does_not_wait_for_the_counting(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    may_count, counted = threading.Event(), list[int]()

    def late(*arguments: Any) -> Any:
        counted.append(1)
        assert may_count.wait(60)
        return yardstick(*arguments)

    monkeypatch.setattr(module, "yardstick", late)
    by_class, model = made(corpus), trainer_of(corpus, 1).model
    first, second = by_class.answer(model, 1), by_class.answer(model, 1)
    assert [next(first), next(second), next(first)] == [True, True, True]
    may_count.set()
    assert complete(first) is not None
    assert complete(second) is not None
    assert counted == [1]


def test_without_memory_for_the_counting_there_is_no_answer(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_memory(*arguments: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(module, "yardstick", no_memory)
    assert complete(made(corpus).answer(trainer_of(corpus, 1).model, 1)) is None
    assert capsys.readouterr().err.count("Traceback") == 1


def test_without_a_thread_for_the_counting_there_is_no_answer_until_there_is_one(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    by_class, model = made(corpus), trainer_of(corpus, 1).model
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        assert complete(by_class.answer(model, 1)) is None
    assert complete(by_class.answer(model, 1)) is not None


# --- in a run ---------------------------------------------------------------------------------------------------


def shown(loop: Loop) -> Snapshot:
    return take_snapshot(loop, SHOWN, urgent=True, obeyed=0)


def test_a_run_and_its_viewer_afterwards_answer_the_same(tmp_path: Path, corpus: Corpus) -> None:
    session = new_session(SMALL.replace(steps=60), tmp_path / "run")
    session.run()
    wait_for(lambda: shown(session.loop).where is not None)
    found = shown(session.loop).where
    assert found is not None
    assert (found.step, found.before_step) == (60, 50)
    assert session.val_loss is not None
    assert found.loss == pytest.approx(session.val_loss, abs=1e-6)
    session.close()

    run = RunReader(tmp_path / "run")
    against = yardstick(corpus.train, corpus.valid, corpus.vocabulary, stretches(len(corpus.valid)))
    read = read_whole(Model(run.weights(50)), corpus.train, corpus.valid)
    earlier = where(np.concatenate(read.losses), against, 50)
    assert found.before is not None
    np.testing.assert_allclose(found.before, earlier.losses, atol=1e-3)  # that one reads more before each stretch

    link = ArchiveLink(tmp_path / "run")
    link.send(SetView(SHOWN))
    again = snapshot_where(link, lambda snapshot: snapshot.where).where
    link.send(SetView(View(visible=("where",), moment=50)))
    then = snapshot_where(link, lambda snapshot: snapshot.moment == 50 and snapshot.where).where
    link.close()
    assert then is not None
    assert (then.step, then.before_step) == (50, 20)
    np.testing.assert_allclose(then.losses, found.before, rtol=1e-5)
    assert again is not None
    assert (again.step, again.n, again.characters, again.before_step) == (60, found.n, found.characters, 50)
    np.testing.assert_allclose(again.losses, found.losses, rtol=1e-5)
    np.testing.assert_array_equal(again.counting, found.counting)
    np.testing.assert_array_equal(again.before, found.before)


def test_at_a_moment_the_one_before_it_is_compared(tmp_path: Path) -> None:
    session = new_session(SMALL.replace(steps=50), tmp_path / "run")
    session.run()
    wait_for(lambda: shown(session.loop).where is not None)
    found = shown(session.loop).where
    assert found is not None
    assert (found.step, found.before_step) == (50, 20)
    assert RunReader(tmp_path / "run").weights_before(0) is None


def test_nothing_is_counted_while_nobody_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def counted(*arguments: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(LossByClass, "answer", counted)
    session = new_session(SMALL.replace(steps=3), tmp_path / "run")
    session.run()
    assert take_snapshot(session.loop, View(), urgent=True, obeyed=0).where is None


def test_a_run_without_held_out_text_has_no_answer(tmp_path: Path) -> None:
    session = new_session(SMALL.replace(steps=3, validation=0), tmp_path / "run")
    session.run()
    assert shown(session.loop).where is None
