"""A text's characters in a few classes, for a picture that has a colour and a sign for each class."""

from __future__ import annotations

import unicodedata

import numpy as np

from engine.arrays import Array, Integers

KINDS = ("blank", "vowel", "other small letter", "capital letter", "digit", "sign")
MOST_VALUES = 8  # of a feature, to have a class each
PARTS = 5  # classes of a feature with more values, each with as many characters, nearly


def kinds(text: str) -> Integers:
    """For each character of `text` its kind, (N,), as an index into `KINDS`."""
    known = {char: _kind(char) for char in set(text)}
    return np.array([known[char] for char in text], np.uint8)


def _kind(char: str) -> int:
    if char.isspace():
        return 0
    if char.isalpha():
        if char.isupper():
            return 3
        return 1 if unicodedata.normalize("NFD", char)[0] in "aeiou" else 2
    return 4 if char.isdigit() else 5


def classes(values: Array) -> tuple[Integers, tuple[str, ...]]:
    """For each of a feature's `values` (N,), whole numbers, its class (N,), and the names of the classes.

    0 and 1 are "no" and "yes". Up to `MOST_VALUES` values are a class each, named by the number; of more, ranges are.
    """
    found, labels = np.unique(values.astype(np.intp), return_inverse=True)
    if set(found.tolist()) <= {0, 1}:
        return values.astype(np.uint8), ("no", "yes")
    if len(found) <= MOST_VALUES:
        return labels.astype(np.uint8), tuple(map(str, found.tolist()))
    edges = np.unique(np.quantile(values, np.linspace(0, 1, PARTS + 1)[1:-1], method="nearest").astype(np.intp))
    labels = np.searchsorted(edges, values, side="right")
    present, labels = np.unique(labels, return_inverse=True)
    ranges = [(int(values[labels == each].min()), int(values[labels == each].max())) for each in range(len(present))]
    return labels.astype(np.uint8), tuple(f"{low} … {high}" if low < high else f"{low}" for low, high in ranges)
