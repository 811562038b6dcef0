"""A training loop in PyTorch that is watched: what viewers see is its network, and what they do acts on its loop."""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits
from torch.nn.functional import cross_entropy

from engine.errors import UserError
from engine.foreign.outside import OutsideTrainer
from engine.probes.held_out import HeldOut
from engine.remote.client import RemoteLink
from engine.runs.reader import RunReader
from engine.session.messages import Pause, Resume, Save, ScaleLearningRate, SetView, Snapshot, StepOnce, Stop, View
from engine.text.corpus import load_corpus
from engine.text.vocabulary import Vocabulary
from engine.torch import Watch, watch
from engine.training.cores import blas_info
from tests.torch_networks import SHUFFLED, CharRNN, codes_of, connectivity, gradient_norms
from tests.waiting import snapshot_where, wait_for
from tui.cli import main

TEXT = "the rain on the hill, and the old road by the sea.\n" * 60
PROMPT = "the old road"
STEPS, BATCH = 12, 3


class Loop:
    """A training loop as people write it; `limit` says after which step it ends by itself."""

    def __init__(self, place: Path, cell: str = "gru", layers: int = 1, width: int | None = 6) -> None:
        torch.manual_seed(3)
        (place / "text.txt").write_text(TEXT)
        self.network = CharRNN(cell, len(SHUFFLED), 8, layers, width)
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=0.1)
        self.losses: list[float] = []
        self.rates: list[float] = []
        self.watch = Watch(
            self.network.gru,
            self.network.fc,
            embedding=self.network.encoder,
            vocabulary=SHUFFLED,
            text=place / "text.txt",
            optimizer=self.optimizer,
            seq=STEPS,
            batch=BATCH,
            run=place / "run",
        )
        self.codes = codes_of(TEXT, SHUFFLED)[:, 0]

    def step(self) -> bool:
        """One step, and whether another may follow."""
        start = len(self.losses) * 7 % (len(self.codes) - BATCH * (STEPS + 1))
        windows = self.codes[start : start + BATCH * (STEPS + 1)].view(BATCH, -1).t()
        loss = cross_entropy(self.network(windows[:-1]).flatten(0, 1), windows[1:].flatten())
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.losses.append(float(loss.detach()))
        self.rates.append(self.optimizer.param_groups[0]["lr"])
        return self.watch.step(loss)

    def run(self) -> None:
        torch.set_num_threads(1)  # it holds for the thread that calls it
        while self.step():
            pass


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Loop]]:
    torch.set_num_threads(1)
    loops: list[Loop] = []

    def make(*network: Any) -> Loop:
        loops.append(Loop(tmp_path, *network))
        return loops[-1]

    yield make
    for loop in loops:
        loop.watch.close()


class Viewed:
    """A loop in a thread of its own, and a viewer of it."""

    def __init__(self, loop: Loop) -> None:
        self.loop, self.thread = loop, threading.Thread(target=loop.run)
        self.thread.start()
        self.link = RemoteLink(loop.watch.run)

    def paused(self) -> Snapshot:
        """What the viewer sees of the loop, which stands still."""
        self.link.send(Pause())
        snapshot = snapshot_where(self.link, lambda snapshot: snapshot.state == "paused")
        assert snapshot.step == len(self.loop.losses)
        return snapshot

    def end(self) -> None:
        self.link.send(Stop(save=True))
        self.thread.join(120)
        self.link.close()
        assert not self.thread.is_alive()


@pytest.fixture
def view(make: Callable[..., Loop]) -> Iterator[Callable[..., Viewed]]:
    viewed: list[Viewed] = []

    def view(*network: Any) -> Viewed:
        viewed.append(Viewed(make(*network)))
        return viewed[-1]

    yield view
    for each in viewed:
        each.end()


