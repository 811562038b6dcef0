"""A viewer's end of a run that has no process: its curves, and instruments on its saved weights."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
import traceback
from collections import deque
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.arrays import Codes
from engine.config import Config
from engine.errors import UserError
from engine.network.model import Model
from engine.probes.samples import SampleJudge
from engine.remote.past import last_snapshot, past_events, trained_elsewhere
from engine.runs.kept_text import load_text
from engine.runs.prompts import keep_prompts
from engine.runs.reader import RunReader
from engine.runs.record import RunInfo, require_vocabulary
from engine.session.instruments import Instruments
from engine.session.local_link import Mailbox
from engine.session.loss_by_class import loss_by_class
from engine.session.messages import (
    LONGEST_PROMPT,
    Command,
    Notice,
    SampleAgain,
    SamplingSettings,
    SetSampling,
    SetView,
    ShiftSampling,
    Snapshot,
    View,
)
from engine.session.moments import Moment, Moments
from engine.session.sample_stream import SampleStream, changed
from engine.session.saved import read_session
from engine.session.threads import require_thread
from engine.text.corpus import Corpus
from engine.text.vocabulary import Vocabulary
from engine.training import memory
from engine.training.cores import set_threads, usable_cores
from engine.typed_json import MalformedError

LOOK_SECONDS = 1.0  # between two looks whether another process goes on with the run
CLOSE_SECONDS = 1.0  # that closing waits for an answer that is being computed
AGAIN_SECONDS = 0.05  # until an answer is looked at again that is not complete yet
SHORT = 1000  # time steps: the longest window of gradients that are measured on samples


class ArchiveLink(Mailbox):
    """Implements `engine.session.messages.Link` for the run in the directory `path`; writes there only its prompts.

    The commands with an effect are `SetView` and those about samples. A thread obeys them, and answers with the weights
    kept at step `View.moment` if they can be read, else with the last ones. Its first events are the samples on disk,
    unless `past` is false. Unless `alone` is false, it says when another process goes on with the run. Raises
    `UserError` if `path` is not a run, or the system allows no other thread.
    """

    is_remote = False

    def __init__(self, path: Path, *, past: bool = True, alone: bool = True) -> None:
        self._run = RunReader(path)
        self._alone, self._pid = alone, self._run.pid
        super().__init__(past_events(self._run) if past else ())
        if caution := self._run.caution:
            self.queue(Notice(caution, "warning"))
        self._history = self._run.history()
        self._snapshot = last_snapshot(self._run)
        self.put(self._snapshot)
        self._waiting: deque[Command] = deque()
        self._sent = self._obeyed = 0  # commands
        self._view = View()
        self._prompts = self._kept_prompts = self._run.prompts
        self._network: _Network | None = None
        self._is_opened = False  # or was tried to be
        self._warning = ""
        self._closing = False
        self._wake = threading.Event()
        self._thread = require_thread("archive", self._work)

    # --- for the screen ----------------------------------------------------------------------

    @property
    def info(self) -> RunInfo:
        return self._run.record.info(self._run.path, prompt=self._prompts.typed)

    def send(self, command: Command) -> int:
        if isinstance(command, (SetView, SetSampling, ShiftSampling, SampleAgain)):
            self._sent += 1
            self._waiting.append(command)
            self._wake.set()
        return self._sent  # other commands do nothing, so there is nothing to wait for

    def close(self) -> None:
        self._closing = True
        self._wake.set()
        self._thread.join(CLOSE_SECONDS)

    # --- the thread --------------------------------------------------------------------------

    def _work(self) -> None:
        is_complete = False
        while not self._closing:
            self._wake.clear()
            if self._obey() or not is_complete:
                is_complete = self._answer()  # long answers come in pieces, so that new commands need not wait
                if not is_complete:
                    self._wake.wait(AGAIN_SECONDS)  # an answer may wait for another thread, which needs the time
            elif not self._wake.wait(LOOK_SECONDS if self._alone else None):
                is_complete = not self._notices_another()

    def _notices_another(self) -> bool:
        """Whether another process has the run now that had it not before; then what is shown says so."""
        before, self._pid = self._pid, self._run.pid
        if self._pid in (None, 0, before, os.getpid()):  # 0: it has only just begun; its id is there at the next look
            return False
        reason = trained_elsewhere(self._pid)
        self._snapshot = dataclasses.replace(self._snapshot, state="stopped", reason=reason)
        self.queue(Notice(f"{reason}; open it again to watch it", "warning"))
        return True

    def _obey(self) -> bool:
        """Obey the commands that wait; return whether there were any."""
        is_any = bool(self._waiting)
        while self._waiting:
            command = self._waiting.popleft()
            self._obeyed += 1
            if isinstance(command, SetView):
                if command.view.prompt:
                    self._prompts = dataclasses.replace(self._prompts, typed=command.view.prompt[-LONGEST_PROMPT:])
                self._view = command.view
            elif isinstance(command, (SetSampling, ShiftSampling, SampleAgain)) and self._network is not None:
                self._network.samples.obey(command)
                if isinstance(command, SetSampling):
                    self._prompts = dataclasses.replace(self._prompts, sample=self._network.samples.settings.prompt)
        self._keep_prompts()
        return is_any

    def _keep_prompts(self) -> None:
        """Keep what was typed in the run's directory, if it is new, unless another process has the run."""
        if self._prompts != self._kept_prompts:
            self._kept_prompts = self._prompts
            if self._run.pid is None:
                keep_prompts(self._run.path, self._prompts)

    def _answer(self) -> bool:
        """Put a snapshot that answers the view; return whether that is complete."""
        answered, is_complete = self._snapshot, True
        try:
            if not self._is_opened:
                self._is_opened = True
                self._network = self._open()
            if self._network is not None:
                answered, is_complete = self._answered(self._network, self._view)
        except Exception as error:
            traceback.print_exc()
            self.queue(Notice(f"the instruments failed: {type(error).__name__}: {error}", "error"))
        self.put(dataclasses.replace(answered, warning=self._warning, obeyed=self._obeyed))
        return is_complete

    def _answered(self, network: _Network, view: View) -> tuple[Snapshot, bool]:
        """The snapshot with the answers to `view`, as far as they are computed, and whether all of them are."""
        last, kept = network.last, self._run.kept_steps()
        moment = None if view.moment is None else network.moments.at(view.moment, self._history)
        shown = moment or last
        now = last.answer(view) if moment is not None and view.beside_now else None
        answers = shown.answer(view)
        sample = shown.sample() if "samples" in view.visible else None
        snapshot = dataclasses.replace(
            self._snapshot,
            sampling=network.samples.settings,
            moments=network.moments.readable(kept),
            moment=None if moment is None else moment.step,
            now=now,
            sample=sample,
            **answers.by_name(),
        )
        return snapshot, not shown.is_at_work(view)

    def _open(self) -> _Network | None:
        """The run's network with its instruments; without any weights None, and a warning."""
        run, vocabulary = self._run, Vocabulary(self._run.vocabulary)
        try:
            step, model = _newest(run)
        except UserError as error:
            self._warning = f"no prompt can be answered: {error}"
            return None
        set_threads(min(run.config.threads or 1, usable_cores()))  # as fast as in training
        corpus, held_out, config = self._text(vocabulary)
        where = None if corpus is None else loss_by_class(corpus, run)
        instruments = Instruments(model, vocabulary, held_out, config, loss_by_class=where)
        judge = SampleJudge(corpus).judge if corpus is not None else lambda sample: sample
        samples = SampleStream(model, vocabulary, judge, config.seed)
        samples.use(_sampling(run))
        last = Moment(step, model, instruments, samples, self._history.val_loss_at(step))
        return _Network(last, Moments(run.weights, instruments, samples), samples)

    def _text(self, vocabulary: Vocabulary) -> tuple[Corpus | None, Codes, Config]:
        """The run's text, the part of it that it was not trained on, and its settings.

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


class _Network(NamedTuple):
    """The network of a run that has ended: with its last weights, and at the moments whose weights are kept."""

    last: Moment
    moments: Moments
    samples: SampleStream  # whose settings hold for all of them


def _sampling(run: RunReader) -> SamplingSettings:
    """The sampling settings that the run had last; the usual ones if it does not say."""
    settings = SamplingSettings()
    with contextlib.suppress(UserError, MalformedError):
        settings = read_session(run.checkpoint().session).sampling
    return changed(settings, SetSampling(prompt=run.prompts.sample))


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
