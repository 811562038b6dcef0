"""Describes loss curves in words: learning by heart, a rate that is too high, a plateau, better than counting.

Validations are noisy, as each finds the weights at another place of their way. How noisy they are is estimated from
how they differ from the mean of their neighbours; nothing is said that this noise, or the standard error of the
validation loss, can explain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine.arrays import Array, Integers
from engine.session.messages import History, Ladder
from tui.rendering.loss_chart import climbing
from tui.rendering.numbers import nats
from tui.rendering.sentences import Saying

LEAST_RISE = 0.01  # nats per character: less is not worth a sentence
RISEN = 5  # standard deviations of one validation: of hundreds, the lowest lies some three below their mean
FEW, LATELY = 4, 5  # validations since the best one that say something; of these, whose mean is compared with it
FLAT = 0.01  # nats per character in half of the steps: less is a plateau
JUMPS = 0.02  # nats per character, the noise of validations: more, and the steps are too long to get lower
ERRORS = 2  # standard errors
MANY = 6  # validations in the later half that a plateau needs
PARTS = 4  # of a stretch of the training curve, whose means say how far its own mean may be wrong
FEWEST = 8  # points of the training curve in a stretch
GUESSED = 100  # steps after which no network is still at what it began with


@dataclass(frozen=True, slots=True)
class Curves:
    """What the sentences are about. Losses in nats per character."""

    history: History
    error: float | None = None  # the standard error of the last validation loss
    ladder: Ladder | None = None
    characters: int = 0  # of the vocabulary; 0: not known
    regret: float | None = None  # how far the best validation loss lies above the lowest possible one, if that is known


def findings(curves: Curves, scale: float = 1.0) -> list[Saying]:
    """What the curves show, the most important first; empty while too little is known. `scale` is units per nat."""
    trouble = worse_than_guessing(curves, scale) or risen(curves, scale) or plateau(curves, scale)
    return [found for found in (trouble, beside_counting(curves, scale)) if found is not None]


def worse_than_guessing(curves: Curves, scale: float) -> Saying | None:
    """Whether the training loss lies above that of a network that holds all characters for equally probable."""
    history = curves.history
    if not curves.characters or not len(history.step) or history.step[-1] < GUESSED:
        return None
    lately = _stretch(history.loss[history.step > history.step[-1] - GUESSED])
    guess = math.log(curves.characters)
    if lately is None or lately[0] - ERRORS * lately[1] <= guess:
        return None
    loss, limit = nats(lately[0] * scale), nats(guess * scale)
    return Saying(
        f"The training loss, {loss}, is above {limit}, that of holding all {curves.characters:,} characters for "
        "equally probable: the learning rate is too high.",
        f"Worse than a blind guess ({limit}): the learning rate is too high.",
    )


def risen(curves: Curves, scale: float) -> Saying | None:
    """Whether the held-out loss has risen since it was best, and what the training loss has done meanwhile."""
    history = curves.history
    losses = history.val_loss
    place = int(losses.argmin()) if len(losses) else 0
    after = losses[place + 1 :]
    if len(after) < FEW or len(losses) < FEW + 2:
        return None
    best, lately = float(losses[place]), float(np.mean(after[-LATELY:]))
    explained = max(LEAST_RISE, RISEN * noise(losses), ERRORS * (curves.error or 0.0))
    if lately - best <= explained:
        return None
    step = int(history.val_step[place])
    since = f"The held-out loss was best at step {step:,}, {nats(best * scale)}, and has risen by "
    since += nats((lately - best) * scale)
    short = f"Held-out loss up since step {step:,} (best {nats(best * scale)})"
    training = change(history.step, history.loss, step)
    if training is not None and training[0] < -ERRORS * training[1]:
        return Saying(
            f"{since} since, while the training loss fell: the network learns its text by heart.",
            f"{short}: learnt by heart.",
        )
    if training is not None and training[0] > max(LEAST_RISE, ERRORS * training[1]):
        return Saying(
            f"{since} since, and so has the training loss: the learning rate is too high.",
            f"{short}, training loss too: the rate is too high.",
        )
    return Saying(f"{since} since.", f"{short}.")


def plateau(curves: Curves, scale: float) -> Saying | None:
    """Whether the held-out loss has not fallen in the later half of the steps, or hardly changed."""
    history = curves.history
    if not len(history.val_step):
        return None
    half = int(history.val_step[-1]) // 2
    losses = history.val_loss[history.val_step > half]
    third = len(losses) // 3
    if len(losses) < MANY:
        return None
    moved = float(np.mean(losses[-third:]) - np.mean(losses[:third]))
    error = ERRORS * noise(losses) * math.sqrt(2 / third)
    step = int(history.val_step[history.val_step > half][0])
    training = change(history.step, history.loss, step)
    falls = training is not None and training[0] < -max(LEAST_RISE, ERRORS * training[1])
    surely = training is not None and training[0] < -max(noise(losses), RISEN * training[1])
    if JUMPS < noise(losses) < math.inf and moved > -error and not surely:
        return Saying(
            f"The held-out loss has not fallen since step {step:,}, and jumps by {nats(noise(losses) * scale)} "
            "from one validation to the next: the learning rate is too high.",
            f"Held-out loss jumps, and has not fallen since step {step:,}: the rate is too high.",
        )
    is_flat = abs(moved) + error < FLAT
    if training is not None and falls and (is_flat or (surely and moved > 0)):
        return Saying(
            f"The held-out loss has {'hardly changed' if is_flat else 'not fallen'} since step {step:,}, while the "
            f"training loss has fallen by {nats(-training[0] * scale)}: what is still learnt helps on no other text.",
            f"Held-out loss {'flat' if is_flat else 'not lower'} since step {step:,}; training loss falls.",
        )
    if not is_flat:
        return None
    if curves.regret is not None:
        return Saying(
            f"The held-out loss has hardly changed since step {step:,}: the best of it lies "
            f"{nats(max(curves.regret, 0.0) * scale)} above the lowest that any model can reach.",
            f"Flat since step {step:,}, {nats(max(curves.regret, 0.0) * scale)} above the lowest possible.",
        )
    return Saying(
        f"The held-out loss has hardly changed since step {step:,}: a plateau. "
        "A lower learning rate, or more units, may lead below it.",
        f"A plateau since step {step:,}.",
    )


def beside_counting(curves: Curves, scale: float) -> Saying | None:
    """Which of the n-gram models the network is better than.

    Both are measured on the same characters, and their losses vary together from text to text: a difference of one
    standard error of the loss is more than chance.
    """
    rungs = climbing(curves.ladder.rungs) if curves.ladder else []
    if not rungs or not len(curves.history.val_loss):
        return None
    loss, error = float(curves.history.val_loss[-1]), curves.error or 0.0
    best = rungs[-1]
    if loss < best.loss - error:
        return Saying(
            f"The network is better than every n-gram model; the best, {best.n}-gram, has {nats(best.loss * scale)}.",
            f"Better than all n-grams (best {nats(best.loss * scale)}).",
        )
    if loss <= best.loss + error:
        return Saying(
            f"The network is about as good as the best n-gram model ({best.n}-gram, {nats(best.loss * scale)}).",
            f"About as good as the best n-grams ({nats(best.loss * scale)}).",
        )
    above = next(rung for rung in rungs if rung.loss < loss - error)
    others = "" if above is best else f", the best of them {nats(best.loss * scale)}"
    so_far = "no longer" if curves.history.val_loss.min() < above.loss - error else "not yet"
    return Saying(
        f"The network is {so_far} better than counting: a {above.n}-gram model has {nats(above.loss * scale)}{others}.",
        f"{so_far.capitalize()} better than {above.n}-grams ({nats(above.loss * scale)}).",
    )


def noise(losses: Array) -> float:
    """The standard deviation of one of the `losses` about a smooth curve; infinite if there are fewer than five.

    It is taken from the second differences: a slope has no part in them, and a few jumps have little in their median.
    For normal noise, the median of their absolute values is 0.6745·√6 times the standard deviation of one loss.
    """
    bends = np.diff(losses, 2)
    return float(np.median(np.abs(bends))) / (0.6745 * math.sqrt(6)) if len(bends) >= 3 else math.inf


def change(steps: Integers, losses: Array, since: int) -> tuple[float, float] | None:
    """By how much the training loss has changed since step `since`, and the standard error of that.

    The first quarter of the steps since then is compared with the last. None if these have too few points.
    """
    last = int(steps[-1]) if len(steps) else 0
    width = (last - since) / 4
    early = _stretch(losses[(steps > since) & (steps <= since + width)])
    late = _stretch(losses[steps > max(last - width, since)])
    return None if early is None or late is None else (late[0] - early[0], math.hypot(early[1], late[1]))


def _stretch(losses: Array) -> tuple[float, float] | None:
    """The mean of the `losses` and its standard error, from how much the means of four parts of them differ.

    Neighbours are not independent, as they read neighbouring text: the parts are the sample.
    """
    losses = losses[np.isfinite(losses)]
    if len(losses) < FEWEST:
        return None
    means = [float(part.mean()) for part in np.array_split(losses, PARTS)]
    return float(np.mean(means)), float(np.std(means, ddof=1)) / math.sqrt(PARTS)
