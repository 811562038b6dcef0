"""The brackets language: its best possible loss is known exactly, and a network must count to reach it.

Tokens are separated by one space. At depth d the next token is chosen uniformly among `(` if d < 4, `)` if d > 0, and
the digit d. A network whose loss comes near the entropy rate must keep the depth in its state. A published experiment
with a GRU of 15 units uses this language.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from engine.arrays import Array, Integers
from engine.text.vocabulary import code_points

DEEPEST = 4
CHARACTERS = (" ", "(", ")", "0", "1", "2", "3", "4")
BLOCK = 1 << 18  # characters made at a time


def _choices(depth: int) -> dict[str, int]:
    """The tokens that may follow at `depth`, each with the depth after it."""
    choices = {str(depth): depth}
    if depth < DEEPEST:
        choices["("] = depth + 1
    if depth > 0:
        choices[")"] = depth - 1
    return choices


CHOICES = [_choices(depth) for depth in range(DEEPEST + 1)]


def blocks(length: int, seed: int = 0) -> Iterator[str]:
    """Yields `length` characters of the language, in pieces, starting at depth 0; `seed` determines the text."""
    draws = math.lcm(*(len(choices) for choices in CHOICES))
    table = [list(choices.items()) * (draws // len(choices)) for choices in CHOICES]
    random = np.random.PCG64(seed)  # its raw stream, and so the text, is the same in every version of NumPy
    depth = 0
    while length > 0:
        tokens = []
        for draw in (random.random_raw(min(BLOCK, length + 1) // 2) % draws).tolist():
            token, depth = table[depth][draw]
            tokens.append(token)
        text = " ".join([*tokens, ""])[:length]
        length -= len(text)
        yield text


def entropy_rate() -> float:
    """The entropy rate in nats per character: ½·(4/13·ln 2 + 9/13·ln 3) = 0.4869.

    The depth is a random walk on 0 … 4 that takes each of its n(d) = 2, 3, 3, 3, 2 choices with
    probability 1/n(d). As every move can be undone by one move, detailed balance holds with
    π(d) = n(d) / Σ n, which is n(d) / 13. A token's entropy at depth d is ln n(d), a space has none,
    and half of the characters are spaces (Cover and Thomas, Elements of Information Theory, 4.3).
    """
    choices = [len(at_depth) for at_depth in CHOICES]
    return sum(n * math.log(n) for n in choices) / sum(choices) / 2


def depth(text: str) -> Integers:
    """The depth after each character of `text`, (len(text),).

    The text may begin at any depth, which its first digit determines. Without a digit, its lowest depth is taken as 0.
    """
    points = code_points(text)
    change: Integers = np.cumsum(_change(text))
    digits = np.flatnonzero((points >= ord("0")) & (points <= ord(str(DEEPEST))))
    start = int(points[digits[0]]) - ord("0") - change[digits[0]] if digits.size else -change.min(initial=0)
    change += start
    return change


def oracle_losses(text: str) -> Array:
    """−ln P of each character of a legal `text`, (len(text),), given all before it: no model can do better on average.

    A space is certain. Of the n(d) tokens that may follow at depth d, each has the probability 1/n(d).
    """
    after = depth(text)
    before = np.clip(np.concatenate([after[:1] - _change(text[:1]), after[:-1]]), 0, DEEPEST)
    losses: Array = np.log([len(choices) for choices in CHOICES])[before]
    losses[code_points(text) == ord(" ")] = 0
    return losses


def count_illegal(text: str, prompt: str = "") -> int:
    """How many characters of `text`, which continues `prompt`, are illegal in the language.

    Illegal are a bracket that leaves the depths 0 … 4, a digit that is not the depth, a token in place of a
    space, a space in place of a token, and any other character. A network without a prompt may begin at any
    depth, so the count starts at the depth that makes the fewest characters of prompt and text illegal.
    """
    counts = []
    for start in range(DEEPEST + 1):
        marks = _illegal(prompt + text, start)
        counts.append((sum(marks), sum(marks[len(prompt) :])))
    return min(counts)[1]


def is_brackets(text: str) -> bool:
    """Whether `text` belongs to the language: all of it is legal, and each of the eight characters occurs."""
    return set(text) == set(CHARACTERS) and count_illegal(text) == 0


def _illegal(text: str, depth: int) -> list[bool]:
    """Whether each character is illegal. An illegal character does not change the depth."""
    marks = []
    before = ""
    for character in text:
        legal = character == " " or character in CHOICES[depth]
        if before:
            legal = legal and (character == " ") != (before == " ")
        marks.append(not legal)
        depth = CHOICES[depth].get(character, depth)
        before = character
    return marks


def _change(text: str) -> Integers:
    """By how much each character changes the depth, (len(text),)."""
    points = code_points(text)
    change: Integers = (points == ord("(")).astype(np.intp) - (points == ord(")"))
    return change
