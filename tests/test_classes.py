"""The classes of characters on a text made for them, and against a plain program on texts of every kind."""

from __future__ import annotations

import random
import unicodedata
from collections import Counter

import numpy as np
import pytest

from engine.text.classes import CLASSES, classes_of
from engine.text.corpus import load_corpus
from engine.text.stretches import stretches
from engine.text.vocabulary import Vocabulary

SHORT = dict(zip("nbdpfrco", CLASSES, strict=True))  # a letter for each class: line end, blank, digit, punctuation, …


def classes(train: str, text: str, parts: list[slice] | None = None) -> list[str]:
    vocabulary = Vocabulary(tuple(sorted(set(train + text))))
    codes, held_out = vocabulary.encode(train)[0], vocabulary.encode(text)[0]
    found = classes_of(codes, held_out, vocabulary, parts or [slice(0, len(text))])
    letters = {name: letter for letter, name in SHORT.items()}
    return ["".join(letters[CLASSES[each]] for each in part) for part in found]


def test_each_class_is_met_in_a_text_made_for_it() -> None:
    train = "moon " * 5 + "star " * 4 + "x" * 2000 + " "
    text = "moon star 42,\tmoon_½\n\r\nMoon moonmoon e\u0301e\u0301 "
    #         first time: other; the second is recent; "Moon" and "moonmoon" are words that were never met
    kinds = "fooobfrrrbddpbfcccpdnnnfrrrbfrrrrrrrbfrrrb"
    assert classes(train, text) == [kinds]


def test_a_word_is_recent_up_to_a_thousand_characters_after_it_began() -> None:
    train = "moon " * 5 + "." * 2000
    for gap, expected in ((995, "fccc"), (996, "fccc"), (997, "fooo")):
        kinds = classes(train, f"moon{'.' * gap}moon")[0]
        assert kinds[-4:] == expected, gap
    assert classes("moon " * 5, "moon")[0] == "fccc"  # it stood in the training text just before


def test_a_word_is_rare_if_it_stands_fewer_than_five_times_in_the_training_text() -> None:
    far = "." * 2000
    assert classes("moon " * 4 + far, "moon moon")[0] == "frrrbfrrr"  # rare comes before recent
    assert classes("moon " * 5 + far, "moon moon")[0] == "fooobfccc"
    assert classes("moons " * 5 + far, "moon")[0] == "frrr"  # a part of a word is another word


def test_words_at_the_ends_of_a_part_are_known_whole() -> None:
    train = "lantern " * 5 + "." * 2000
    text = "lantern"
    assert classes(train, text, [slice(0, 3), slice(3, 5), slice(5, 7)]) == ["foo", "oo", "oo"]
    assert classes(train + "lan", "tern") == ["oooo"]  # the word began in the training text


def test_a_word_that_a_part_begins_in_has_all_its_thousand_characters_before_it() -> None:
    word = "lanternlight"
    text = f"{word}{'.' * 980}{word}"
    assert classes(f"{word} " * 5 + "." * 2000, text, [slice(len(text) - 2, len(text))]) == ["cc"]


def by_hand(train: str, text: str) -> list[str]:
    """The classes of `text` by going through it character by character, as the definition is read aloud."""

    def is_letter(character: str) -> bool:
        return unicodedata.category(character)[0] in "LM"

    def word_at(whole: str, place: int) -> tuple[int, str]:
        begin = end = place
        while begin and is_letter(whole[begin - 1]):
            begin -= 1
        while end < len(whole) and is_letter(whole[end]):
            end += 1
        return begin, whole[begin:end]

    counts: Counter[str] = Counter("".join(each if is_letter(each) else " " for each in train).split())
    whole, found = train + text, []
    for place in range(len(train), len(whole)):
        character = whole[place]
        if character in "\n\r\u2028":
            kind = "line end"
        elif character.isspace():
            kind = "blank"
        elif unicodedata.category(character)[0] == "N":
            kind = "digit"
        elif not is_letter(character):
            kind = "punctuation and signs"
        elif place == 0 or not is_letter(whole[place - 1]):
            kind = "first letter of a word"
        else:
            begin, word = word_at(whole, place)
            earlier = {word_at(whole, at)[1] for at in range(max(0, begin - 1000), begin)
                       if is_letter(whole[at]) and word_at(whole, at)[0] >= begin - 1000}  # fmt: skip
            rare, recent = counts[word] < 5, word in earlier
            kind = "letter of a rare word" if rare else "letter of a recent word" if recent else "other letter"
        found.append(kind)
    return found


@pytest.mark.parametrize("length", [700, 3000])
def test_a_plain_program_finds_the_same(length: int) -> None:
    drawn = random.Random(length)
    words = ["sea", "ｓｅａ", "Sea", "naïve", "नमस्ते", "x", "狐", "rare" + "ly" * drawn.randrange(3)]
    gaps = [" ", "\n", "\r\n", ", ", "7", "_", "\u2028", ""]
    text = "".join(drawn.choice(words) + drawn.choice(gaps) for _ in range(length))
    text += "." * 900 + "".join(drawn.choice(words) + drawn.choice(" .") for _ in range(60))
    cut = len(text) - 400
    vocabulary = Vocabulary(tuple(sorted(set(text))))
    codes = vocabulary.encode(text)[0]
    parts = [slice(0, 150), slice(150, 151), slice(200, 400)]
    found = np.concatenate(classes_of(codes[:cut], codes[cut:], vocabulary, parts))
    expected = by_hand(text[:cut], text[cut:])
    assert [CLASSES[each] for each in found] == [each for part in parts for each in expected[part]]


def test_no_word_is_lost_where_the_training_text_is_counted_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = load_corpus(["physics"])
    parts = stretches(len(corpus.valid))
    whole = classes_of(corpus.train, corpus.valid, corpus.vocabulary, parts)
    monkeypatch.setattr("engine.text.classes.PIECE", 37)
    for one, other in zip(whole, classes_of(corpus.train, corpus.valid, corpus.vocabulary, parts), strict=True):
        np.testing.assert_array_equal(one, other)
