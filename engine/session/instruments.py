"""The instruments of a run: they answer viewers' questions about its weights, within a fixed share of the time."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

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
from engine.probes.inside import NONE, can_take_apart, inside
from engine.probes.reach import reach, windows
from engine.probes.results import Cells, Connectivity, GradientFlow, Inside, Source
from engine.session.messages import LONGEST_PROMPT, InsideQuestion, View
from engine.session.pace import Budget
from engine.text.vocabulary import Vocabulary
from engine.training.trainer import Window

SHARE = 0.015  # of the time that instruments may take; the first answer to a new question need not wait for it
CREDIT = 0.3  # seconds more at the beginning, when a network changes fastest
SHOWN_PROMPT, SHOWN_TEXT = 48, 160  # characters of held-out text that stand in for a prompt not yet typed
OCCLUSIONS = 400  # changed prompts that an occlusion reads at most; but it replaces each character twice at least
KEPT_ANSWERS = 16  # of all viewers together
REACH_LENGTH = 101  # characters: a predicted one and the 100 before it
REACH_WINDOWS = 32  # held-out positions
ANY_STEP = -1  # the step of an answer that other weights would not change: that there is too little memory for it

# Computes an answer; returns it and the step of the oldest weights it used. The argument says whether it is urgent.
Ask = Callable[[bool], tuple[Any, int]]


class Answers(NamedTuple):
    """The answers to a view; None for an instrument that it does not show, or that has no answer yet."""

    gradients: GradientFlow | None = None
    connectivity: Connectivity | None = None
    cells: Cells | None = None
    inside: Inside | None = None


class Instruments:
    """Answers a viewer's `View` from the weights of `model`, of a run that trains or of one that has ended.

    `held_out` is text that the model does not learn, or the training text where there is no other, as codes (N,)
    with N > config.seq. `next_window` gives what a sequence of the batch reads in the next training step; None if the
    run has ended.

    Only the instruments that a view shows are computed, and each once a step at most. An urgent new question is
    answered at once; later, answers are renewed one at a time, the oldest first, as the share of time allows.
    """

    def __init__(
        self,
        model: Model,
        vocabulary: Vocabulary,
        held_out: Codes,
        config: Config,
        *,
        next_window: Callable[[int], Window] | None = None,
        clock: Callable[[], float] = time.perf_counter,
        credit: float = CREDIT,
    ) -> None:
        self.clamps: dict[int, Clamps] = {}  # units that `Cells` shows held fixed, by layer
        self.clamp_effect: float | None = None  # what they do to the validation loss, in nats; nan: unknown
        self._model, self._vocabulary, self._config = model, vocabulary, config
        self._codes = held_out
        self._held_out = HeldOut(held_out, vocabulary, config.seq)
        self._next_window = next_window
        self._budget = Budget(SHARE, clock, credit)
        self.forget()

    def on(self, model: Model) -> Instruments:
        """The same instruments on another model, which trains on no window. They share one budget."""
        other = copy.copy(self)
        other._model, other._next_window, other.clamp_effect = model, None, None
        other.forget()
        return other

    def forget(self) -> None:
        """Drop all answers: the run goes back to an earlier step, whose weights may become others."""
        self._answers: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()  # the one renewed last at the end
        self._statistics: dict[tuple[int, str], tuple[Statistics, int]] = {}

    def gradient_flow(self, step: int) -> GradientFlow:
        """The gradient flow of the last step's loss in the first layer."""
        with np.errstate(all="ignore"):
            return self._flow(View(), step)

    def reach(self) -> float:
        """How far back predictions reach over held-out text, in characters."""
        return reach(self._model, windows(self._codes, REACH_LENGTH, REACH_WINDOWS))

    def answer(self, view: View, step: int, *, urgent: bool) -> Answers:
        """The answers to `view` from the model after `step` steps, or older ones where time allows no new ones."""
        asks = self._asks(view, step)
        if urgent:
            for name, (key, ask) in asks.items():
                # After a single step all numbers of a step taken apart are to be those of the new weights.
                if key not in self._answers or (name == "inside" and self._answers[key][1] not in (step, ANY_STEP)):
                    self._renew(key, ask, at_once=True)
        stale = {
            key: ask
            for key, ask in asks.values()
            if key not in self._answers or self._answers[key][1] not in (step, ANY_STEP)
        }
        if stale and self._budget.allows:
            never = [key for key in stale if key not in self._answers]
            key = (never or [key for key in self._answers if key in stale])[0]
            self._renew(key, stale[key], at_once=False)
        found = Answers(**{name: self._answers[key][0] for name, (key, _) in asks.items() if key in self._answers})
        if found.cells is not None and found.cells.clamped:
            return found._replace(cells=dataclasses.replace(found.cells, clamp_effect=self.clamp_effect))
        return found

    def _renew(self, key: Hashable, ask: Ask, *, at_once: bool) -> None:
        with self._budget.spend(), np.errstate(all="ignore"):
            try:
                answer = ask(at_once)
            except MemoryError:  # the question asks for too much; the training goes on
                answer = None, ANY_STEP
        self._keep(key, answer)

    def _keep(self, key: Hashable, answer: tuple[Any, int]) -> None:
        self._answers[key] = answer
        self._answers.move_to_end(key)
        if len(self._answers) > KEPT_ANSWERS:
            self._answers.popitem(last=False)

    def _asks(self, view: View, step: int) -> dict[str, tuple[Hashable, Ask]]:
        """For each instrument shown: all that its answer depends on besides the weights, and how to compute it."""
        question = view.inside
        if question is not None:
            key = ("inside", view.prompt, question)
            return {"inside": (key, lambda at_once: self._inside(view.prompt, question, step))}
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
        """The heat map with the units' statistics. These take longer: an urgent answer has the last ones known."""
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

    def _inside(self, prompt: str, question: InsideQuestion, step: int) -> tuple[Inside | None, int]:
        """One step taken apart, as the question says; no answer for a cell that has no plain version."""
        if not can_take_apart(self._model):
            return None, ANY_STEP
        source, sequence, window = self._read_inside(prompt, question)
        last = int(np.flatnonzero(window.targets != NONE)[-1])
        answer = inside(
            self._model,
            window.inputs,
            window.targets,
            position=last if question.position < 0 else min(question.position, len(window.inputs) - 1),
            layer=self._layer(question.layer),
            last_only=self._config.loss == "last",
            share=1 / self._config.batch if source == "window" else 1.0,
            state=window.state,
            step=step,
        )
        return dataclasses.replace(answer, source=source, sequence=sequence), step

    def _read_inside(self, prompt: str, question: InsideQuestion) -> tuple[Source, int, Window]:
        """What is read: from where, which sequence of the batch, and the characters with their targets."""
        codes, _ = self._vocabulary.encode(prompt[-LONGEST_PROMPT:])
        if question.of == "prompt" and len(codes) > 1:
            return "prompt", 0, Window(codes, np.append(codes[1:], NONE), None)
        if self._next_window is None:
            text = np.asarray(self._codes[: self._config.seq + 1], np.intp)
            return "held-out", 0, Window(text[:-1], text[1:], None)
        sequence = min(max(question.sequence, 0), self._config.batch - 1)
        return "window", sequence, self._next_window(sequence)

    def _layer(self, asked: int) -> int:
        return min(max(asked, 0), self._model.architecture.layers - 1)
