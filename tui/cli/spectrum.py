"""What `charrnn-tui gradients --spectrum` shows: eigenvalues of W_hh and Lyapunov exponents of a saved run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from textual.strip import Strip

from engine.errors import UserError
from engine.probes.lyapunov import exponents, state_size, stretches, warm_up_of
from engine.probes.spectrum import eigenvalues, in_plane
from engine.session.messages import Eigenvalues, Exponents, memory_time
from engine.training import memory
from tui.cli.output import numbers
from tui.cli.saved import Saved, text_of
from tui.rendering.colour import Palette
from tui.rendering.spectrum_picture import SpectrumContent, spectrum_picture
from tui.rendering.strips import DIM, paragraph

COUNT = 8  # exponents that are measured; all of them take very long
HEIGHT = 18  # lines of the picture


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The spectrum of one layer, the exponents of the whole state, and λ₁ over the training."""

    title: str
    cell: str
    eigenvalues: Eigenvalues
    exponents: Exponents
    lambda1: tuple[float, ...]

    def picture(self, width: int, palette: Palette) -> list[Strip]:
        """The lines of the picture, below the title."""
        content = SpectrumContent(self.cell, self.eigenvalues, self.exponents, self.lambda1)
        head = paragraph(self.title, width, 9, DIM)
        return [*head, *spectrum_picture(content, width, HEIGHT, palette)]

    def as_json(self) -> dict[str, Any]:
        """Plain values; an eigenvalue is [real part, imaginary part]. Numbers that are not finite are null.

        `memory_time` is in characters: null where λ₁ is not below 0.
        """
        gates, found = self.eigenvalues.gates, self.exponents
        lambda1 = float(found.values[0]) if len(found.values) else math.nan
        return {
            "step": found.step,
            "layer": self.eigenvalues.layer + 1,
            "eigenvalues": {gate: [numbers(pair) for pair in values.tolist()] for gate, values in gates.items()},
            "exponents": numbers(found.values.tolist()),
            "states": found.states,
            "characters": found.characters,
            "memory_time": numbers([memory_time(lambda1)])[0],
        }


def spectrum_of(saved: Saved, layer: int) -> Spectrum:
    """The spectrum of `layer`, counted from 0. Raises `UserError` if the run's text is gone or has changed."""
    run, model = saved.run, saved.model
    held_out = text_of(run, "the exponents").held_out(run.config.seq)
    if not len(held_out):
        raise UserError(f"{run.path}: its text is empty; restore the file")
    memory.require(run.config.replace(workers=1), len(run.vocabulary))
    codes = stretches(held_out)
    measured = (len(codes) - warm_up_of(len(codes))) * codes.shape[1]
    return Spectrum(
        title=f"{saved.title} · spectrum · layer {layer + 1}/{run.config.layers}",
        cell=run.config.cell,
        eigenvalues=Eigenvalues(saved.step, layer, in_plane(eigenvalues(model, layer))),
        exponents=Exponents(saved.step, exponents(model, codes, COUNT), state_size(model), measured),
        lambda1=tuple(run.history().history().lambda1.tolist()),
    )
