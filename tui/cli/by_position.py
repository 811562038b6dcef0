"""`charrnn-tui eval --by-position`: the loss by position since a zero state, on held-out text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from engine.arrays import Codes
from engine.errors import UserError
from engine.network.model import Model
from engine.probes.by_position import LossByPosition, loss_by_position
from tui.cli.output import progress_bar, say, say_json


def run(model: Model, title: str, blocks: Sequence[Codes], *, json: bool) -> int:
    """Print the loss on the `blocks` of a text by the number of characters read before, in words or as an object.

    `title` names the network.
    """
    if min(map(len, blocks)) < 2:
        raise UserError("--by-position: the text is too short for a window of two characters; measure a longer one")
    with progress_bar() as progress:
        found = loss_by_position(model, blocks, progress)
    if json:
        say_json(as_json(found))
        return 0
    say(title)
    for each in lines(found):
        say(each)
    return 0


def as_json(found: LossByPosition) -> dict[str, Any]:
    """`loss[t]` is the mean after t + 1 characters, in nats; `standard_error[t]` is null if there is one window."""
    each = [found.between(t, t + 1) for t in range(len(found.losses))]
    return {
        "windows": found.losses.shape[1],
        "loss": [loss for loss, _ in each],
        "standard_error": [error if math.isfinite(error) else None for _, error in each],
    }


def lines(found: LossByPosition) -> list[str]:
    """What it is, and a line for each group of positions."""
    count = found.losses.shape[1]
    texts = [
        f"loss in nats after so many characters since a zero state, over {count} window{'s' * (count > 1)} of the text:"
    ]
    for first, last, loss, error in found.groups():
        place = f"{first}" if first == last else f"{first} to {last}"
        within = f" ± {error:.4f}" if math.isfinite(error) else ""
        texts.append(f"{place:>10}  {loss:.4f}{within}")
    return texts
