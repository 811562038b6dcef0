"""Text from a model, one character at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from engine.arrays import Array, Codes
from engine.network.cells.layer import Clamps
from engine.network.model import Model

COLDEST = 1e-9  # lower temperatures count as this one: the draw is greedy anyway, and 1/temperature might overflow


@dataclass(frozen=True, slots=True)
class Choice:
    """How the next character is drawn. `temperature` 0 is greedy; `top_k` 0 and `top_p` 1 keep all characters."""

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 1.0


UNCHANGED = Choice(temperature=1.0)


class Sampler:
    """Draws characters from a model, with a hidden state of its own; the model may go on learning meanwhile.

    Before it draws the first character, it reads character `start` from a zero state, unless `prime` has read something
    else. `clamps` has, for some layers, (unit, value) pairs of h that are held fixed.
    """

    def __init__(self, model: Model, rng: np.random.Generator, start: int = 0) -> None:
        self.model, self.rng = model, rng
        self.clamps: dict[int, Clamps] = {}
        self._work = model.workspace(1, 1, train=False)
        self._code = np.zeros((1, 1), np.intp)
        self.reset(start)

    def reset(self, start: int = 0) -> None:
        """Begin anew: from a zero state, with character `start` to be read first."""
        self._work.reset()
        self._logits: Array | None = None
        self._start = start

    def prime(self, codes: Codes) -> None:
        """Read the characters `codes` (N,); the next one that is drawn follows them."""
        for code in codes:
            self._read(int(code))

    def next(self, choice: Choice) -> tuple[int, float]:
        """Draw a character under `choice`; return its code, and its probability as the network itself has it.

        That is the softmax of the logits: before temperature, top-k and top-p.
        """
        if self._logits is None:
            self._read(self._start)
        assert self._logits is not None
        code = draw(weights(self._logits, choice), self.rng)
        own = weights(self._logits, UNCHANGED)
        self._read(code)
        return code, float(own[code] / own.sum())

    def _read(self, code: int) -> None:
        self._code[0, 0] = code
        if self._logits is not None:
            self._work.carry()
        self._logits = self.model.forward(self._work, self._code, clamps=self.clamps)[:, 0]


def weights(logits: Array, choice: Choice) -> Array:
    """Probabilities under `choice`, (V, …) in float64, not normalised: temperature first, then top-k, then top-p.

    `logits` are (V, …), the classes along the first axis. Top-p (nucleus) keeps the smallest set of most probable
    characters whose probabilities reach p; Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration".
    """
    likeliest = logits.argmax(axis=0)[np.newaxis]
    shares: Array = np.zeros(logits.shape)
    if choice.temperature == 0:
        np.put_along_axis(shares, likeliest, 1, axis=0)
        return shares
    np.subtract(logits, np.take_along_axis(logits, likeliest, axis=0), out=shares, dtype=logits.dtype)
    # They are 0 already, unless an exploding network has infinite logits: inf − inf is NaN.
    np.put_along_axis(shares, likeliest, 0, axis=0)
    np.multiply(shares, 1 / max(choice.temperature, COLDEST), out=shares)
    np.exp(shares, out=shares)
    if 0 < choice.top_k < len(shares) or choice.top_p < 1:
        order = np.argsort(-shares, axis=0, kind="stable")
        falling = np.take_along_axis(shares, order, axis=0)
        if choice.top_k > 0:
            falling[choice.top_k :] = 0
        before = falling.cumsum(axis=0) - falling
        drop = before >= choice.top_p * falling.sum(axis=0)
        drop[0] = False
        falling[drop] = 0
        np.put_along_axis(shares, order, falling, axis=0)
    return shares


def draw(shares: Array, rng: np.random.Generator) -> int:
    """Draw a code in proportion to `shares` (V,), by inverting the cumulative sum."""
    cumulative = shares.cumsum()
    total = cumulative[-1]
    code = int(cumulative.searchsorted(rng.random() * total, side="right"))
    if code == len(shares):  # `rng.random() * total` was rounded up to the total
        code = int(np.flatnonzero(shares)[-1])
    return code


def draw_each(shares: Array, rngs: Sequence[np.random.Generator]) -> Codes:
    """Draw a code for each column of `shares` (V, N), the N-th with the N-th generator; returns (N,)."""
    return np.array([draw(column, rng) for column, rng in zip(shares.T, rngs, strict=True)], np.intp)


def generate_many(
    model: Model, rngs: Sequence[np.random.Generator], prompt: Codes, choice: Choice, length: int
) -> Iterator[Codes]:
    """Draw `length` characters for each of N texts at once; yields the N codes (N,) of each place.

    Each text has a generator of its own, and follows `prompt` (at least one code), from a zero state. It is the text
    that a `Sampler` with its generator writes, but for a draw that the rounding of the product of N columns decides.
    """
    work = model.workspace(1, len(rngs), train=False)
    work.reset()
    codes = np.empty((1, len(rngs)), np.intp)
    for place, code in enumerate(prompt):
        if place:
            work.carry()
        codes[:] = code
        logits = model.forward(work, codes)
    for _ in range(length):
        codes[0] = draw_each(weights(logits, choice), rngs)
        yield codes[0].copy()
        work.carry()
        logits = model.forward(work, codes)


def generate(sampler: Sampler, choice: Choice, length: int) -> Iterator[tuple[int, float]]:
    """Draw `length` characters, one at a time; yields (code, probability), see `Sampler.next`."""
    for _ in range(length):
        yield sampler.next(choice)
