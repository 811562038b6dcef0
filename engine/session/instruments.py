"""The instruments of a run: they ask the probes what viewers want to see, as often as a share of the time allows."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from engine.arrays import Codes
from engine.config import Config
from engine.network.cells.cell import cell_of
from engine.network.cells.layer import Clamps
from engine.network.model import Model
from engine.probes.activations import Statistics, read_cells, statistics
from engine.probes.connectivity import explain
from engine.probes.gradient_flow import gradient_flow
from engine.probes.held_out import HeldOut
from engine.probes.results import Cells, Connectivity, GradientFlow
from engine.session.budget import Budget
from engine.session.messages import LONGEST_PROMPT, View
from engine.text.vocabulary import Vocabulary

SHARE = 0.015  # of the time that passes may go into looking, apart from what a viewer asks for anew
CREDIT = 0.3  # seconds of it at the beginning, when a network changes fastest
SHOWN_PROMPT, SHOWN_TEXT = 48, 160  # characters of held-out text for viewers that have not typed anything
OCCLUSIONS = 400  # changed prompts that an occlusion reads at most, as long as each character is replaced twice
KEPT_ANSWERS = 16
REGULAR, PER_DOUBLING = 500, 4  # moments: steps between them; from 4,000 steps on, how many while steps double

# An answer, and the step of the oldest weights it rests on. The argument: whether it must come at once.
Ask = Callable[[bool], tuple[Any, int]]


def is_moment(step: int) -> bool:
    """Whether the gradient flow of `step` belongs to the history.

    These are 0, 1, 2, 5, 10, 20, 50, 100, 200, then every 500 steps, and from 4,000 on four in each
    doubling of the steps: some 50 in a million, less than 100 in a hundred million.
    """
    if step < REGULAR:
        return step in (0, 1, 2, 5, 10, 20, 50, 100, 200)
    doublings = max(0, (step // (REGULAR * PER_DOUBLING)).bit_length() - 1)
    return step % (REGULAR << doublings) == 0


class Instruments:
    """Answers a viewer's `View` from a model between two training steps.

    `held_out` is text that the model does not learn, or the training text where there is no other,
    as codes (N,) with N > config.seq. Nothing is computed that nobody sees, nor twice at one step.
    What is asked for the first time is answered at once where that is urgent; after that answers are
    renewed one at a time, the oldest first, as the share of time allows.
    """

    def __init__(
        self,
        model: Model,
        vocabulary: Vocabulary,
        held_out: Codes,
        config: Config,
        *,
        share: float = SHARE,
        clock: Callable[[], float] = time.perf_counter,
        credit: float = CREDIT,
    ) -> None:
        self.clamps: dict[int, Clamps] = {}  # units that `Cells` shows held fixed
        self._model, self._vocabulary, self._config = model, vocabulary, config
        self._held_out = HeldOut(held_out, vocabulary, config.seq)
        self._budget = Budget(share, clock, credit)
        self.forget()

    def forget(self) -> None:
        """The model has other weights at a step that was answered for."""
        self._answers: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()  # the one renewed last at the end
        self._statistics: dict[tuple[int, str], tuple[Statistics, int]] = {}

    def of_model(self, model: Model) -> Instruments:
        """The same instruments, paid from the same share, on other weights, as those of an earlier moment."""
        other = copy.copy(self)
        other._model = model
        other.forget()
        return other

    @property
    def share(self) -> float:
        """The share of the last half minute that was taken, urgent answers included."""
        return self._budget.taken

    def moment(self, step: int) -> GradientFlow:
        """The gradient flow that is kept for the history; who looks at the gradients has it, too."""
        view = View()
        with self._budget.spend(others_wait=False), np.errstate(all="ignore"):
            flow = self._flow(view, step)
        self._keep(self._asks(view, step)["gradients"][0], (flow, step))
        return flow

    def answer(
        self, view: View, step: int, urgent: bool
    ) -> tuple[GradientFlow | None, Connectivity | None, Cells | None]:
        """Gradients, connectivity and cells of the model after `step` steps, as far as `view` shows them.

        Each is the last known one where the share of time allows no new one, None where there is none.
        """
        asks = self._asks(view, step)
        if urgent:
            for key, ask in asks.values():
                if key not in self._answers:
                    self._renew(key, ask, at_once=True)
        stale = {key: ask for key, ask in asks.values() if key not in self._answers or self._answers[key][1] != step}
        if stale and self._budget.allows:
            never = [key for key in stale if key not in self._answers]
            key = (never or [key for key in self._answers if key in stale])[0]
            self._renew(key, stale[key], at_once=False)
        found = {name: self._answers[key][0] for name, (key, _) in asks.items() if key in self._answers}
        return found.get("gradients"), found.get("connectivity"), found.get("cells")

    def _renew(self, key: Hashable, ask: Ask, *, at_once: bool) -> None:
        with self._budget.spend(), np.errstate(all="ignore"):
            answer = ask(at_once)
        self._keep(key, answer)

    def _keep(self, key: Hashable, answer: tuple[Any, int]) -> None:
        self._answers[key] = answer
        self._answers.move_to_end(key)
        if len(self._answers) > KEPT_ANSWERS:
            self._answers.popitem(last=False)

    def _asks(self, view: View, step: int) -> dict[str, tuple[Hashable, Ask]]:
        """For each instrument that is seen: what its answer depends on besides the weights, and how to get it."""
        flow = (view.gradient_view, view.gradient_layer, view.gradient_state)
        prompt = (view.prompt, view.position, view.mode, view.candidate, view.occlusion)
        cells = (view.prompt, view.cells_layer, view.cells_kind, view.cells_sort)
        held = tuple(self.clamps.items())
        asks: dict[str, tuple[Hashable, Ask]] = {
            "gradients": (("gradients", *flow), lambda at_once: (self._flow(view, step), step)),
            "connectivity": (("connectivity", *prompt), lambda at_once: (self._explain(view, step), step)),
            "cells": (("cells", *cells, held), lambda at_once: self._cells(view, step, at_once)),
        }
        return {name: ask for name, ask in asks.items() if name in view.visible}

    def _flow(self, view: View, step: int) -> GradientFlow:
        probe = self._held_out.probe
        return gradient_flow(
            self._model,
            probe[:-1],
            probe[1:],
            view=view.gradient_view,
            layer=self._layer(view.gradient_layer),
            state=view.gradient_state if view.gradient_state in cell_of(self._config.cell).states else "h",
            last_only=self._config.loss == "last",
            step=step,
        )

    def _explain(self, view: View, step: int) -> Connectivity:
        prompt = view.prompt[-LONGEST_PROMPT:] or self._held_out.shown[:SHOWN_PROMPT]
        replacements = self._held_out.frequent[: max(2, OCCLUSIONS // len(prompt))] if view.occlusion else None
        return explain(
            self._model,
            self._vocabulary,
            prompt,
            position=view.position,
            mode=view.mode,
            candidate=view.candidate,
            replacements=replacements,
            step=step,
        )

    def _cells(self, view: View, step: int, at_once: bool) -> tuple[Cells, int]:
        """The heat map takes a millisecond or two, the statistics more: at once it comes with the last ones known."""
        layer = self._layer(view.cells_layer)
        kind = view.cells_kind if view.cells_kind in cell_of(self._config.cell).kinds else "h"
        if (layer, kind) not in self._statistics or not at_once:
            found = statistics(self._model, self._held_out.streams, layer, kind)
            self._statistics[layer, kind] = found, step
        found, as_of = self._statistics[layer, kind]
        codes, _ = self._vocabulary.encode(view.prompt[-LONGEST_PROMPT:] or self._held_out.shown[:SHOWN_TEXT])
        cells = read_cells(
            self._model,
            self._vocabulary,
            codes,
            found,
            layer=layer,
            kind=kind,
            sort=view.cells_sort,
            clamps=self.clamps,
            step=step,
        )
        return (cells if as_of == step else dataclasses.replace(cells, known_step=as_of)), as_of

    def _layer(self, asked: int) -> int:
        return min(max(asked, 0), self._model.architecture.layers - 1)
