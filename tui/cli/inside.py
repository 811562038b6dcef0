"""`charrnn-tui inside`: takes one time step of a saved network apart, forward and back."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import numpy as np

from engine.errors import UserError
from engine.probes.inside import NONE, inside
from engine.session.messages import Inside
from tui.cli.output import say_json
from tui.cli.picture import console, show
from tui.cli.saved import encode, layer_of, open_saved
from tui.rendering.inside_picture import inside_picture, loss_in_words
from tui.rendering.strips import DIM, paragraph


def run(options: Namespace) -> int:
    """Print the picture, or with `--json` the numbers behind it."""
    saved = open_saved(options)
    config = saved.run.config
    codes = encode(options.prompt, saved)
    if len(codes) < 2:
        raise UserError("PROMPT: has one character that the network knows; two or more are needed for a loss")
    position = len(codes) - 2 if options.at is None else options.at
    for name, value, least, most in (
        ("at", position, 0, len(codes) - 1),
        ("unit", options.unit, 0, config.hidden - 1),
    ):
        if not least <= value <= most:
            raise UserError(f"--{name} {value}: is not one of {least} to {most}")
    layer = layer_of(options, config.layers)
    targets = np.append(codes[1:], NONE)
    last_only = config.loss == "last"
    answer = inside(
        saved.model,
        codes,
        targets,
        position=position,
        layer=layer,
        last_only=last_only,
        step=saved.step,
    )
    if options.json:
        say_json(as_json(answer, saved.vocabulary.characters, options.unit))
        return 0
    screen = console()
    title = f"{saved.title} · layer {answer.layer + 1}/{config.layers}"
    head = f"{title} · {loss_in_words(answer)}"
    strips = paragraph(head, screen.width, 9, DIM)
    show([*strips, *inside_picture(answer, saved.vocabulary.characters, options.unit, screen.width)], screen)
    return 0


def as_json(answer: Inside, characters: tuple[str, ...], unit: int) -> dict[str, Any]:
    """The answer as plain values; a number for each unit in a list, and `unit` has those of the chosen unit alone."""
    return {
        "step": answer.step,
        "prompt": "".join(characters[code] for code in answer.codes),
        "at": answer.position,
        "layer": answer.layer + 1,
        "cell": answer.cell,
        "forward": [f"{', '.join(each.names)} = {each.code}" for each in answer.forward],
        "backward": [f"{', '.join(each.names)} = {each.code}" for each in answer.backward],
        "values": {name: values.tolist() for name, values in answer.values.items()},
        "own": answer.own.tolist(),
        "later": [{path: values.tolist() for path, values in paths.items()} for paths in answer.later],
        "unit": {"number": unit, **{name: float(values[unit]) for name, values in answer.values.items()}},
        "probabilities": dict(zip(characters, answer.probabilities.tolist(), strict=True)),
        "target": None if answer.target == NONE else characters[answer.target],
        "loss": None if answer.target == NONE else answer.loss,
    }
