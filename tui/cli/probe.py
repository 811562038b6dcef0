"""`charrnn-tui probe`: shows on which characters of a prompt each prediction depends, for a run's saved weights."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import numpy as np
from textual.strip import Strip

from engine.arrays import Codes
from engine.errors import UserError
from engine.probes.connectivity import explain
from engine.runs.listing import find_run
from engine.session.messages import Connectivity
from tui.cli.output import require_terminal, say_json, write_file
from tui.cli.picture import console, palette_for, show
from tui.cli.saved import Saved, listed, open_saved, warn_of_unknown
from tui.rendering.attribution import Glyph, fold
from tui.rendering.colour import Palette, palette
from tui.rendering.connectivity_picture import ConnectivityContent, connectivity_picture
from tui.rendering.strips import DIM, paragraph
from tui.rendering.svg import page, svg

# Characters. An answer has a number for each pair of them: 32 MB for 2,000. The dashboard's limit is lower, because
# there the training waits for the answer.
LONGEST_PROMPT = 2000
COLUMNS = 80  # of a picture in a file
ON_PAPER = palette(False, "truecolor")
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
    if options.svg or options.html:
        image = svg(picture(options.prompt, answer, title, COLUMNS, ON_PAPER), title, COLUMNS)
        if options.svg:
            write_file(options.svg, image)
        if options.html:
            write_file(options.html, page(image, title))
    if options.json:
        say_json(as_json(answer, saved, codes))
    else:
        screen = console()
        show(picture(options.prompt, answer, title, screen.width, palette_for(screen)), screen)
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

    path = find_run(options.run)
    require_terminal("give a PROMPT to have it answered without a screen")
    return CharrnnApp(ArchiveLink(path), ready=lambda dashboard: dashboard.action_prompt()).run_until_left()


def encode(prompt: str, saved: Saved, argument: str = "PROMPT") -> Codes:
    """The codes of the characters that the network knows. Raises `UserError` if there are none, or too many."""
    if not prompt:
        raise UserError(f"{argument}: is empty; give some text, or leave {argument} out")
    codes, unknown = saved.vocabulary.encode(prompt)
    if not len(codes):
        raise UserError(f"{argument}: the run's text has none of its characters ({listed(unknown)}); give other text")
    if len(codes) > LONGEST_PROMPT:
        raise UserError(f"{argument}: has {len(codes):,} characters; at most {LONGEST_PROMPT:,} can be answered")
    warn_of_unknown(unknown, argument)
    return codes


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
