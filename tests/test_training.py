"""Training: the same seed, the same numbers; PyTorch's numbers; divergence; a validation that disturbs nothing."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import threading
import time
import weakref
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config import Config
from engine.errors import UserError
from engine.network.model import Model
from engine.text.corpus import load_corpus
from engine.training import barrier
from engine.training.batches import Batches
from engine.training.process_group import ProcessGroup
from engine.training.replica import divides_units
from engine.training.trainer import Trainer
from engine.training.training import train
from engine.training.worker import STEP
from tests.small_run import validation_loss

SMALL = Config(text=("physics",), hidden=24, embedding=8, batch=4, seq=12, lr=1e-2)


def make(config: Config = SMALL, dtype: type = np.float32) -> Trainer:
    corpus = load_corpus(config.text)
    return Trainer(config, len(corpus.vocabulary), corpus.train, corpus.valid, dtype=dtype)


@pytest.fixture(params=["batch", "units"])
def division(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What several processes divide, whatever is faster on this machine."""
    monkeypatch.setattr("engine.training.workers.divides_units", lambda *_: request.param == "units")


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_same_seed_gives_the_same_bits_and_another_does_not(cell: str) -> None:
    config = SMALL.replace(cell=cell, layers=2, dropout=0.2)
    one, two, other = make(config), make(config), make(config.replace(seed=2))
    steps = [list(islice(train(trainer), 30)) for trainer in (one, two, other)]
    assert steps[0] == steps[1]
    assert steps[0] != steps[2]
    np.testing.assert_array_equal(one.parameters.flat, two.parameters.flat)
    assert validation_loss(one) == validation_loss(two)


def test_validation_disturbs_nothing() -> None:
    watched, alone = make(SMALL.replace(layers=2, dropout=0.2)), make(SMALL.replace(layers=2, dropout=0.2))
    for step, reference in islice(zip(train(watched), train(alone), strict=False), 12):
        assert step == reference
        assert validation_loss(watched) == validation_loss(watched)


def test_the_state_is_carried_within_an_epoch_and_starts_anew_with_the_next() -> None:
    trainer = make()
    windows = trainer.batches.windows_per_epoch
    for _ in range(windows):
        trainer.step()
    hidden = trainer.replica.window.work.tapes[0].hidden  # h_{−1} … h_{T−1}
    kept = hidden[-1].copy()
    trainer.step()  # the first window of the second epoch
    assert not hidden[0].any()
    assert kept.any()
    before = hidden[-1].copy()
    trainer.step()
    np.testing.assert_array_equal(hidden[0], before)


def test_a_step_that_is_not_finite_leaves_the_parameters_alone() -> None:
    trainer = make(SMALL.replace(lr=1e38, clip="none", optimizer="sgd"))
    seen = []
    with np.errstate(all="ignore"):
        for step in train(trainer, 20):
            seen.append(step.loss)
            if not np.isfinite(step.loss):
                break
            before = trainer.parameters.flat.copy()
    assert not np.isfinite(seen[-1])
    np.testing.assert_array_equal(trainer.parameters.flat, before)


@pytest.mark.parametrize("loss", ["every", "last"])
def test_a_hundred_steps_are_pytorchs(loss: str) -> None:
    """The same weights, batches, clipping and Adam: float64, so that rounding cannot hide a difference."""
    torch = pytest.importorskip("torch")
    from tests.torch_model import TorchModel

    trainer = make(SMALL.replace(cell="lstm", loss=loss), np.float64)
    judge = TorchModel(trainer.parameters, torch.float64)
    adam = torch.optim.Adam(judge.parameters(), lr=SMALL.lr)
    batches = Batches(load_corpus(SMALL.text).train, SMALL.batch, SMALL.seq)
    state = None
    for step in train(trainer, 100):
        inputs, targets = batches.window(step.step - 1)
        adam.zero_grad()
        logits, state = judge(inputs, state)
        state = tuple(part.detach() for part in state)
        if loss == "last":
            logits, targets = logits[-1:], targets[-1:]
        value = torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.tensor(targets).flatten())
        value.backward()
        norm = torch.nn.utils.clip_grad_norm_(judge.parameters(), 5.0)
        adam.step()
        assert step.loss == pytest.approx(value.item(), rel=1e-7)
        assert step.grad_norm == pytest.approx(norm.item(), rel=1e-6)


