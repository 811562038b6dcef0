"""`charrnn-tui eval`: the loss of a saved run on the whole held-out text."""

from __future__ import annotations

import math
from argparse import Namespace

import numpy as np

from engine.errors import UserError
from engine.network.model import Model
from engine.probes.whole_loss import whole_loss
from tui.cli import by_position
from tui.cli.output import reading, say, say_json
from tui.cli.saved import open_saved, text_of
from tui.rendering.numbers import NATS_PER_BIT


def run(options: Namespace) -> int:
    """Print loss, bits and perplexity per character, in words or with `--json` as an object."""
    saved = open_saved(options.run)
    model, title = saved.model, saved.title
    if options.best:
        model, title = Model(saved.run.weights("best").astype(np.float64)), f"{title}, best weights"
    corpus = text_of(saved.run, "the loss")
    if not len(corpus.valid):
        raise UserError(f"{saved.run.path}: no text was held out; train with a larger share for validation")
    if options.by_position:
        return by_position.run(model, title, corpus.valid, json=options.json)
    with reading() as progress:
        losses = whole_loss(model, corpus.train, corpus.valid, progress)
    loss, error = losses.mean, losses.standard_error
    if options.json:
        values = {
            "characters": len(corpus.valid),
            "loss": loss,
            "standard_error": error,
            "bits": loss / NATS_PER_BIT,
            "perplexity": math.exp(loss),
        }
        say_json(values)
        return 0
    within = "" if error is None else f" ± {error:.4f}"
    say(title)
    say(
        f"{loss:.4f}{within} nats, {loss / NATS_PER_BIT:.4f} bits, perplexity {math.exp(loss):.4f} per character, "
        f"on all {len(corpus.valid):,} held-out characters"
    )
    return 0
