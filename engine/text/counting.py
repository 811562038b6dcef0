"""The k-gram ladder: the losses of models that only count which character follows which k, in nats per character.

The loss for one k is a rung of the ladder. A network whose loss is below rung k = 3 probably uses more than the last
three characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.arrays import Codes

TRAIN_CHARACTERS = 1_000_000  # that are counted at most: more would take seconds, and change the loss little
VALID_CHARACTERS = 200_000  # on which the loss is measured, at most


@dataclass(frozen=True, slots=True)
class Rung:
    """A rung of the ladder: k, and the k-gram model's loss on the validation text, nats per character."""

    k: int
    loss: float


def kgram_ladder(
    train: Codes, valid: Codes, vocabulary_size: int, ks: Sequence[int] = (1, 2, 3, 4, 5, 6, 7, 8)
) -> list[Rung]:
    """A rung for each k of `ks`: the mean of −ln P_k(c | the k characters before c) over `valid`, counted in `train`.

    `train` (N,) and `valid` (M,) are codes below `vocabulary_size` = V, and `valid` follows `train` in the text. Of a
    large text only the end of `train` and the beginning of `valid` are used. The model is interpolated with estimate C
    of Witten and Bell (The zero-frequency problem, IEEE Transactions on Information Theory 37(4), 1991), as Chen and
    Goodman (An empirical study of smoothing techniques for language modeling, 1998) write it:

        P_k(c|s) = (n(sc) + N(s)·P_{k−1}(c|s')) / (n(s) + N(s)),    P_{−1}(c) = 1/V,

    n(·) is a count in `train`, N(s) is the number of different characters seen after s, and s' is s
    without its first character. Rungs with k > N are left out; if `valid` is empty, there are none.
    """
    train, valid = train[-TRAIN_CHARACTERS:], valid[:VALID_CHARACTERS]
    text = np.concatenate([train, valid]).astype(np.int64)
    split, ladder = len(train), list[Rung]()
    if not valid.size:
        return []
    probability = np.full(len(valid), 1.0 / vocabulary_size)
    context = np.zeros(len(text), np.int64)  # number of the k-gram before each character; at first the empty one
    for k in range(min(max(ks), split) + 1):
        # the first k characters have no k-gram before them
        keys, gram = np.unique(context[k:] * vocabulary_size + text[k:], return_inverse=True)
        count = np.bincount(gram[: split - k], minlength=len(keys))
        follows = keys[count > 0] // vocabulary_size
        contexts = int(context.max()) + 1
        total = np.bincount(context[k:split], minlength=contexts)[context[split:]]
        kinds = np.bincount(follows, minlength=contexts)[context[split:]]
        seen = total > 0
        mixed = count[gram[split - k :]] + kinds * probability
        probability[seen] = mixed[seen] / (total + kinds)[seen]
        if k in ks:
            ladder.append(Rung(k, float(-np.log(probability).mean())))
        context[k + 1 :] = gram[:-1]
    return ladder