def test_a_thousand_steps_end_where_pytorchs_do_and_two_thousand_learn_enough(shared_data: Path) -> None:
    """tiny-shakespeare with the default model: PyTorch within 0.02 nats, and then at or below 1.80."""
    torch = pytest.importorskip("torch")
    from tests.torch_model import TorchModel

    corpus = load_corpus([str(shared_data / "tinyshakespeare.txt")])
    torch.set_num_threads(1)  # two would wait for each other at full speed, for minutes if a core is busy
    config = Config()
    trainer = Trainer(config, len(corpus.vocabulary), corpus.train, corpus.valid)
    judge = TorchModel(trainer.parameters)
    for _ in train(trainer, 1000):  # all of them first: the threads of both would be in each other's way
        pass
    own = validation_loss(trainer)
    for _ in train(trainer, 2000):
        pass
    assert validation_loss(trainer) <= 1.80
    adam = torch.optim.Adam(judge.parameters(), lr=config.lr)
    state: Any = None  # a tensor
    for number in range(1000):
        index = number % trainer.batches.windows_per_epoch
        inputs, targets = trainer.batches.window(index)
        adam.zero_grad()
        logits, state = judge(inputs, None if index == 0 else state.detach())
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.tensor(targets).flatten()).backward()
        torch.nn.utils.clip_grad_norm_(judge.parameters(), 5.0)
        adam.step()
    trainer.parameters.load({name: value.detach().numpy() for name, value in judge.named_parameters()})
    trainer.refresh()
    assert validation_loss(trainer) == pytest.approx(own, abs=0.02)
    trainer.close()


