"""N-gram models: the formula one character at a time, published and independent figures, sums of probabilities."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from engine.arrays import Codes
from engine.text import brackets, counting
from engine.text.corpus import Corpus, load_corpus
from engine.text.counting import Ladder, ngram_ladder, ngram_losses
from engine.text.stretches import stretches
from engine.text.vocabulary import Vocabulary
from tests.brackets_text import brackets_text

START = -1  # the sign that stands before the text, and in its gaps


class PlainKneserNey:
    """Interpolated modified Kneser–Ney as Chen and Goodman write it, with dictionaries, for one n."""

    def __init__(self, train: list[int], vocabulary_size: int, n: int) -> None:
        self.n, self.vocabulary_size = n, vocabulary_size
        text = [START] * n + train
        seen = {
            m: Counter(tuple(text[at - m + 1 : at + 1]) for at in range(n, len(text)) if text[at] != START)
            for m in range(1, n + 2)
        }  # m-grams that end in the training text
        before = {m: defaultdict[tuple[int, ...], set[int]](set) for m in range(1, n)}
        for m in range(1, n):
            for gram in seen[m + 1]:
                before[m][gram[1:]].add(gram[0])
        self.adjusted: dict[int, dict[tuple[int, ...], int]] = {
            m: {gram: len(kinds) for gram, kinds in before[m].items()} for m in range(1, n)
        }
        self.adjusted[n] = dict(seen[n])
        self.discounts = {m: self._discounts(list(counts.values())) for m, counts in self.adjusted.items()}
        self.followers = {m: defaultdict[tuple[int, ...], list[int]](list) for m in self.adjusted}
        for m, counts in self.adjusted.items():
            for gram, count in counts.items():
                self.followers[m][gram[:-1]].append(count)

    @staticmethod
    def _discounts(counts: list[int]) -> tuple[float, float, float, float]:
        t1, t2, t3, t4 = (counts.count(i) for i in (1, 2, 3, 4))
        if 0 in (t1, t2, t3, t4):
            return 0, 0.5, 1, 1.5
        y = t1 / (t1 + 2 * t2)
        found = (1 - 2 * y * t2 / t1, 2 - 3 * y * t3 / t2, 3 - 4 * y * t4 / t3)
        return (0, *found) if all(0 < d <= i for d, i in zip(found, (1, 2, 3), strict=True)) else (0, 0.5, 1, 1.5)

    def probability(self, context: tuple[int, ...], character: int) -> float:
        m = len(context) + 1
        lower = self.probability(context[1:], character) if m > 1 else 1 / self.vocabulary_size
        followers, discounts = self.followers[m][context], self.discounts[m]
        if not followers:
            return lower
        count = self.adjusted[m].get((*context, character), 0)
        withheld = sum(discounts[min(each, 3)] for each in followers)
        return (count - discounts[min(count, 3)] + withheld * lower) / sum(followers)

    def loss(self, text: list[int], start: int, stop: int) -> float:
        """Mean over text[start:stop]; `text` is the whole text."""
        padded = [START] * self.n + text
        places = range(start + self.n, stop + self.n)
        return -sum(math.log(self.probability(tuple(padded[at - self.n + 1 : at]), padded[at])) for at in places) / len(
            places
        )


def losses(train: Codes, valid: Codes, vocabulary_size: int, longest: int, *parts: slice) -> list[float]:
    parts = parts or (slice(0, len(valid)),)
    return [each.mean for each in ngram_losses(train, valid, vocabulary_size, parts, longest)]


@pytest.mark.parametrize("vocabulary_size", [2, 6, 40, 200_000])
def test_against_the_formula_one_character_at_a_time(vocabulary_size: int) -> None:
    """Also an alphabet of which only three characters fit into one integer, and n-grams from both texts."""
    random = np.random.default_rng(vocabulary_size)
    text = random.geometric(0.7 if vocabulary_size > 1000 else 0.35, 900).clip(max=vocabulary_size) - 1
    text[1::3] = text[::3]  # so that longer contexts help
    train, valid = text[:800], text[800:]
    plain = [PlainKneserNey(train.tolist(), vocabulary_size, n) for n in range(1, 8)]
    wanted = [model.loss(text.tolist(), 800, 900) for model in plain]
    np.testing.assert_allclose(losses(train, valid, vocabulary_size, 7), wanted)
    wanted = [(model.loss(text.tolist(), 802, 810) + model.loss(text.tolist(), 850, 858)) / 2 for model in plain]
    found = losses(train, valid, vocabulary_size, 7, slice(2, 10), slice(50, 58))
    np.testing.assert_allclose(found, wanted)


def test_probabilities_sum_to_one() -> None:
    """For every context: seen, unseen, and longer than the whole text."""
    random = np.random.default_rng(0)
    for size in (3, 30, 400):
        train = random.geometric(0.4, size).clip(max=5) - 1
        after = random.integers(0, 5, 4)
        for start in range(4):
            part = slice(start, start + 1)
            sums = np.zeros(6)
            for code in range(5):
                valid = np.r_[after[:start], code]
                sums += np.exp([-loss for loss in losses(train, valid, 5, 6, part)])
            np.testing.assert_allclose(sums, 1)


# Independent figures for interpolated modified Kneser–Ney on the last tenth of each text, at the best n up to 9.
INDEPENDENT = {"saltmere": 1.340, "lantern": 1.287}
INDEPENDENT_SHARED = {"tinyshakespeare.txt": 1.517, "einstein.txt": 1.240, "alice.txt": 1.875}


def best(corpus: Corpus) -> float:
    whole = [slice(0, len(corpus.valid))]
    ladder = ngram_ladder(corpus.train, corpus.valid, len(corpus.vocabulary), whole)
    return min(rung.loss for rung in ladder.rungs)


@pytest.mark.parametrize("name", INDEPENDENT)
def test_the_best_rung_is_that_of_an_independent_program(name: str) -> None:
    assert best(load_corpus([name])) == pytest.approx(INDEPENDENT[name], abs=0.002)


@pytest.mark.parametrize("name", INDEPENDENT_SHARED)
def test_the_best_rung_is_that_of_an_independent_program_on_public_texts(name: str, shared_data: Path) -> None:
    assert best(load_corpus([str(shared_data / name)])) == pytest.approx(INDEPENDENT_SHARED[name], abs=0.002)


def published(ladder: Ladder) -> None:
    """The losses that were published for models of 1, 2, 4 and 6 characters of context."""
    rungs = {rung.n: rung.loss for rung in ladder.rungs}
    for context, loss in {1: 0.857, 2: 0.671, 4: 0.594, 6: 0.546}.items():
        assert rungs[context + 1] == pytest.approx(loss, abs=0.01)


def test_brackets_have_the_published_rungs_and_stay_above_their_entropy() -> None:
    loaded = load_corpus(["brackets"])
    ladder = ngram_ladder(loaded.train, loaded.valid, len(loaded.vocabulary), stretches(len(loaded.valid)))
    published(ladder)
    assert min(rung.loss for rung in ladder.rungs) > brackets.entropy_rate()


def test_the_published_validation_text_has_the_published_rungs(shared_data: Path) -> None:
    vocabulary = Vocabulary(brackets.CHARACTERS)
    train, _ = vocabulary.encode(brackets_text(1_000_000, 1))
    valid, skipped = vocabulary.encode((shared_data / "brackets-valid.txt").read_text("ascii"))
    assert skipped == ""
    published(ngram_ladder(train, valid, len(vocabulary), [slice(0, len(valid))]))


def test_of_a_large_text_the_end_is_counted_and_the_ladder_says_how_much(monkeypatch: pytest.MonkeyPatch) -> None:
    text = np.random.default_rng(1).integers(0, 4, 1000)
    train, valid, whole = text[:900], text[900:], [slice(0, 100)]
    assert ngram_ladder(train, valid, 4, whole).counted == 900
    monkeypatch.setattr(counting, "COUNTED", 300)
    ladder = ngram_ladder(train, valid, 4, whole)
    assert ladder.counted == 300
    assert ladder.rungs == ngram_ladder(train[600:], valid, 4, whole).rungs


def test_of_a_large_text_so_much_is_counted_as_the_readme_says() -> None:
    assert counting.COUNTED == 8_388_608
