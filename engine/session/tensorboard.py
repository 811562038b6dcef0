"""Writes what a run records as event files of TensorBoard: at once, or live from a thread that holds up nothing.

loss, val_loss, lr …   a scalar for each field of a line of metrics
gradients/t07          at each moment the histogram of G_7 = ∂ℓ_T/∂h_7, and of every other time step
gradient_norm/t07      its norm
sample                 the text of each sample
"""

from __future__ import annotations

import itertools
import os
import queue
import socket
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import UserError, closed_on_failure
from engine.network.model import Model
from engine.probes.gradient_flow import finite, gradient_flow
from engine.probes.held_out import HeldOut
from engine.probes.results import GradientFlow, Sample
from engine.runs.kept_text import load_text
from engine.runs.reader import RunReader
from engine.session.threads import give_way, require_thread

MOST_WAITING = 1000  # records of a live run that wait for the disk; more are left out
CLOSE_SECONDS = 5.0  # that the end of a run waits for the disk
_NUMBERS = itertools.count()  # of the files of this process
LOOK_SECONDS = 2.0  # after which what was written can be seen, at the latest


class EventFile:
    """A new event file in `directory`; other methods raise `OSError` if the disk refuses.

    It is written in the thread of the caller. tensorboardX's own writer has a thread, which dies of a full disk, and
    then all who write wait for it for ever. Raises `UserError` if it cannot be made, or the library is missing.
    """

    def __init__(self, directory: Path) -> None:
        try:
            from tensorboardX import summary
            from tensorboardX.proto.event_pb2 import Event
            from tensorboardX.record_writer import RecordWriter
        except ImportError:
            raise UserError("TensorBoard's files need tensorboardX; install it (pip install tensorboardX)") from None
        self._summary, self._event = summary, Event
        # As TensorFlow's own: without process and number, two files begun within a second would be one.
        name = f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}.{os.getpid()}.{next(_NUMBERS)}"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._records = RecordWriter(str(directory / name))
            with closed_on_failure(self.close):
                self._write(wall_time=time.time(), file_version="brain.Event:2")
                self.flush()
        except OSError as error:
            raise unwritable(directory, error) from None

    def flush(self) -> None:
        """Have TensorBoard see all that was written."""
        self._records.flush()
        self._flushed_at = time.monotonic()

    def _write(self, **fields: Any) -> None:
        self._records.write(self._event(**fields).SerializeToString())

    def _add(self, summary: Any, step: int, at: float) -> None:
        self._write(summary=summary, step=step, wall_time=at)
        if time.monotonic() - self._flushed_at >= LOOK_SECONDS:
            self.flush()

    def report(self, row: Mapping[str, Any], at: float) -> None:
        """A line of metrics, as scalars at the time `at`, in seconds since 1970."""
        for name, value in row.items():
            if name not in ("step", "time") and value is not None and np.isfinite(value):
                self._add(self._summary.scalar(name, value), row["step"], at)

    def sample(self, sample: Sample, at: float) -> None:
        """A sample, as a block of text that Markdown leaves as it is."""
        text = (sample.prompt + sample.text).encode("utf-8", "replace").decode()
        self._add(self._summary.text("sample", "    " + text.replace("\n", "\n    ")), sample.step, at)

    def gradients(self, flow: GradientFlow, at: float) -> None:
        """The gradient of each time step, as a histogram and its norm."""
        digits = len(str(len(flow.norms) - 1))
        edges = np.array(finite(flow.edges))
        for t, (counts, norm) in enumerate(zip(flow.counts, flow.norms.tolist(), strict=True)):
            if not np.isfinite(norm):
                continue
            place = f"t{t:0{digits}}"
            first, last = np.flatnonzero(counts)[[0, -1]]
            first = max(first - 1, 0)  # an empty bin, whose right edge is the left one of the next
            histogram = self._summary.histogram_raw(
                f"gradients/{place}",
                min=edges[first + 1 if counts[first] == 0 else first],
                max=edges[last + 1],
                num=int(counts.sum()),
                sum=0.0,  # is not known of a histogram, and not shown
                sum_squares=norm**2,
                bucket_limits=edges[first + 1 : last + 2].tolist(),
                bucket_counts=counts[first : last + 1].tolist(),
            )
            self._add(histogram, flow.step, at)
            self._add(self._summary.scalar(f"gradient_norm/{place}", norm), flow.step, at)

    def close(self) -> None:
        """Write all that waits, and close the file, whatever comes of that."""
        try:
            self.flush()
        finally:
            self._records.close()


