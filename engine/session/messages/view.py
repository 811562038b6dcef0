"""What a viewer wants to see of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.probes.results import ConnectivityMode, GradientView

# Instruments a viewer has on its screen at first; an instrument that no viewer shows is not computed.
INSTRUMENTS = ("samples", "gradients", "connectivity", "cells")

# Characters that `View.prompt` is cut to. The time for an answer grows with the square: with a GRU of 128 units 1 s
# for 500, 4 s for 1,000, and the training waits for it. The answer has a number for every pair of characters: 2 MB for
# 500, 8 MB for 1,000.
LONGEST_PROMPT = 500


@dataclass(frozen=True, slots=True)
class InsideQuestion:
    """Which time step of which text is taken apart.

    `of` is the view's prompt, or a sequence of the window that is trained next. The window also stands in for a prompt
    with fewer than two characters that the network knows; held-out text stands in for the window of a run that is over.
    """

    of: Literal["prompt", "window"] = "prompt"
    sequence: int = 0  # of the window, 0 … B − 1
    position: int = -1  # t; -1 is the last step that has a loss
    layer: int = 0


@dataclass(frozen=True, slots=True)
class View:
    """Which instruments a viewer shows, and how. Sent whole each time one of these changes."""

    visible: tuple[str, ...] = INSTRUMENTS
    prompt: str = ""
    position: int = -1  # the caret in the prompt; -1 is its end
    mode: ConnectivityMode = "logit"
    candidate: str = ""  # ask about this character at `position`, not the actual or most probable one
    occlusion: bool = False  # check the picture at `position` by replacing characters
    moment: int | None = None  # answer everything with the weights kept at this step; None is now
    beside_now: bool = False  # at a moment, answer with the present weights too, see `Snapshot.now`
    gradient_view: GradientView = "single"
    gradient_layer: int = 0
    gradient_state: Literal["h", "c"] = "h"
    cells_layer: int = 0
    cells_kind: str = "h"
    cells_sort: str = "index"  # "index", "variance", a feature's name, or / and a regular expression
    cells_unit: int = -1  # whose contexts are shown; -1 is the one that follows the feature best
    cells_feature: str = ""  # a feature's name, or / and a regular expression; "" is the one that a unit follows best
    portrait_feature: str = ""  # by which the states are coloured, likewise; "" is the depth of brackets, or the kind
    portrait_constant: str = ""  # the character of the fixed points; "" is the most frequent one
    inside: InsideQuestion | None = None  # one step taken apart; it covers the other instruments
    spectrum_layer: int = 0
    gates_layer: int = 0
