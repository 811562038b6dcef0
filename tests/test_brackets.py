"""The brackets language: what it allows, how deep it is, and its entropy rate."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from engine.text import brackets
from engine.text.vocabulary import Vocabulary
from tests.brackets_text import brackets_text


def test_generated_text_has_the_length_begins_at_depth_zero_and_is_legal() -> None:
    for length in (1, 2, 1001, brackets.BLOCK + 3):
        assert len(brackets_text(length, 5)) == length
    text = brackets_text(3000, 5)
    assert text[0] in "(0"
    assert brackets.count_illegal(text) == 0
    assert brackets.is_brackets(text)


def test_a_seed_gives_one_text_whatever_its_length() -> None:
    text = brackets_text(brackets.BLOCK + 100, 1)
    assert text.startswith(brackets_text(1000, 1))
    assert brackets_text(1000, 1) != brackets_text(1000, 2)


def test_choices_are_uniform_at_every_depth() -> None:
    text = brackets_text(400_000, 0)
    tokens = text.split()
    depths = [0, *brackets.depth(text)[::2]]
    chosen = Counter(zip(depths, tokens, strict=False))
    for depth, count in Counter(depths[: len(tokens)]).items():
        choices = {token: n / count for (at, token), n in chosen.items() if at == depth}
        assert choices.keys() == brackets.CHOICES[depth].keys()
        # four standard deviations of a share
        share = 1 / len(choices)
        assert all(abs(n - share) < 4 * math.sqrt(share / count) for n in choices.values())


def test_the_entropy_rate_is_that_of_the_markov_chain() -> None:
    size = len(brackets.CHOICES)
    walk = np.zeros((size, size))
    for depth, choices in enumerate(brackets.CHOICES):
        for after in choices.values():
            walk[depth, after] += 1 / len(choices)
    # stationary: π (P − I) = 0 and Σ π = 1
    stationary = np.linalg.lstsq(np.vstack([walk.T - np.eye(size), np.ones(size)]), [0] * size + [1], rcond=None)[0]
    per_token = sum(p * math.log(len(choices)) for p, choices in zip(stationary, brackets.CHOICES, strict=True))
    assert brackets.entropy_rate() == pytest.approx(per_token / 2, rel=1e-12)
    assert brackets.entropy_rate() == pytest.approx((4 / 13 * math.log(2) + 9 / 13 * math.log(3)) / 2, rel=1e-12)
    assert round(brackets.entropy_rate(), 4) == 0.4869


def test_the_true_model_loses_the_entropy_rate_on_generated_text() -> None:
    text = brackets_text(400_000, 3)
    depths = [0, *brackets.depth(text)[::2][:-1]]
    loss = sum(math.log(len(brackets.CHOICES[depth])) for depth in depths) / len(text)
    assert loss == pytest.approx(brackets.entropy_rate(), abs=1e-3)


def test_depth_after_each_character() -> None:
    assert brackets.depth("( ( 2 ) 1").tolist() == [1, 1, 2, 2, 2, 2, 1, 1, 1]
    assert brackets.depth("").tolist() == []


def test_depth_of_a_text_that_begins_anywhere() -> None:
    text = brackets_text(2000, 4)
    whole = brackets.depth(text)
    for start in (1, 2, 99, 1000):
        assert brackets.depth(text[start:]).tolist() == whole[start:].tolist()
    assert brackets.depth(") ( ( )").tolist() == [0, 0, 1, 1, 2, 2, 1]  # no digit: the lowest is 0


@pytest.mark.parametrize(
    ("text", "illegal"),
    [
        ("", 0),
        ("( ) 0 ", 0),
        (" ( ", 0),
        ("( ( 3 ) ", 0),  # begins at depth 1
        ("0 ) ", 1),
        ("4 ( 4 ", 1),
        ("( ( ( ( ( 4 ", 1),
        ("( ( 2 4 1 ", 2),
        ("0 ( 1 0 ", 1),
        ("((", 1),
        ("(  )", 1),
        ("( x ) ", 1),
        ("0 5 é\n", 3),
    ],
)
def test_illegal_characters_are_counted(text: str, illegal: int) -> None:
    assert brackets.count_illegal(text) == illegal


def test_a_sample_is_judged_with_its_prompt() -> None:
    assert brackets.count_illegal("1 ", prompt="0 ( ") == 0
    assert brackets.count_illegal("0 ", prompt="0 ( ") == 1
    assert brackets.count_illegal("( ", prompt="0") == 1
    assert brackets.count_illegal("1 ", prompt="0 9 ( ") == 0  # what is wrong with the prompt is not the sample's


def test_other_texts_are_not_brackets() -> None:
    for text in ("", "( ) 0 ", brackets_text(1000)[:-1] + "x", brackets_text(1000).replace("4", "3")):
        assert not brackets.is_brackets(text)


def test_its_characters_are_a_vocabulary() -> None:
    assert set(brackets_text(2000)) == set(Vocabulary(brackets.CHARACTERS).characters)


def test_the_published_text_is_legal_and_as_deep_as_ours(shared_data: Path) -> None:
    text = (shared_data / "brackets-valid.txt").read_text("ascii")
    assert brackets.is_brackets(text)
    depths = brackets.depth(text)
    assert (depths.min(), depths.max()) == (0, brackets.DEEPEST)
    assert depths[0] == brackets.CHOICES[0][text[0]]