def unwritable(directory: Path, error: OSError) -> UserError:
    """What to say where event files cannot be written."""
    reason = error.strerror or error
    return UserError(f"{directory}: cannot be written ({reason}); make room there, or name another directory")


def export(run: RunReader, directory: Path) -> None:
    """Write what `run` has recorded into an event file in `directory`: all lines, samples and kept weights.

    Raises `UserError` if the file cannot be written, or the run's text, from which gradients come, is gone.
    """
    config, record = run.config, run.record
    corpus = load_text(run.path, record)
    probe = HeldOut(corpus.held_out(config.seq), corpus.vocabulary, config.seq).probe
    began = datetime.fromisoformat(record.created).timestamp()
    metrics = run.metrics()
    steps, seconds = metrics["step"].tolist(), np.nan_to_num(metrics["time"]).tolist()

    def when(step: int) -> float:
        """The time of a step, which may have no line of metrics."""
        return began + float(np.interp(step, [0, *steps], [0.0, *seconds]))

    with _said(directory), closing(EventFile(directory)) as events:
        for place, step in enumerate(steps):
            events.report({name: column[place].item() for name, column in metrics.items()}, when(step))
        for sample in run.samples():
            events.sample(sample, when(sample.step))
        for step in run.kept_steps():
            try:
                model = Model(run.weights(step))
            except UserError:
                if step in run.kept_steps():
                    raise
                continue  # a run that trains has let go of this moment meanwhile
            with np.errstate(all="ignore"):
                flow = gradient_flow(
                    model, probe[:-1], probe[1:], last_only=config.loss == "last", step=step, matrices=False
                )
            events.gradients(flow, when(step))


@contextmanager
def _said(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unwritable(directory, error) from None


class LiveEvents:
    """Passes what a run records on to an event file in `directory`, in a thread of its own.

    Implements `engine.session.recorder.Listener`. What the disk does not take in time is left out.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._events = EventFile(directory)
        self._waiting: queue.Queue[Callable[[], None] | None] = queue.Queue(MOST_WAITING)
        with closed_on_failure(self._events.close):
            self._thread = require_thread("tensorboard", self._write)

    def report(self, row: Mapping[str, Any]) -> None:
        self._put(partial(self._events.report, row, time.time()))

    def sample(self, sample: Sample) -> None:
        self._put(partial(self._events.sample, sample, time.time()))

    def gradients(self, flow: GradientFlow) -> None:
        self._put(partial(self._events.gradients, flow, time.time()))

    def close(self) -> None:
        with suppress(queue.Full):
            self._waiting.put(None, timeout=CLOSE_SECONDS)
        self._thread.join(CLOSE_SECONDS)

    def _put(self, write: Callable[[], None]) -> None:
        with suppress(queue.Full):  # the disk is slow, and the training is not to wait for it
            self._waiting.put_nowait(write)

    def _write(self) -> None:
        give_way()
        try:
            while write := self._next():
                write()
            self._events.close()
        except OSError as error:
            with suppress(OSError):
                self._events.close()
            traceback.print_exception(unwritable(self._directory, error))  # a line; the run goes on without these files
        except Exception:
            traceback.print_exc()

    def _next(self) -> Callable[[], None] | None:
        while True:
            try:
                return self._waiting.get(timeout=LOOK_SECONDS)
            except queue.Empty:  # nothing comes that would have it seen
                self._events.flush()
