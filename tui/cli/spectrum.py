"""`charrnn-tui gradients --spectrum`: eigenvalues of W_hh and Lyapunov exponents of a saved run."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from engine.errors import UserError
from engine.probes.lyapunov import exponents, state_size, stretches, warm_up_of
from engine.probes.spectrum import eigenvalues, in_plane
from engine.session.messages import Eigenvalues, Exponents, memory_time
from engine.training import memory
from tui.cli.output import say_json
from tui.cli.picture import console, palette_for, show
from tui.cli.saved import Saved, text_of
from tui.rendering.spectrum_picture import SpectrumContent, spectrum_picture
from tui.rendering.strips import DIM, line, wrap

COUNT = 8  # exponents that are printed; all of them take very long
HEIGHT = 18  # lines of the picture


def print_spectrum(saved: Saved, layer: int, *, as_json: bool) -> None:
    """Print the spectrum of `layer`, counted from 0, as a picture, or as JSON.

    Raises `UserError` if the run's text is gone or has changed.
    """
    run = saved.run
    held_out = text_of(run, "the exponents").held_out(run.config.seq)
    if not len(held_out):
        raise UserError(f"{run.path}: its text is empty; restore the file")
    memory.require(run.config.replace(workers=1), len(run.vocabulary))
    codes = stretches(held_out)
    found = Eigenvalues(saved.step, layer, in_plane(eigenvalues(saved.model, layer)))
    values = exponents(saved.model, codes, COUNT)
    measured = (len(codes) - warm_up_of(len(codes))) * codes.shape[1]
    spectrum = Exponents(saved.step, values, state_size(saved.model), measured)
    if as_json:
        say_json(in_json(found, spectrum))
        return
    screen = console()
    curve = tuple(run.history().history().lambda1.tolist())
    content = SpectrumContent(run.config.cell, found, spectrum, curve)
    title = f"{saved.title} · spectrum · layer {layer + 1}/{run.config.layers}"
    strips = [line([(text, DIM)], screen.width) for text in wrap(title, screen.width, 9)]
    show([*strips, *spectrum_picture(content, screen.width, HEIGHT, palette_for(screen))], screen)


def in_json(found: Eigenvalues, spectrum: Exponents) -> dict[str, Any]:
    """Plain values; an eigenvalue is [real part, imaginary part]. Numbers that are not finite are null.

    `memory_time` is in characters: null where λ₁ is not below 0.
    """
    lambda1 = float(spectrum.values[0]) if len(spectrum.values) else math.nan
    return {
        "step": spectrum.step,
        "layer": found.layer + 1,
        "eigenvalues": {gate: [_numbers(pair) for pair in values.tolist()] for gate, values in found.gates.items()},
        "exponents": _numbers(spectrum.values.tolist()),
        "states": spectrum.states,
        "characters": spectrum.characters,
        "memory_time": _numbers([memory_time(lambda1)])[0],
    }


def _numbers(values: Iterable[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]