@pytest.fixture(params=["batch", "units", "pipes"])
def any_group(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups that divide the batch or the units and meet at counters in shared memory, or, as on Arm, at pipes."""
    if request.param != "pipes" and not barrier.KEEPS_ORDER:
        pytest.skip("this processor does not keep the order of stores")
    monkeypatch.setattr(barrier, "KEEPS_ORDER", request.param != "pipes")
    monkeypatch.setattr("engine.training.workers.divides_units", lambda *_: request.param == "units")


def test_the_processor_decides_how_processes_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = []
    for keeps_order in (True, False):
        monkeypatch.setattr(barrier, "KEEPS_ORDER", keeps_order)
        trainer = make(SMALL.replace(workers=2))
        kinds.append(type(trainer.replica.group._barrier))
        trainer.close()
    assert kinds == [barrier.CounterBarrier, barrier.PipeBarrier]


def test_units_are_divided_where_weights_are_copied_at_every_step_and_steps_are_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    large, small = Config(cell="lstm", hidden=512, batch=50), Config(cell="lstm", hidden=128, batch=32)
    for fast in (False, True):
        monkeypatch.setattr("engine.network.cells.products.small_is_fast", lambda fast=fast: fast)
        assert divides_units(large, 2) == (not fast)
        assert not divides_units(large, 1)
        assert not divides_units(small, 2)
        assert not divides_units(large.replace(cell="mingru"), 2)


def test_a_model_of_divided_units_is_whole_for_those_who_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after the parameters have changed, by a step or from outside."""
    monkeypatch.setattr("engine.training.workers.divides_units", lambda *_: True)
    trainer = make(SMALL.replace(workers=2))
    codes = np.arange(12).reshape(6, 2)
    work = trainer.model.workspace(6, 2, train=False)
    trainer.model.forward(work, codes)
    list(islice(train(trainer), 3))
    for _ in range(2):
        work.reset()
        expected = Model(trainer.parameters)
        np.testing.assert_allclose(
            trainer.model.forward(work, codes), expected.forward(expected.workspace(6, 2), codes), atol=1e-6
        )
        trainer.parameters.flat[:] *= 1.1
        trainer.refresh()
    trainer.close()


@pytest.mark.usefixtures("division")
@pytest.mark.parametrize("loss", ["every", "last"])
@pytest.mark.parametrize("input", ["folded", "onehot", "embedded"])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_processes_that_share_the_batch_learn_the_same(cell: str, input: str, loss: str) -> None:
    """Two and three processes, unequal parts, an epoch that begins anew, a state taken up by another number."""
    config = SMALL.replace(cell=cell, layers=2, hidden=23, batch=5, seq=11, loss=loss)
    config = config.replace(
        input="onehot" if input == "onehot" else "embedding", embedding=64 if input == "folded" else 8
    )
    corpus = load_corpus(config.text)

    def make(config: Config, dtype: type) -> Trainer:
        return Trainer(config, len(corpus.vocabulary), corpus.train[:1500], corpus.valid, dtype=dtype)

    alone = make(config, np.float64)
    assert alone.model.folded == (input != "embedded")
    steps = alone.batches.windows_per_epoch + 3
    reference = list(islice(train(alone), steps))
    expected_arrays, _ = alone.state()
    validation = validation_loss(alone)
    following = alone.step().loss
    for workers in (2, 3):
        shared = make(config.replace(workers=workers), np.float64)
        assert len(shared.workers) == workers - 1
        for step, expected in zip(islice(train(shared), steps), reference, strict=True):
            assert step.loss == pytest.approx(expected.loss, rel=1e-9)
            assert step.grad_norm == pytest.approx(expected.grad_norm, rel=1e-8)
        assert validation_loss(shared) == pytest.approx(validation, rel=1e-9)
        arrays, meta = shared.state()
        for name, array in expected_arrays.items():
            np.testing.assert_allclose(arrays[name], array, rtol=1e-7, atol=1e-9, err_msg=name)
        again = make(config.replace(workers=5 - workers), np.float64)
        again.restore(arrays, meta)
        assert again.step().loss == pytest.approx(following, rel=1e-9)
        assert shared.step().loss == pytest.approx(following, rel=1e-9)
        shared.close()
        again.close()


@pytest.mark.usefixtures("division")
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_fewer_sequences_to_evaluate_than_processes(cell: str) -> None:
    """A short text has one sequence to validate on; and no more processes are started than there are to train on."""
    config = SMALL.replace(cell=cell, layers=2, batch=3)
    corpus = load_corpus(config.text)

    def make(workers: int) -> Trainer:
        sizes = config.replace(workers=workers)
        return Trainer(sizes, len(corpus.vocabulary), corpus.train, corpus.valid[:30], dtype=np.float64)

    alone, shared = make(1), make(4)
    assert len(shared.workers) == 2
    assert shared.validation is not None
    assert shared.validation.batch == 1
    for step, expected in zip(islice(train(shared), 3), train(alone), strict=False):
        assert step.loss == pytest.approx(expected.loss, rel=1e-9)
    assert validation_loss(shared) == pytest.approx(validation_loss(alone), rel=1e-9)
    shared.close()


@pytest.mark.usefixtures("any_group")
def test_processes_agree_that_a_step_was_not_finite_and_go_on() -> None:
    config = SMALL.replace(cell="lstm", layers=2, batch=5)
    alone, shared = make(config, np.float64), make(config.replace(workers=3), np.float64)
    for trainer in (alone, shared):
        list(islice(train(trainer), 3))
        kept = trainer.state()
        trainer.parameters["rnn.weight_hh_l0"][0, 0] = np.nan
        trainer.refresh()
        before = trainer.parameters.flat.copy()
        assert not np.isfinite(trainer.step().loss)
        assert not np.isfinite(trainer.step().loss)
        np.testing.assert_array_equal(trainer.parameters.flat, before)
        trainer.restore(*kept)
    for step, expected in zip(islice(train(shared), 4), train(alone), strict=False):
        assert step.step == expected.step
        assert step.loss == pytest.approx(expected.loss, rel=1e-9)
    shared.close()


@pytest.mark.usefixtures("division")
def test_the_state_is_there_though_a_process_is_gone() -> None:
    trainer, whole = make(SMALL.replace(workers=2)), make(SMALL.replace(workers=2))
    for each in (trainer, whole):
        list(islice(train(each), 3))
    trainer.workers[0].process.kill()
    trainer.workers[0].process.wait()
    for name, array in whole.state()[0].items():
        np.testing.assert_array_equal(trainer.state()[0][name], array, err_msg=name)
    whole.close()
    trainer.close()


@pytest.mark.usefixtures("any_group")
def test_a_process_that_shares_the_batch_repeats_its_bits_and_its_end_is_told() -> None:
    one, two = make(SMALL.replace(workers=2)), make(SMALL.replace(workers=2))
    assert list(islice(train(one), 20)) == list(islice(train(two), 20))
    np.testing.assert_array_equal(one.parameters.flat, two.parameters.flat)
    two.close()
    assert two.workers[0].process.poll() == 0
    one.workers[0].process.kill()
    with pytest.raises(RuntimeError, match="shared the work ended"):
        list(islice(train(one), 3))
    one.close()


@pytest.mark.usefixtures("any_group")
def test_a_process_that_was_suspended_keeps_no_step_and_no_end_waiting() -> None:
    trainer = make(SMALL.replace(workers=2))
    worker = trainer.workers[0].process
    worker.send_signal(signal.SIGSTOP)
    threading.Timer(0.3, trainer.wake).start()
    assert trainer.step().step == 1
    worker.send_signal(signal.SIGSTOP)
    trainer.close()
    assert worker.returncode == 0


@pytest.mark.usefixtures("any_group")
def test_a_resumed_run_of_several_processes_has_the_bits_of_the_one_that_went_on() -> None:
    config = SMALL.replace(cell="lstm", layers=2, workers=2)
    straight, first, second = make(config), make(config), make(config)
    losses = [step.loss for step in islice(train(straight), 12)]
    list(islice(train(first), 7))
    second.restore(*first.state())
    assert [step.loss for step in islice(train(second), 5)] == losses[7:]
    np.testing.assert_array_equal(second.parameters.flat, straight.parameters.flat)
    for trainer in (straight, first, second):
        trainer.close()


@pytest.mark.usefixtures("any_group")
@pytest.mark.parametrize("seq", [1, 2, 5])
@pytest.mark.parametrize("input", ["onehot", "embedding"])
def test_a_process_that_dawdles_changes_no_bit(input: str, seq: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However late a process comes to a barrier, none writes what another has yet to read."""
    config = SMALL.replace(cell="lstm", layers=2, hidden=10, seq=seq, input=input, embedding=8, workers=2)
    swift, slow = make(config), make(config)
    expected = [step.loss for step in islice(train(swift), 12)] + [validation_loss(swift)]
    dawdle = np.random.default_rng(seq)
    on_time = ProcessGroup.barrier

    def late(group: ProcessGroup) -> None:
        on_time(group)
        if group.size > 1 and dawdle.random() < 0.3:
            time.sleep(0.001)

    monkeypatch.setattr(ProcessGroup, "barrier", late)
    assert [step.loss for step in islice(train(slow), 12)] + [validation_loss(slow)] == expected
    np.testing.assert_array_equal(slow.parameters.flat, swift.parameters.flat)
    for trainer in (swift, slow):
        trainer.close()


@pytest.mark.usefixtures("any_group")
def test_nothing_is_left_of_a_trainer_that_could_not_be_made() -> None:
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(UserError, match="too few"):
        Trainer(SMALL.replace(workers=2), 10, np.zeros(5, np.intp), np.zeros(0, np.intp))
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.usefixtures("any_group")
def test_a_trainer_that_goes_takes_everything_with_it_at_once() -> None:
    """Also where the cycle collector does not come: in a process that is measured, or for a day."""
    gc.disable()
    try:
        trainer = make(SMALL.replace(workers=2))
        gone = weakref.ref(trainer)
        trainer.close()
        del trainer
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.usefixtures("any_group")
def test_no_process_is_left_where_a_trainer_could_not_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    started: list[subprocess.Popen[bytes]] = []
    popen: type[subprocess.Popen[bytes]] = subprocess.Popen

    def start(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr("engine.training.seeds.initialize", fail)
    with pytest.raises(MemoryError) as caught:
        make(SMALL.replace(workers=2))
    assert [process.poll() for process in started] == [0]
    del caught  # whose traceback has held the trainer, so that it was not collected


def test_what_a_process_says_at_its_end_is_kept_with_the_error(capfd: pytest.CaptureFixture[str]) -> None:
    trainer = make(SMALL.replace(workers=2))
    trainer.replica._rate[...] = np.nan  # no number of steps: the worker fails, not this process
    trainer._send(STEP)
    trainer.workers[0].process.wait()
    with pytest.raises(RuntimeError, match=r"exit code 1\)") as caught:
        trainer.step()
    assert "ValueError" in "".join(caught.value.__notes__)
    assert capfd.readouterr().err == ""
    trainer.close()
