"""The instruments of a run: they answer viewers' questions about its weights, within a fixed share of the time."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Hashable

import numpy as np

from engine.arrays import Codes
from engine.config import Config
from engine.network.cells.layer import Clamps
from engine.network.model import Model
from engine.probes.pieces import Pieces
from engine.probes.reach import Reach
from engine.probes.results import GradientFlow
from engine.session.cell_questions import ANY_STEP
from engine.session.loss_by_class import LossByClass
from engine.session.messages import Answers, View
from engine.session.pace import Budget
from engine.session.questions import PIECE, Answer, Ask, Questions
from engine.text.vocabulary import Vocabulary
from engine.training.training import Window

# The share of the time that instruments may take, and once more for answers that are computed in pieces, which hold up
# no others. The first answer to a new question need not wait for it.
SHARE = 0.01
CREDIT = 0.3  # seconds more at the beginning, when a network changes fastest
BESIDE = ("connectivity", "contexts", "portrait")  # whose questions become new ones when more is known
KEPT_ANSWERS = 16  # of all viewers together
AWAY = 5.0  # seconds without a question: then an older answer will not do; more than viewers wait between two snapshots
MOST_BEGUN = 4  # answers that are computed piece by piece at the same time; each holds a copy of the weights


class Instruments:
    """Answers a viewer's `View` from the weights of `model`, of a run that trains or of one that has ended.

    `held_out` is text that the model does not learn, or the training text where there is no other, as codes (N,)
    with N > config.seq. `next_window` gives what a sequence of the batch reads in the next training step; None if the
    run has ended. `loss_by_class` says where the loss is; None if no text is held out.

    Only the instruments that a view shows are computed, and each once a step at most. An urgent new question is
    answered at once, also one that nobody has asked for a while: a pane that comes back does not show the network of
    long ago. Later, answers are renewed one at a time, the oldest first, as the share of time allows. An
    answer that takes longer than `PIECE` is computed in pieces, one at each call; the first one to a new question does
    not wait for the share of time between them.
    """

    def __init__(
        self,
        model: Model,
        vocabulary: Vocabulary,
        held_out: Codes,
        config: Config,
        *,
        next_window: Callable[[int], Window] | None = None,
        loss_by_class: LossByClass | None = None,
        clock: Callable[[], float] = time.perf_counter,
        credit: float = CREDIT,
        share: float = SHARE,
    ) -> None:
        self.clamps: dict[int, Clamps] = {}  # units that `Cells` shows held fixed, by layer
        self.clamp_effect: float | None = None  # what they do to the validation loss, in nats; nan: unknown
        self._questions = Questions(model, vocabulary, held_out, config, next_window, loss_by_class)
        self._clock = clock
        self._share = share
        self._budget = Budget(share, clock, credit)
        self._long_budget = Budget(share, clock, credit)
        self._is_free = False  # no training waits for the answers
        self._long: set[str] = set()  # the instruments whose answers come in pieces
        self._shown_news = 0  # of the background, at the last call of `answer`
        self.forget()

    def on(self, model: Model) -> Instruments:
        """The same instruments on another model, which trains on no window.

        They have shares of the time of their own, so that those of the present weights need not wait longer.
        """
        other = copy.copy(self)
        other._budget, other._long_budget = Budget(self._share, self._clock), Budget(self._share, self._clock)
        other._questions, other.clamp_effect, other._is_free = self._questions.on(model), None, False
        other._drop_answers()
        return other

    def forget(self) -> None:
        """Drop all answers: the run goes back to an earlier step, whose weights may become others."""
        self._drop_answers()
        self._questions.forget()

    def _drop_answers(self) -> None:
        self._answers: OrderedDict[Hashable, Answer] = OrderedDict()  # the one renewed last at the end
        self._asked_at: dict[Hashable, float] = {}  # last, of each answer
        self._begun: OrderedDict[Hashable, Pieces[Answer]] = OrderedDict()  # answers that are computed in pieces

    def gradient_flow(self, step: int) -> GradientFlow:
        """The gradient flow of the last step's loss in the first layer, without σ and ρ of the recurrent matrix."""
        with np.errstate(all="ignore"):
            return self._questions.flow(step)

    def reach(self) -> Reach:
        """How far back predictions reach over held-out text."""
        return self._questions.reach()

    def set_training(self, is_training: bool) -> None:
        """Set whether the run trains: only then the answers keep to their shares of the time."""
        self._questions.background.is_hurried = self._is_free = not is_training

    def lambda1(self) -> float:
        """The largest Lyapunov exponent over held-out text, in nats per character; NaN if there is none."""
        return self._questions.lambda1()

    def is_at_work(self, view: View, step: int) -> bool:
        """Whether an answer to `view` is begun, or was completed in the background since `answer` was called last.

        It comes with later calls of that.
        """
        background = self._questions.background
        if background.is_busy or background.news != self._shown_news:
            return True
        return any(key in self._begun for key, _ in self._questions.of(view, step, self.clamps).values())

    def answer(self, view: View, step: int, *, urgent: bool, fresh: bool = False) -> Answers:
        """The answers to `view` from the model after `step` steps, or older ones where time allows no new ones.

        With `fresh`, an urgent question is not answered with older ones.
        """
        self._shown_news = self._questions.background.news  # before it is asked: what comes meanwhile is not lost
        asks, now = self._questions.of(view, step, self.clamps), self._clock()
        for name, (key, ask) in asks.items():
            # After a single step all numbers of a step taken apart are to be those of the new weights.
            is_due = fresh or name == "inside" or now - self._asked_at.get(key, now) > AWAY
            again = urgent and is_due and self._is_stale(key, step)
            if again or (key not in self._answers and (urgent or name in BESIDE)):
                self._renew(name, key, ask, at_once=True)
        known = {key: at for key, at in self._asked_at.items() if key in self._answers}
        self._asked_at = known | {key: now for key, _ in asks.values()}
        stale = {name: key for name, (key, _) in asks.items() if self._is_stale(key, step)}
        long = {name: key for name, key in stale.items() if name in self._long}
        first = [name for name, key in long.items() if key in self._begun and key not in self._answers]
        if first and not urgent:
            self._renew(first[0], *asks[first[0]], at_once=False)
        elif long and (self._is_free or self._long_budget.allows):
            self._renew_oldest(long, asks)
        short = {name: key for name, key in stale.items() if name not in long}
        if short and (self._is_free or self._budget.allows):
            self._renew_oldest(short, asks)
        found = Answers(**{name: self._answers[key][0] for name, (key, _) in asks.items() if key in self._answers})
        if found.cells is not None and found.cells.clamped:
            return dataclasses.replace(found, cells=dataclasses.replace(found.cells, clamp_effect=self.clamp_effect))
        return found

    def _is_stale(self, key: Hashable, step: int) -> bool:
        return key not in self._answers or self._answers[key][1] not in (step, ANY_STEP)

    def _renew_oldest(self, stale: dict[str, Hashable], asks: dict[str, tuple[Hashable, Ask]]) -> None:
        """Renew one of the answers `stale`: one that was never computed, or else the one renewed longest ago."""
        order = list(self._answers)
        name = min(stale, key=lambda name: order.index(stale[name]) if stale[name] in self._answers else -1)
        self._renew(name, *asks[name], at_once=False)

    def _renew(self, name: str, key: Hashable, ask: Ask, *, at_once: bool) -> None:
        """Compute an answer, or the next piece of it. Pieces go on with the weights with which the first one began."""
        answer: Answer | None
        with np.errstate(all="ignore"):
            try:
                found: Answer | Pieces[Answer] | None = self._begun.pop(key, None)
                if found is None:
                    with self._budget.spend():
                        found = ask(at_once)
                if isinstance(found, Generator):
                    self._long.add(name)
                    with self._long_budget.spend():
                        answer = self._go_on(key, found)
                else:
                    answer = found
            except MemoryError:  # the question asks for too much; the training goes on
                answer = None, ANY_STEP
        if answer is not None:
            self._keep(key, answer)
        elif key in self._answers:
            self._answers.move_to_end(key)  # the others have their turn between two pieces

    def _go_on(self, key: Hashable, pieces: Pieces[Answer]) -> Answer | None:
        """Compute for `PIECE` seconds; the answer if it is complete by then."""
        until = self._clock() + PIECE
        try:
            while self._clock() < until and not next(pieces):
                pass
        except StopIteration as end:
            complete: Answer = end.value
            return complete
        self._begun[key] = pieces
        if len(self._begun) > MOST_BEGUN:
            self._begun.popitem(last=False)
        return None

    def _keep(self, key: Hashable, answer: Answer) -> None:
        self._answers[key] = answer
        self._answers.move_to_end(key)
        if len(self._answers) > KEPT_ANSWERS:
            self._answers.popitem(last=False)
