"""`charrnn-tui probe`: shows on which characters of a prompt each prediction depends, for a run's saved weights."""

from __future__ import annotations

from argparse import Namespace
from functools import partial
from typing import Any

import numpy as np
from textual.strip import Strip

from engine.arrays import Codes
from engine.errors import UserError
from engine.probes.connectivity import explain
from engine.runs.listing import find_run
from engine.session.messages import Connectivity
from tui.cli.output import require_terminal
from tui.cli.picture import give
from tui.cli.saved import Saved, encode, open_saved
from tui.rendering.attribution import Glyph, fold
from tui.rendering.colour import Palette
from tui.rendering.connectivity_picture import ConnectivityContent, connectivity_picture
from tui.rendering.strips import DIM, paragraph

COLUMNS = 80  # of a picture in a file
INDENT = 2  # columns before the prompt
AROUND, NOTE = 8, 2  # lines: a head, a gap, five candidates and a legend; a note of the characters left out


def run(options: Namespace) -> int:
    """Answer the PROMPT, or open the screen on which one can be typed. Returns the exit code."""
    if options.prompt is None:
        return _interactive(options)
    saved = open_saved(options)
    codes = encode(options.prompt, saved)
    answer = explain(saved.model, saved.vocabulary, options.prompt, mode=options.mode, step=saved.step)
    title = f"{saved.title} · {options.mode}"
    draw = partial(picture, options.prompt, answer, title)
    give(options, title, draw, partial(as_json, answer, saved, codes), COLUMNS)
    return 0


def _interactive(options: Namespace) -> int:
    given = [f"--{name}" for name in ("json", "html", "svg") if getattr(options, name)]
    given += [
        f"--{name}" for name, default in (("mode", "logit"), ("weights", "latest")) if getattr(options, name) != default
    ]
    if given:
        raise UserError(f"{', '.join(given)}: needs a PROMPT to answer, as in `charrnn-tui probe RUN 'Once upon'`")
    from engine.remote.archive import ArchiveLink
    from tui.app.app import CharrnnApp
    from tui.app.memory import place

    path = find_run(options.run)
    require_terminal("give a PROMPT to have it answered without a screen")
    app = CharrnnApp(ArchiveLink(path), ready=lambda dashboard: dashboard.action_prompt())
    app.use_memory(place())
    return app.run_until_left()


def as_json(answer: Connectivity, saved: Saved, codes: Codes) -> dict[str, Any]:
    """The answer as plain values: connectivity[s][t] is C(t, s, k), not normalised, with k = targets[s].

    `next` has the probabilities of all characters after the prompt.
    """
    probability = saved.next_probabilities(codes)
    order = np.argsort(-probability, kind="stable").tolist()
    return {
        "prompt": answer.prompt,
        "next": [{"char": saved.vocabulary.characters[k], "probability": float(probability[k])} for k in order],
        "targets": list(answer.targets),
        "connectivity": answer.matrix.tolist(),
    }


def picture(prompt: str, answer: Connectivity, title: str, width: int, palette: Palette) -> list[Strip]:
    """The lines of the picture: the coloured prompt, digits beneath it, and the candidates for the next character."""
    skipped = frozenset(answer.skipped)
    content = ConnectivityContent(lambda char: char not in skipped, text=prompt, message=answer, mode=answer.mode)
    rows = fold([Glyph(char) for char in prompt + answer.targets[-1]], width - INDENT)
    strips, _ = connectivity_picture(content, width, 2 * len(rows) + AROUND + (NOTE if skipped else 0), palette)
    return [*paragraph(title, width, 9, DIM), *strips]