@pytest.mark.parametrize(
    "network", [("rnn", 1, None), ("rnn", 2, 5), ("gru", 1, 6), ("gru", 2, None), ("lstm", 1, 7), ("lstm", 2, 5)]
)
def test_all_figures_are_those_of_autograd_on_the_loops_own_network(
    network: tuple[Any, ...], view: Callable[..., Viewed], tmp_path: Path
) -> None:
    viewed = view(*network)
    shown = ("gradients", "connectivity", "cells", "samples", "where")
    viewed.link.send(SetView(View(visible=shown, prompt=PROMPT)))
    snapshot_where(viewed.link, lambda snapshot: snapshot.step > 3)
    step = viewed.paused().step
    viewed.link.send(StepOnce())  # so that the loop ends in a step of which nobody has asked anything

    def is_answered(snapshot: Snapshot) -> bool:
        answers = [getattr(snapshot, name) for name in ("gradients", "connectivity", "cells", "where")]
        return snapshot.step == step + 1 and all(answer and answer.step == step + 1 for answer in answers)

    seen = snapshot_where(viewed.link, is_answered)
    assert seen.gradients is not None
    assert seen.connectivity is not None
    assert seen.cells is not None
    assert len(viewed.loop.losses) == step + 1
    assert seen.loss == pytest.approx(viewed.loop.losses[-1])

    whole = torch.cat([each.grad.flatten() for each in viewed.loop.network.parameters() if each.grad is not None])
    assert seen.grad_norm == pytest.approx(float(whole.norm()), rel=1e-5)
    exact = copy.deepcopy(viewed.loop.network).double()
    np.testing.assert_allclose(
        seen.connectivity.matrix[:-1], connectivity(exact, PROMPT, SHUFFLED), rtol=1e-4, atol=1e-9
    )
    states = exact.gru(exact.enter(codes_of(PROMPT, SHUFFLED)))[0][:, 0].detach().numpy()
    if network[1] == 1:
        np.testing.assert_allclose(seen.cells.values, states.T, rtol=1e-4, atol=1e-5)
    corpus = load_corpus([str(tmp_path / "text.txt")]).with_characters(SHUFFLED)
    probe = HeldOut(corpus.held_out(STEPS), Vocabulary(tuple(sorted(SHUFFLED))), STEPS).probe
    numbers = torch.tensor([SHUFFLED.index(character) for character in sorted(SHUFFLED)])[torch.tensor(probe.copy())]
    np.testing.assert_allclose(seen.gradients.norms, gradient_norms(exact, numbers[:-1], numbers[1:]), rtol=1e-4)


