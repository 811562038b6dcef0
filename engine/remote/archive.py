"""A viewer's end of a run that has no process: its curves, and instruments on its saved weights."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np

from engine.arrays import Codes
from engine.config import Config
from engine.errors import UserError
from engine.network.model import Model
from engine.runs.history import HistoryKeeper
from engine.runs.kept_text import load_text
from engine.runs.reader import RunReader
from engine.runs.record import RunInfo, State, require_vocabulary
from engine.session.instruments import Answers, Instruments
from engine.session.link import Mailbox
from engine.session.loss_by_class import loss_by_class
from engine.session.messages import Command, Event, MomentRecorded, Notice, SampleFinished, SetView, Snapshot, View
from engine.syntax import parse_schedule
from engine.text.corpus import Corpus, parts_of
from engine.text.vocabulary import Vocabulary
from engine.training import memory
from engine.training.batches import windows_per_epoch

LOOK_SECONDS = 1.0  # between two looks whether another process goes on with the run
CLOSE_SECONDS = 1.0  # that closing waits for an answer that is being computed
AGAIN_SECONDS = 0.05  # until an answer is looked at again that is not complete yet
SHORT = 1000  # time steps: the longest window of gradients that are measured on samples


class ArchiveLink(Mailbox):
    """Implements `engine.session.messages.Link` for the run in the directory `path`; only reads there.

    The only command with an effect is `SetView`: a thread answers it with the weights kept at step `View.moment`
    if there are any, else with the last ones. Its first events are the samples and moments on disk, unless
    `past` is false. Unless `alone` is false, it says when another process goes on with the run. Raises `UserError` if
    `path` is not a run.
    """

    is_remote = False

    def __init__(self, path: Path, *, past: bool = True, alone: bool = True) -> None:
        self._run = RunReader(path)
        self._alone, self._pid = alone, self._run.pid
        super().__init__(past_events(self._run) if past else ())
        if caution := self._run.caution:
            self.queue(Notice(caution, "warning"))
        self._snapshot = last_snapshot(self._run)
        self.put(self._snapshot)
        self._asked = View(), 0  # what to show, and the number of the command that said so
        self._warning = ""
        self._closing = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._work, name="archive", daemon=True)
        self._thread.start()

    # --- for the screen ----------------------------------------------------------------------

    @property
    def info(self) -> RunInfo:
        return self._run.info

    def send(self, command: Command) -> int:
        view, number = self._asked
        if isinstance(command, SetView):
            view, number = command.view, number + 1
            self._asked = view, number
            self._wake.set()
        return number  # other commands do nothing, so there is nothing to wait for

    def close(self) -> None:
        self._closing = True
        self._wake.set()
        self._thread.join(CLOSE_SECONDS)

    # --- the thread --------------------------------------------------------------------------

    def _work(self) -> None:
        answer: Callable[[View], tuple[Answers, bool]] | None = None
        while True:
            self._wake.clear()
            if self._closing:
                return
            view, number = self._asked
            answers, more = Answers(), False
            try:
                answer = answer or self._instruments()
                answers, more = answer(view)
            except Exception as error:
                traceback.print_exc()
                self.queue(Notice(f"the instruments failed: {type(error).__name__}: {error}", "error"))
            shown = dataclasses.replace(self._snapshot, warning=self._warning, obeyed=number, **answers._asdict())
            self.put(shown)
            if more:
                self._wake.wait(AGAIN_SECONDS)  # an answer may wait for another thread, which needs the time
            while not more and not self._wake.wait(LOOK_SECONDS if self._alone else None):
                if self._notices_another():
                    break

    def _notices_another(self) -> bool:
        """Whether another process has the run now that had it not before; then what is shown says so."""
        before, self._pid = self._pid, self._run.pid
        if self._pid in (None, 0, before, os.getpid()):  # 0: it has only just begun; its id is there at the next look
            return False
        reason = elsewhere(self._pid)
        self._snapshot = dataclasses.replace(self._snapshot, state="stopped", reason=reason)
        self.queue(Notice(f"{reason}; open it again to watch it", "warning"))
        return True

    def _instruments(self) -> Callable[[View], tuple[Answers, bool]]:
        """A function that answers a view from the run's last weights, and says whether more comes if it is asked again.

        Without any weights it warns, and answers nothing.
        """
        run, vocabulary = self._run, Vocabulary(self._run.vocabulary)
        try:
            step, model = _newest(run)
        except UserError as error:
            self._warning = f"no prompt can be answered: {error}"
            return lambda view: (Answers(), False)
        corpus, held_out, config = self._held_out(vocabulary)
        where = None if corpus is None else loss_by_class(corpus, run)
        instruments = Instruments(model, vocabulary, held_out, config, run.weights, loss_by_class=where)
        return lambda view: (instruments.answer(view, step, urgent=True), instruments.is_at_work(view, step))

    def _held_out(self, vocabulary: Vocabulary) -> tuple[Corpus | None, Codes, Config]:
        """The run's text, the part of it that the run was not trained on, and its settings.

        Where that text is gone, None, the run's own samples, and settings with windows of at most `SHORT` steps.
        """
        config, record = self._run.config, self._run.record
        try:
            corpus = load_text(self._run.path, record)
            require_vocabulary(self._run.path, record, corpus.vocabulary)
            memory.require(config.replace(workers=1), len(vocabulary))
        except UserError as error:
            self._warning = f"gradients and cells are shown on the run's own samples: {error}"
            text = "".join(sample.text for sample in self._run.samples()) or "".join(vocabulary.characters)
            codes, _ = vocabulary.encode(text)
            short = config.replace(seq=min(config.seq, SHORT))
            return None, np.resize(codes, max(len(codes), 2 * short.seq + 2)), short
        return corpus, corpus.held_out(config.seq), config


def _newest(run: RunReader) -> tuple[int, Model]:
    """The step and the model of the newest weights: after a crash, kept weights may be newer than the last save."""
    moments = run.kept_steps()
    try:
        parameters, step = run.saved()
    except UserError:
        if not moments:
            raise
        step = -1
    if moments and moments[-1] > step:
        return moments[-1], Model(run.weights(moments[-1]))
    return step, Model(parameters)


def past_events(run: RunReader) -> list[Event]:
    """Its finished samples and recorded moments, each oldest first."""
    samples = [SampleFinished(sample) for sample in run.samples()]
    return [*samples, *(MomentRecorded(flow) for flow in run.gradient_flows())]


def how_it_is(run: RunReader) -> tuple[State, str]:
    """Its state, and why."""
    if run.state == "crashed":
        return run.state, "its process ended without a word; its last save is kept"
    return run.state, str(run.status.get("reason", ""))


def elsewhere(pid: int | None) -> str:
    """Why files are shown of a run that is being trained."""
    return f"these are its last saved weights; the run itself goes on in process {pid}"


def last_snapshot(run: RunReader) -> Snapshot:
    """Its state after its last report, with all curves, without instruments. Unmeasured values are NaN or None."""
    metrics, status, history = run.metrics(), run.status, run.history()
    state, reason = how_it_is(run)
    if state == "diverged" and "step" in status:  # and went back to good weights
        good = metrics["step"] <= status["step"]
        metrics = {name: column[good] for name, column in metrics.items()}
    if run.pid is not None:
        state, reason = "stopped", elsewhere(run.pid)
    last = {"time": 0.0, "epoch": 0.0, "chars_per_second": 0.0, "lr": run.config.lr, "loss": math.nan}
    last |= {name: float(column[-1]) for name, column in metrics.items() if len(column)}
    measured = ~np.isnan(metrics["val_loss"])
    validations = {name: metrics[name][measured] for name in ("val_loss", "val_loss_se", "regret", "regret_se")}
    best = int(validations["val_loss"].argmin()) if measured.any() else -1

    def validation(name: str, place: int) -> float | None:
        value = float(validations[name][place]) if measured.any() else math.nan
        return value if math.isfinite(value) else None

    def known(name: str) -> float | None:
        return last[name] if math.isfinite(last.get(name, math.nan)) else None

    return Snapshot(
        state=state,
        reason=reason,
        step=max([*metrics["step"][-1:].tolist(), status.get("step", 0)]),
        steps=run.config.steps,
        epoch=last["epoch"],
        loss=last["loss"],
        val_loss=validation("val_loss", -1),
        val_loss_se=validation("val_loss_se", -1),
        best_val_loss=validation("val_loss", best),
        regret=validation("regret", best),
        regret_se=validation("regret_se", best),
        grad_norm=known("grad_norm"),
        clipped=known("clipped"),
        ladder=run.record.ladder,
        lr=_next_rate(run, at_least=int(metrics["step"][-1]) if len(metrics["step"]) else 0) or last["lr"],
        chars_per_second=last["chars_per_second"],
        seconds=last["time"],
        history=history.history(),
        live=False,
    )


def _next_rate(run: RunReader, at_least: int) -> float | None:
    """The learning rate of the step that would come next; None if the run was saved last before step `at_least`.

    The log has only the rate of the last step it tells of, and the rate may have been changed since.
    """
    with contextlib.suppress(UserError):
        saved = run.checkpoint()
        if saved.steps >= at_least:
            config, length = run.config, run.record.text_length
            trained, _ = parts_of(length, config.validation, config.test)
            epoch = max(1, windows_per_epoch(trained, config.batch, config.seq))
            return saved.lr * parse_schedule(config.schedule, epoch).factor(saved.steps)
    return None


def unseen_snapshot(info: RunInfo) -> Snapshot:
    """Stands for a run that was never seen: step 0, no curves."""
    return Snapshot(
        state="starting",
        reason="",
        step=0,
        steps=None,
        epoch=0.0,
        loss=math.nan,
        val_loss=None,
        best_val_loss=None,
        lr=float(info.config["lr"]),
        chars_per_second=0.0,
        seconds=0.0,
        history=HistoryKeeper().history(),
    )
