"""The contexts of a unit, and a regular expression as a feature."""

from __future__ import annotations

import numpy as np
import pytest

from engine.probes import pattern as module
from engine.probes.contexts import APART, AROUND, contexts, follow
from engine.probes.held_out import HeldOut, Streams
from engine.probes.pattern import LONGEST, find
from engine.text.vocabulary import Vocabulary

TEXT = "".join(np.random.default_rng(0).choice(list("abc (\n"), 1200))
VOCABULARY = Vocabulary(tuple(sorted(set(TEXT))))


@pytest.fixture(scope="module")
def held_out() -> HeldOut:
    return HeldOut(VOCABULARY.encode(TEXT)[0], VOCABULARY, 8)


def spread_out(along: np.ndarray, streams: Streams) -> np.ndarray:
    """Values (T, B) that lie along the text as `along` says."""
    steps, count = streams.codes.shape
    return along.reshape(count, steps).T


def test_places_are_the_highest_and_lowest_that_lie_apart_and_are_measured(held_out: HeldOut) -> None:
    streams = held_out.streams
    along = np.random.default_rng(1).standard_normal(len(TEXT))
    highest, lowest = contexts(spread_out(along, streams), TEXT, streams)
    measured = [place for place in range(len(TEXT)) if place % 200 >= streams.warm_up]
    for found, sign in ((highest, -1), (lowest, 1)):
        expected: list[int] = []
        for place in sorted(measured, key=lambda place: sign * along[place]):
            if len(expected) < 10 and all(abs(place - other) >= APART for other in expected):
                expected.append(place)
        assert [float(each.values[each.mark]) for each in found] == pytest.approx(along[expected].tolist())
        for each, place in zip(found, expected, strict=True):
            first = max(place - AROUND, 0)
            assert each.text == TEXT[first : place + AROUND + 1]
            assert each.mark == place - first
            np.testing.assert_allclose(each.values, along[first : place + AROUND + 1], rtol=1e-6)


def test_near_the_ends_of_a_short_text_there_is_less_around_a_place() -> None:
    text = TEXT[:40]
    streams = HeldOut(VOCABULARY.encode(text)[0], VOCABULARY, 8).streams
    along = np.zeros(40)
    along[12], along[39] = 1, 2
    (last, early), _ = contexts(spread_out(along, streams), text, streams, places=2)
    assert (last.text, last.mark) == (text[9:], 30)
    assert (early.text, early.mark) == (text, 12)


def test_the_unit_that_is_the_feature_comes_first(held_out: HeldOut) -> None:
    streams = held_out.streams
    feature = np.array([char == "(" for char in TEXT], float)
    noise = np.random.default_rng(3).standard_normal((3, len(TEXT)))
    units = np.stack([spread_out(row, streams) for row in (noise[0], noise[1] - feature, -feature, noise[2])])
    values = streams.after_warm_up(feature)
    found = follow(units, TEXT, streams, values, name="(")
    assert found.order.tolist()[:2] == [2, 1]
    assert found.correlation[2] == pytest.approx(-1)
    expected = np.corrcoef(values, streams.after_warm_up(noise[1] - feature))[0, 1]
    assert found.correlation[1] == pytest.approx(expected, abs=1e-9)
    assert (found.unit, found.inside, found.measured) == (2, int(values.sum()), len(values))
    assert {each.text[each.mark] for each in found.lowest} == {"("}
    assert follow(units, TEXT, streams, values, name="(", unit=9).unit == 3


def test_measured_and_place_agree(held_out: HeldOut) -> None:
    streams = held_out.streams
    places = streams.after_warm_up(np.arange(len(TEXT)))
    assert [streams.place(index) for index in range(len(places))] == places.tolist()
    assert VOCABULARY.decode(streams.codes[streams.warm_up :].ravel()) == "".join(TEXT[place] for place in places)


def test_a_pattern_is_one_inside_its_matches() -> None:
    assert find("b+", "abba\nb").inside.tolist() == [0, 1, 1, 0, 0, 1]
    assert find("^b", "abba\nb").inside.tolist() == [0, 0, 0, 0, 0, 1]
    assert find("x*", "abc").inside.tolist() == [0, 0, 0]
    assert find("狐|\ud800", "a狐\ud800").inside.tolist() == [0, 1, 1]
    assert find("z", "abc").error == ""


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(a", "missing ), unterminated subpattern at position 0"),
        ("[", "unterminated character set at position 0"),
        ("a" * (LONGEST + 1), "201 characters; 200 are read at most"),
        ("(" * 150 + ")" * 150, "300 characters"),
        ("a{99999999999}", "repetition number is too large"),
    ],
)
def test_what_is_wrong_with_a_pattern_is_said(pattern: str, words: str) -> None:
    found = find(pattern, "aaa")
    assert words in found.error
    assert not found.inside.any()


def test_a_pattern_that_takes_for_ever_is_given_up() -> None:
    found = find("(a|aa)+$", "a" * 60 + "b")
    assert found.error == "it takes too long, and was given up"
    assert not found.inside.any()


def test_a_pattern_cannot_outlast_its_patience_on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    assert find("(a|aa)+$", "a" * 60 + "b").error == "it takes too long, and was given up"


def test_where_no_process_can_be_started_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    assert find("a", "a").error == "no process can be started for it (No such file or directory); try again in a while"
