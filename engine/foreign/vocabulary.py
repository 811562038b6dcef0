"""The vocabulary of a foreign network: its characters in the order in which that network numbers them."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.arrays import Integers
from engine.errors import UserError
from engine.foreign.files import read_bytes
from engine.text.vocabulary import CODE_POINTS, Vocabulary
from engine.typed_json import MalformedError, parse, shown

LARGEST = 8 << 20  # bytes of the file
FORMS = "give a JSON list of characters, a JSON object of indices by character, or a text of the characters in order"


class ForeignVocabulary:
    """V `characters` in a foreign network's order. Raises `ValueError` if they are no vocabulary.

    `ours` has them in the order of the code points, as this program numbers them; `order` (V,) says for each of those
    which number it has in the foreign network.
    """

    def __init__(self, characters: Iterable[Any]) -> None:
        given = tuple(characters)
        if not given:
            raise ValueError("there is no character in it")
        for each in given:
            if not isinstance(each, str) or len(each) != 1:
                raise ValueError(f"{shown(each)} is not one character")
            if "\ud800" <= each <= "\udfff":
                raise ValueError(f"{shown(each)} is half a character, a lone surrogate, which no text can have")
        if len(set(given)) < len(given):
            twice, count = Counter(given).most_common(1)[0]
            raise ValueError(f"{twice!r} is there {count} times")
        self.order: Integers = np.argsort([ord(character) for character in given])
        self.ours = Vocabulary(tuple(given[place] for place in self.order))

    def __len__(self) -> int:
        return len(self.ours)


def vocabulary_of(values: Any) -> ForeignVocabulary:
    """The vocabulary in a list of characters, an object or `dict` of indices by character, or a text.

    Raises `ValueError` if there is none in `values`.
    """
    if isinstance(values, Mapping):
        for character, index in values.items():
            if type(index) is not int or not 0 <= index < len(values):
                raise ValueError(f"{shown(character)} has the index {shown(index)}, which is not one of 0 … V − 1")
        if len(set(values.values())) < len(values):
            index, _ = Counter(values.values()).most_common(1)[0]
            raise ValueError(f"index {index} is there twice")
        return ForeignVocabulary(sorted(values, key=values.__getitem__))
    if isinstance(values, Iterable):
        return ForeignVocabulary(values)
    raise ValueError(f"{shown(values)} has no characters")


def read_vocabulary(path: Path) -> ForeignVocabulary:
    """The vocabulary in the file `path`, which is JSON or a text in UTF-8. Raises `UserError` if there is none."""
    data = read_bytes(path, LARGEST)
    try:
        return vocabulary_of(_values(data))
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 (byte {error.start:,}); {FORMS}") from None
    except (MalformedError, ValueError) as error:
        raise UserError(f"{path}: is no vocabulary ({error}); {FORMS}") from None


def _values(data: bytes) -> Any:
    """The JSON in `data`, or else the text. A text of characters may begin with a bracket, too."""
    data = data.removeprefix(codecs.BOM_UTF8)  # some editors write it
    if data.lstrip()[:1] in (b"[", b"{"):
        try:
            return parse(data)
        except MalformedError:
            text = data.decode()
            if len(set(text)) < len(text) or len(text) > CODE_POINTS:
                raise
            return text
    return data.decode()
