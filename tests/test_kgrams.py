"""The k-gram ladder: by hand, against a plain loop, and on the brackets language."""

import math
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from engine.arrays import Codes
from engine.text import brackets
from engine.text.corpus import load_corpus
from engine.text.counting import Rung, kgram_ladder
from engine.text.vocabulary import Vocabulary
from tests.brackets_text import brackets_text


def plain_ladder(train: Codes, valid: Codes, vocabulary_size: int, ks: tuple[int, ...]) -> list[tuple[int, float]]:
    """The same formula, one character at a time."""
    text = [*train.tolist(), *valid.tolist()]

    def probability(at: int, k: int) -> float:
        if k < 0:
            return 1 / vocabulary_size
        counts = followers[k][tuple(text[at - k : at])]
        if not counts:
            return probability(at, k - 1)
        return (counts[text[at]] + len(counts) * probability(at, k - 1)) / (counts.total() + len(counts))

    followers: list[defaultdict[tuple[int, ...], Counter[int]]] = [defaultdict(Counter) for _ in range(max(ks) + 1)]
    for k, table in enumerate(followers):
        for at in range(k, len(train)):
            table[tuple(text[at - k : at])][text[at]] += 1
    positions = range(len(train), len(text))
    return [(k, -sum(math.log(probability(at, k)) for at in positions) / len(valid)) for k in ks]


def test_by_hand() -> None:
    # train aab, valid ab, V = 3. P₀(a) = (2 + 2/3)/5 = 8/15, P₀(b) = (1 + 2/3)/5 = 1/3.
    # b was seen before nothing: P₁(a|b) = P₀(a). a was seen before a and b: P₁(b|a) = (1 + 2/3)/4 = 5/12.
    ladder = kgram_ladder(np.array([0, 0, 1]), np.array([0, 1]), 3, ks=(0, 1))
    assert [rung.k for rung in ladder] == [0, 1]
    assert ladder[0].loss == pytest.approx(-(math.log(8 / 15) + math.log(1 / 3)) / 2)
    assert ladder[1].loss == pytest.approx(-(math.log(8 / 15) + math.log(5 / 12)) / 2)


@pytest.mark.parametrize("seed", range(3))
def test_against_a_plain_loop(seed: int) -> None:
    random = np.random.default_rng(seed)
    train, valid = random.integers(0, 4, 300).astype(np.uint8), random.integers(0, 6, 60).astype(np.uint8)
    ladder = kgram_ladder(train, valid, 6, ks=(0, 1, 2, 3, 5))
    wanted = plain_ladder(train, valid, 6, (0, 1, 2, 3, 5))
    np.testing.assert_allclose([(rung.k, rung.loss) for rung in ladder], wanted)


def test_probabilities_sum_to_one() -> None:
    train = np.random.default_rng(0).integers(0, 5, 200)
    for k in range(4):
        losses = [kgram_ladder(train, np.array([code]), 5, ks=(k,))[0].loss for code in range(5)]
        assert sum(math.exp(-loss) for loss in losses) == pytest.approx(1)


def test_rungs_that_cannot_be_fitted_are_left_out() -> None:
    train, valid = np.array([0, 1, 0]), np.array([1, 0])
    assert [rung.k for rung in kgram_ladder(train, valid, 2)] == [1, 2, 3]
    assert kgram_ladder(train, valid[:0], 2) == []
    assert kgram_ladder(train[:0], valid, 2) == []


def published(ladder: list[Rung]) -> None:
    rungs = {rung.k: rung.loss for rung in ladder}
    for k, loss in {1: 0.857, 2: 0.671, 4: 0.594, 6: 0.546}.items():
        assert rungs[k] == pytest.approx(loss, abs=0.01)


def test_brackets_have_the_published_rungs_and_stay_above_their_entropy() -> None:
    loaded = load_corpus(["brackets"])
    ladder = kgram_ladder(loaded.train, loaded.valid, len(loaded.vocabulary))
    published(ladder)
    assert min(rung.loss for rung in ladder) > brackets.entropy_rate()


def test_the_published_validation_text_has_the_published_rungs(shared_data: Path) -> None:
    vocabulary = Vocabulary(brackets.CHARACTERS)
    train, _ = vocabulary.encode(brackets_text(1_000_000, 1))
    valid, skipped = vocabulary.encode((shared_data / "brackets-valid.txt").read_text("ascii"))
    assert skipped == ""
    published(kgram_ladder(train, valid, len(vocabulary)))
