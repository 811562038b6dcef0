"""The loss of a model on all of a held-out text, where a validation during training measures at most a part of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.arrays import Codes
from engine.network.model import Model
from engine.text.stretches import StretchLosses
from engine.training.validation import ValidationText

WARM_UP = 1000  # characters read before each stretch, and not measured


def whole_loss(
    model: Model, train: Codes, valid: Codes, progress: Callable[[float], None] | None = None
) -> StretchLosses:
    """The losses on every character of `valid` (M,), M ≥ 1, which follows `train` (N,), N ≥ 1, in the text.

    The text is read as at most 32 stretches side by side, each after the 1,000 characters before it. `progress` is
    called with the share that is done, 0 … 1.
    """
    text = ValidationText(train, valid, longest=None, warm_up=WARM_UP)
    work = model.workspace(text.seq, text.batch, train=False)
    work.reset()
    sums = np.zeros(text.batch)
    for index in range(text.windows):
        sums += text.sums(index, model.losses(work, *text.window(index)))
        work.carry()
        if progress:
            progress((index + 1) / text.windows)
    return text.losses(sums)