def test_steps_wait_until_something_is_due_or_a_viewer_calls(
    make: Callable[..., Loop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "TURN_SECONDS", np.inf)
    loop = make()
    session = loop.watch._session
    taken: list[int] = []
    for _ in range(22):
        loop.step()
        taken.append(session.steps)
    assert taken == [1, 2, 2, 2, *[5] * 5, *[10] * 10, 20, 20, 20]  # the steps whose weights are kept
    session.send(Save())
    loop.step()
    assert session.steps == 23
    parameters, step = RunReader(loop.watch.run).saved()
    assert step == 23
    theirs = loop.network.gru.weight_hh_l0.detach().numpy()
    np.testing.assert_array_equal(parameters["rnn.weight_hh_l0"], theirs)
    loop.step()
    assert session.steps == 23
    assert session.loop.history.history().loss == pytest.approx(loop.losses[:23])


def is_at(step: int, snapshot: Snapshot) -> bool:
    return snapshot.step == step


def test_a_viewer_steps_changes_the_rate_and_stops(view: Callable[..., Viewed]) -> None:
    viewed = view()
    step = viewed.paused().step
    for count in (1, 2):
        viewed.link.send(StepOnce())
        snapshot_where(viewed.link, partial(is_at, step + count))
        assert len(viewed.loop.losses) == step + count
    viewed.link.send(ScaleLearningRate(0.5))
    assert snapshot_where(viewed.link, lambda snapshot: snapshot.lr < 0.1).lr == pytest.approx(0.05)
    viewed.link.send(Resume())
    snapshot_where(viewed.link, lambda snapshot: snapshot.step > step + 3)
    assert viewed.loop.rates[step + 1] == pytest.approx(0.1)
    assert viewed.loop.rates[step + 2] == pytest.approx(0.05)
    viewed.end()
    run = RunReader(viewed.loop.watch.run)
    assert run.state == "stopped"
    parameters, step = run.saved()
    assert step == len(viewed.loop.losses)
    theirs = viewed.loop.network.gru.weight_hh_l0.detach().numpy()
    np.testing.assert_array_equal(parameters["rnn.weight_hh_l0"], theirs)


@pytest.mark.parametrize("turn_seconds", [0.0, np.inf])
def test_the_curves_are_the_loops_losses(
    turn_seconds: float, make: Callable[..., Loop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "TURN_SECONDS", turn_seconds)
    loop = make()
    for _ in range(100):
        assert loop.step()
    loop.watch.close()
    metrics = RunReader(loop.watch.run).metrics()
    np.testing.assert_allclose(metrics["loss"], np.reshape(loop.losses, (10, 10)).mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(metrics["lr"], 0.1)
    assert np.isfinite(metrics["val_loss"]).any()
    assert np.isnan(metrics["lambda1"]).all()  # it would hold up the loop
    whole = torch.cat([each.grad.flatten() for each in loop.network.parameters() if each.grad is not None])
    assert metrics["grad_norm"][-1] == pytest.approx(float(whole.norm()), rel=1e-5)


def test_weights_are_copied_only_when_somebody_looks_or_they_are_kept(
    make: Callable[..., Loop], monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = make()
    for _ in range(260):  # after the early validations, and before the next moment
        loop.step()
    copied: list[int] = []
    tensors = loop.watch._tensors

    def noted() -> dict[str, Any]:
        copied.append(len(loop.losses))
        return tensors()

    monkeypatch.setattr(loop.watch._session.loop, "_save_after", np.inf)
    monkeypatch.setattr(loop.watch._trainer, "_tensors", noted)
    for _ in range(239):
        loop.step()
    assert copied == []
    loop.step()
    assert copied == [500]
    loop.watch.close()
    assert RunReader(loop.watch.run).kept_steps() == [0, 1, 2, 5, 10, 20, 50, 100, 200, 500]


def test_the_run_keeps_the_blas_at_one_thread_and_the_loop_at_its_own_number(
    make: Callable[..., Loop], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside: list[int] = []
    with threadpool_limits(limits=2, user_api="blas"):
        loop = make()
        show = OutsideTrainer.show

        def counting(trainer: OutsideTrainer) -> None:
            inside.append(blas_info()["num_threads"])
            show(trainer)

        monkeypatch.setattr(OutsideTrainer, "show", counting)
        loop.step()  # the weights after the first step are kept
        assert set(inside) == {1}
        assert blas_info()["num_threads"] == 2


def test_the_first_moment_has_the_weights_before_the_first_step(make: Callable[..., Loop]) -> None:
    loop = make()
    before = loop.network.gru.weight_hh_l0.detach().clone().numpy()
    loop.step()
    np.testing.assert_array_equal(RunReader(loop.watch.run).weights(0)["rnn.weight_hh_l0"], before)
    after = loop.network.gru.weight_hh_l0.detach().numpy()
    np.testing.assert_array_equal(RunReader(loop.watch.run).weights(1)["rnn.weight_hh_l0"], after)


def test_a_loss_that_is_no_number_ends_the_run_and_not_the_loop(make: Callable[..., Loop]) -> None:
    loop = make()
    for _ in range(30):
        loop.step()
    kept = loop.network.fc.bias.detach().clone()
    assert loop.watch.step(float("nan"))
    run = RunReader(loop.watch.run)
    assert (run.state, run.pid) == ("diverged", None)
    assert loop.watch.step(1.0)
    assert torch.equal(loop.network.fc.bias, kept)
    assert run.weights(20) is not None


def test_an_interruption_leaves_a_run_that_is_saved(make: Callable[..., Loop], monkeypatch: pytest.MonkeyPatch) -> None:
    loop = make()
    loop.step()

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(loop.watch._session.viewers, "obey", interrupt)
    with pytest.raises(KeyboardInterrupt):
        loop.step()
    loop.watch.close()
    run = RunReader(loop.watch.run)
    assert (run.state, run.saved()[1]) == ("stopped", 2)


def test_an_interruption_while_a_loss_is_awaited_ends_too(
    make: Callable[..., Loop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU, where to read a loss is to wait; after it nothing takes the steps that have been noted."""

    class Awaited:
        def __float__(self) -> float:
            raise KeyboardInterrupt

    loop = make()
    loop.step()
    loop.step()
    monkeypatch.setattr("engine.torch.watch._number", lambda loss: Awaited())
    loop.watch._next_turn = math.inf  # several steps are taken at once
    loop.step()
    loop.watch._next_turn = 0.0
    with pytest.raises(KeyboardInterrupt):
        loop.step()
    loop.watch.close()
    run = RunReader(loop.watch.run)
    assert (run.state, run.saved()[1]) == ("stopped", 4)


def test_commands_that_wait_at_a_divergence_change_nothing_any_more(make: Callable[..., Loop]) -> None:
    loop = make()
    loop.step()
    session = loop.watch._session
    session.loop.save("asked")
    loop.watch._trainer.made(float("nan"), float("nan"))
    session.send(Stop(save=True))
    loop.watch.close()
    run = RunReader(loop.watch.run)
    assert (run.state, run.saved()[1]) == ("diverged", 1)


def test_this_program_can_go_on_with_the_run(make: Callable[..., Loop]) -> None:
    loop = make("lstm", 2)
    for _ in range(25):
        loop.step()
    loop.watch.close()
    assert main(["train", "--resume", str(loop.watch.run), "--headless", "--steps", "200"]) == 0
    run = RunReader(loop.watch.run)
    assert (run.state, run.status.step) == ("finished", 200)
    assert run.metrics()["loss"][-1] < loop.losses[0]


def test_a_loop_without_an_optimiser_is_watched_too(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT)
    network = CharRNN("gru", len(SHUFFLED), 8)
    with Watch(network.gru, network.fc, vocabulary=SHUFFLED, text=tmp_path / "text.txt", run=tmp_path / "run") as watch:
        assert watch.step(1.5)
        assert watch.step(torch.tensor(1.5, requires_grad=True))
    assert RunReader(tmp_path / "run").saved()[1] == 2


def modules(cell: str = "GRU", vocabulary: str = SHUFFLED, **options: Any) -> tuple[Any, Any, str]:
    return getattr(torch.nn, cell)(26, 8, **options), torch.nn.Linear(8, 26), vocabulary


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (lambda: modules("RNN", nonlinearity="relu"), "has the non-linearity relu"),
        (lambda: modules(bidirectional=True), "reads the text backwards"),
        (lambda: modules("LSTM", proj_size=4), "is a projection of h"),
        (lambda: modules("Linear"), "is a Linear"),
        (
            lambda: modules(vocabulary="abc"),
            "head.weight has .3, 8. with a vocabulary of 3 characters",
        ),
        (lambda: modules(vocabulary="aab"), "vocabulary: 'a' is there 2 times"),
    ],
)
def test_a_network_that_cannot_be_watched_is_refused(
    wrong: Callable[[], tuple[Any, Any, str]], expected: str, tmp_path: Path
) -> None:
    (tmp_path / "text.txt").write_text(TEXT)
    rnn, head, vocabulary = wrong()
    with pytest.raises(UserError, match=expected):
        Watch(rnn, head, vocabulary=vocabulary, text=tmp_path / "text.txt", run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_held_out_text_is_the_last_tenth(make: Callable[..., Loop]) -> None:
    record = RunReader(make().watch.run).record
    assert (record.text_length, record.held_out) == (len(TEXT), round(len(TEXT) / 10))


def test_a_viewer_that_vanishes_harms_nothing(view: Callable[..., Viewed]) -> None:
    viewed = view()
    snapshot_where(viewed.link, lambda snapshot: snapshot.step > 0)
    second = RemoteLink(viewed.loop.watch.run)
    second._connection.close()  # as when its process is killed
    at = len(viewed.loop.losses)
    wait_for(lambda: len(viewed.loop.losses) > at + 50)
    snapshot_where(viewed.link, lambda snapshot: snapshot.step > at + 50)
