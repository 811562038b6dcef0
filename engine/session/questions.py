"""What a view asks of a network: for each instrument what its answer depends on, and how it is computed.

To add an instrument: a method here that computes its answer, an entry in `Questions.of`, and a field of the same name
in `Answers` (`engine.session.messages.snapshot`). What takes longer than `PIECE` is computed in pieces: the method is a
generator that yields between them, and returns the answer. It yields True where it waits for something, so that nothing
is gained by asking it again at once.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

import numpy as np

from engine.arrays import Codes, frozen
from engine.config import Config
from engine.network.cells.cell import cell_of
from engine.network.cells.layer import Clamps
from engine.network.model import Model
from engine.probes.activations import Statistics, depth_readout, read_cells, statistics
from engine.probes.connectivity import explain_in_pieces
from engine.probes.gates import saturation_in_pieces
from engine.probes.gradient_flow import gradient_flow
from engine.probes.held_out import HeldOut
from engine.probes.inside import NONE, can_take_apart, inside
from engine.probes.lyapunov import in_pieces, largest, state_size, stretches, warm_up_of
from engine.probes.pieces import Pieces, last, whole
from engine.probes.reach import POSITIONS, REACH_BEFORE, Reach, reach, windows
from engine.probes.readout import Readout
from engine.probes.results import Cells, Connectivity, Eigenvalues, Exponents, GradientFlow, Inside, Source
from engine.probes.spectrum import eigenvalues_in_pieces, in_plane
from engine.session.background import Background
from engine.session.cell_questions import ANY_STEP, SHOWN_PROMPT, CellQuestions
from engine.session.loss_by_class import LossByClass
from engine.session.messages import LONGEST_PROMPT, InsideQuestion, View
from engine.session.text_features import TextFeatures
from engine.text.vocabulary import Vocabulary
from engine.training.seeds import first_parameters
from engine.training.training import Window

SHOWN_TEXT = 160  # characters of held-out text that `cells` shows while no prompt has been typed
OCCLUSIONS = 400  # changed prompts that an occlusion reads at most; but it replaces each character twice at least
EXPONENTS = 8  # of the whole state that are measured, the largest
BACKGROUND_SHARE = 0.01  # of the time, for what is computed beside the training
PIECE = 0.05  # seconds that the training waits for one piece of an answer, if the answer comes in pieces

# What an instrument is called in `View.visible` if its answers have other names.
SHOWN_BY = {"eigenvalues": "spectrum", "exponents": "spectrum", "saturation": "gates"}

Answer = tuple[Any, int]  # an answer, and the step of the oldest weights it used
Ask = Callable[[bool], Answer | Pieces[Answer]]  # the argument says whether the answer is urgent


class Questions:
    """The questions of views about `model`. For the arguments see `engine.session.instruments.Instruments`."""

    def __init__(
        self,
        model: Model,
        vocabulary: Vocabulary,
        held_out: Codes,
        config: Config,
        next_window: Callable[[int], Window] | None,
        loss_by_class: LossByClass | None = None,
    ) -> None:
        self._model, self._vocabulary, self._config = model, vocabulary, config
        self._codes = held_out
        self._held_out = HeldOut(held_out, vocabulary, config.seq)
        self._next_window = next_window
        self.background = Background("portraits", BACKGROUND_SHARE)
        self.background.is_hurried = next_window is None  # no training is slowed down
        self._features = TextFeatures(self._held_out, self.background)
        self._loss_by_class = loss_by_class
        self._untrained: dict[int, Readout | None] = {}  # of the depth, by layer
        self.forget()

    def on(self, model: Model) -> Questions:
        """The questions about another model, which trains on no window."""
        other = copy.copy(self)
        other._model, other._next_window = model, None
        other.forget()
        return other

    def forget(self) -> None:
        """Drop what belongs to the weights of the model, and later answers would use again."""
        self._weights = object()  # what is computed beside the training belongs to it
        self._statistics: dict[tuple[int, str], tuple[Statistics, int]] = {}
        self._of_cells = CellQuestions(self._model, self._vocabulary, self._held_out, self.background, self._features)

    def reach(self) -> Reach:
        """How far back predictions reach over held-out text."""
        return reach(self._model, windows(self._codes, REACH_BEFORE + 1, POSITIONS))

    def lambda1(self) -> float:
        """The largest Lyapunov exponent over held-out text, in nats per character; NaN if there is none."""
        return largest(self._model, self._codes)

    def of(self, view: View, step: int, clamps: Mapping[int, Clamps]) -> dict[str, tuple[Hashable, Ask]]:
        """For each instrument shown: all that its answer depends on besides the weights, and how to compute it.

        The model has made `step` steps of training. `clamps` are the units that `cells` shows held fixed, by layer.
        """
        question = view.inside
        if question is not None:
            key = ("inside", view.prompt, question)
            return {"inside": (key, lambda at_once: self._inside(view.prompt, question, step))}
        flow = (view.gradient_view, view.gradient_layer, view.gradient_state)
        searched = self._features.state(view.cells_sort) if "cells" in view.visible else None
        cells = (view.prompt, view.cells_layer, view.cells_kind, view.cells_sort, searched)
        held = tuple(clamps.items())
        asks: dict[str, tuple[Hashable, Ask]] = {
            "gradients": (("gradients", *flow), lambda at_once: (self._flow(view, step), step)),
            "cells": (("cells", *cells, held), lambda at_once: self._cells(view, step, clamps, at_once)),
            "where": (("where",), lambda at_once: self._where(step)),
            "eigenvalues": (("eigenvalues", view.spectrum_layer), lambda at_once: self._eigenvalues(view, step)),
            "exponents": (("exponents",), lambda at_once: self._exponents(step)),
            "saturation": (("saturation", view.gates_layer), lambda at_once: self._saturation(view, step)),
        }
        if "connectivity" in view.visible:
            asks["connectivity"] = self._connectivity(view, step)
        if "contexts" in view.visible:
            asks["contexts"] = self._of_cells.contexts(view, step)
        if "portrait" in view.visible:
            asks["portrait"] = self._of_cells.portrait(view, step)
        return {name: ask for name, ask in asks.items() if SHOWN_BY.get(name, name) in view.visible}

    def flow(self, step: int) -> GradientFlow:
        """The gradient flow of the last step's loss in the first layer, without σ and ρ of the recurrent matrix."""
        return self._flow(View(), step, matrices=False)

    def _flow(self, view: View, step: int, *, matrices: bool = True) -> GradientFlow:
        """The gradient flow, of the kind that `view` asks for."""
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
            vocabulary=self._vocabulary,
            matrices=matrices,
        )

    def _connectivity(self, view: View, step: int) -> tuple[Hashable, Ask]:
        """The connectivity; with occlusion as soon as that is computed, in the background on a copy of the weights."""
        key = ("connectivity", view.prompt, view.position, view.mode, view.candidate)
        checked: Connectivity | None = None
        if view.occlusion:

            def begin() -> Iterator[Connectivity | None]:
                return last(self._explain(Model(self._model.parameters.astype(np.float64)), view, step))

            checked = self.background.ask((self._weights, *key), step, begin)
        if checked is not None:
            return (*key, checked.step), lambda at_once: (checked, ANY_STEP)
        unchecked = dataclasses.replace(view, occlusion=False)
        return key, lambda at_once: (whole(self._explain(self._model, unchecked, step)), step)

    def _explain(self, model: Model, view: View, step: int) -> Pieces[Connectivity]:
        prompt = view.prompt[-LONGEST_PROMPT:] or self._held_out.shown[:SHOWN_PROMPT]
        return explain_in_pieces(
            model,
            self._vocabulary,
            prompt,
            position=view.position,
            mode=view.mode,
            candidate=view.candidate,
            replacements=self._held_out.frequent[: max(2, OCCLUSIONS // len(prompt))] if view.occlusion else None,
            step=step,
        )

    def _cells(self, view: View, step: int, clamps: Mapping[int, Clamps], at_once: bool) -> tuple[Cells, int]:
        """The heat map with the units' statistics. These take longer: an urgent answer has the last ones known.

        It has new ones if the network has made twice as many steps since then: it is another one by now.
        """
        layer = self._layer(view.cells_layer)
        kind = view.cells_kind if view.cells_kind in cell_of(self._config.cell).kinds else "h"
        if (layer, kind) not in self._statistics or not at_once or step > 2 * self._statistics[layer, kind][1]:
            found = statistics(self._model, self._held_out.streams, layer, kind)
            self._statistics[layer, kind] = found, step
        found, as_of = self._statistics[layer, kind]
        codes, _ = self._vocabulary.encode(view.prompt[-LONGEST_PROMPT:] or self._held_out.shown[:SHOWN_TEXT])
        cells = read_cells(
            self._model,
            self._vocabulary,
            codes,
            found,
            self._of_untrained(layer) if found.depth else None,
            layer=layer,
            kind=kind,
            sort=view.cells_sort,
            followed=self._of_cells.following(view.cells_sort, layer, kind, step, at_once),
            clamps=clamps,
            step=step,
        )
        return (cells if as_of == step else dataclasses.replace(cells, known_step=as_of)), as_of

    def _where(self, step: int) -> Pieces[Answer]:
        """Where the loss is; no answer if no text is held out, or it could not be counted."""
        answer = None if self._loss_by_class is None else (yield from self._loss_by_class.answer(self._model, step))
        return answer, ANY_STEP if answer is None else step

    def _of_untrained(self, layer: int) -> Readout | None:
        """The read-out of the bracket depth from an untrained network of this shape.

        It has the weights that the settings draw. This run began with them, unless it began with those of another run,
        or of another program: those may be trained already.
        """
        if layer not in self._untrained:
            first = Model(first_parameters(self._config, len(self._vocabulary)))
            self._untrained[layer] = depth_readout(first, self._held_out.streams, layer)
        return self._untrained[layer]

    def _eigenvalues(self, view: View, step: int) -> Pieces[Answer]:
        layer = self._layer(view.spectrum_layer)
        found = yield from eigenvalues_in_pieces(self._model, layer)
        return Eigenvalues(step, layer, in_plane(found)), step

    def _exponents(self, step: int) -> Pieces[Answer]:
        codes = stretches(self._codes)
        values = yield from in_pieces(self._model, codes, EXPONENTS)
        measured = (len(codes) - warm_up_of(len(codes))) * codes.shape[1]
        return Exponents(step, frozen(values), state_size(self._model), measured), step

    def _saturation(self, view: View, step: int) -> Pieces[Answer]:
        layer = self._layer(view.gates_layer)
        return (yield from saturation_in_pieces(self._model, self._held_out.streams, layer, step)), step

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
