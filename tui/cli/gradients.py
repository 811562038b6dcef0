"""`charrnn-tui gradients`: the gradient of a saved run at every time step of a window."""

from __future__ import annotations

from argparse import Namespace
from functools import partial
from typing import Any

from textual.strip import Strip

from engine.arrays import Codes
from engine.config import Config
from engine.errors import UserError
from engine.probes.gradient_flow import finite, gradient_flow
from engine.probes.held_out import HeldOut
from engine.runs.reader import RunReader
from engine.runs.record import CONFIG
from engine.session.messages import GradientFlow, cell_of
from engine.text.vocabulary import Vocabulary
from engine.training import memory
from tui.cli.output import numbers
from tui.cli.picture import give
from tui.cli.saved import layer_of, open_saved, text_of
from tui.cli.spectrum import spectrum_of
from tui.rendering.colour import Palette
from tui.rendering.gradient_picture import histogram_picture, triangle_picture
from tui.rendering.gradient_windows import count, typical_norms, windows_of
from tui.rendering.gradient_words import matrix_note, matrix_words, ratio_and_spread, verdict
from tui.rendering.histogram import occupied
from tui.rendering.strips import BOLD, DIM, paragraph

COLUMNS = 100  # of a picture in a file
MOST_ROWS = 64  # time steps that are drawn; of a longer window so many of them, evenly spread


def run(options: Namespace) -> int:
    """Print the picture, or with `--json` the numbers behind it."""
    saved = open_saved(options)
    config = saved.run.config
    layer = layer_of(options, config.layers)
    if options.spectrum:
        if options.state != "h":
            raise UserError(f"--state {options.state}: the spectrum is of the whole state; leave it out")
        spectrum = spectrum_of(saved, layer)
        give(options, spectrum.title, spectrum.picture, spectrum.as_json, COLUMNS)
        return 0
    probe = probe_batch(saved.run)
    states = cell_of(config.cell).states
    if options.state not in states:
        raise UserError(f"--state {options.state}: the {config.cell} has no other state than {states[0]}")
    flow = gradient_flow(
        saved.model,
        probe[:-1],
        probe[1:],
        view=options.view,
        layer=layer,
        state=options.state,
        last_only=config.loss == "last",
        step=saved.step,
        vocabulary=Vocabulary(saved.run.vocabulary),
    )
    where = f"{flow.state} of layer {flow.layer + 1}/{config.layers}"
    title = f"{saved.title} · {flow.view} · {where} · {windows_of(flow)}"
    give(options, title, partial(picture, flow, title, config), partial(as_json, flow, probe), COLUMNS)
    return 0


def probe_batch(run: RunReader) -> Codes:
    """The codes (T + 1, B) on which the dashboard measures the gradient: inputs, then targets one step later.

    Raises `UserError` if the run's text is gone or has changed.
    """
    config = run.config
    held_out = text_of(run, "the gradient").held_out(config.seq)
    if len(held_out) <= config.seq:
        raise UserError(f"{run.path / CONFIG}: seq is {config.seq}, and the text is shorter; restore the file")
    memory.require(config.replace(workers=1), len(run.vocabulary))
    return HeldOut(held_out, Vocabulary(run.vocabulary), config.seq).probe


def as_json(flow: GradientFlow, probe: Codes) -> dict[str, Any]:
    """Plain values, t = 0 first; `norms` is of all windows together, `window_norms` has one for each.

    Numbers that are not finite are null; the outermost edges are ±1.797…e308 instead.
    """
    values: dict[str, Any] = {
        "view": flow.view,
        "layer": flow.layer + 1,
        "inputs": probe[:-1].tolist(),
        "targets": probe[1:].tolist(),
        "edges": finite(flow.edges),
        "counts": flow.counts.tolist(),
        "state": flow.state,
        "windows": count(flow),
        "norms": numbers(flow.norms.tolist()),
        "median_norms": numbers(typical_norms(flow).tolist()),
        "sigma": dict(zip(flow.sigma, numbers(flow.sigma.values()), strict=True)),
        "rho": dict(zip(flow.rho, numbers(flow.rho.values()), strict=True)),
    }
    if flow.window_norms is not None:
        values["window_norms"] = [numbers(row) for row in flow.window_norms.tolist()]
    if flow.triangle is not None:
        values["triangle"] = [numbers(row) for row in flow.triangle.tolist()]
    return values


def picture(flow: GradientFlow, title: str, config: Config, width: int, palette: Palette) -> list[Strip]:
    """The lines of the picture: the histograms and norms, or the triangle, and below them a summary in words."""
    rows = min(len(flow.norms), MOST_ROWS)
    if flow.view == "triangle":
        drawn = triangle_picture(flow, width, rows + 2, palette)
    else:
        drawn = histogram_picture(flow, None, occupied(flow.counts), width, rows + 1, palette)
    matrix = [
        f"‖G_0‖/‖G_{len(flow.norms) - 1}‖ {ratio_and_spread(flow)}",
        matrix_words(flow.sigma, "σ"),
        matrix_words(flow.rho, "ρ"),
    ]
    last_only = config.loss == "last"
    words = f"{verdict(flow, last_only)} {matrix_note(flow, config.cell)}"
    return [
        *paragraph(title, width, 9, DIM),
        *drawn,
        *paragraph(" · ".join(filter(None, matrix)), width, 9, BOLD),
        *paragraph(words, width, 9),
    ]
