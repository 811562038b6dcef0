"""What viewers see of the network as it was at a moment of the run: a step whose weights are kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection

from engine.errors import UserError
from engine.network.model import Model
from engine.network.parameters import Parameters
from engine.probes.results import Sample
from engine.runs.history import HistoryKeeper
from engine.session.instruments import Instruments
from engine.session.messages import Answers, View
from engine.session.sample_stream import SampleStream

IN_MEMORY = 8  # moments: one network each
PIECE = 200  # characters of a sample that are drawn before anything else is looked at


class Moment:
    """The network `model` after `step` steps: its answers, and the sample that it writes.

    `instruments` and `samples` are the run's. The units that they hold and the sampling settings apply here too.
    """

    def __init__(
        self, step: int, model: Model, instruments: Instruments, samples: SampleStream, val_loss: float | None
    ) -> None:
        self.step = step
        self._model, self._val_loss = model, val_loss
        self._instruments, self._of_the_run = instruments.on(model), instruments
        self._samples = samples
        self._asked: object = None  # what the sample depends on besides the weights
        self._stream = samples
        self._sample: Sample | None = None

    def answer(self, view: View) -> Answers:
        """The answers to `view`, all from these weights."""
        self._instruments.clamps = self._of_the_run.clamps
        return self._instruments.answer(view, self.step, urgent=True)

    def is_at_work(self, view: View) -> bool:
        """Whether an answer to `view`, or the sample, is begun and comes with later calls."""
        is_writing = "samples" in view.visible and not (self._sample and self._sample.complete)
        return is_writing or self._instruments.is_at_work(view, self.step)

    def sample(self) -> Sample:
        """The sample that these weights write, a piece more at each call until it is `complete`.

        The same weights and settings write the same text, however often and in whatever order they are asked.
        """
        asked = self._samples.question
        if asked != self._asked:
            self._asked, self._sample = asked, None
            self._stream = self._samples.on(self._model, self.step, self._val_loss)
        if self._sample is None or not self._sample.complete:
            self._sample = self._stream.write(PIECE) or self._stream.current()
        return self._sample


class Moments:
    """The moments of a run. `weights` gives those kept at a step; it raises `UserError` or `OSError` if it cannot."""

    def __init__(self, weights: Callable[[int], Parameters], instruments: Instruments, samples: SampleStream) -> None:
        self._weights, self._instruments, self._samples = weights, instruments, samples
        self._loaded: OrderedDict[int, Moment] = OrderedDict()  # the one asked for last at the end
        self._unreadable: set[int] = set()

    def readable(self, kept: Collection[int]) -> tuple[int, ...]:
        """Those of the `kept` steps that can be shown, as far as is known."""
        return tuple(step for step in kept if step not in self._unreadable)

    def at(self, step: int, history: HistoryKeeper) -> Moment | None:
        """The moment of `step`; None if its weights are not kept, or cannot be read."""
        moment = self._loaded.get(step)
        if moment is None:
            try:
                model = Model(self._weights(step))
            except (UserError, OSError, MemoryError):
                self._unreadable.add(step)
                return None
            moment = Moment(step, model, self._instruments, self._samples, history.val_loss_at(step))
            self._loaded[step] = moment
            if len(self._loaded) > IN_MEMORY:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(step)
        return moment

    def forget(self) -> None:
        """Forget all of them: the run goes back to an earlier step, and later weights may become others."""
        self._loaded.clear()
        self._unreadable.clear()
