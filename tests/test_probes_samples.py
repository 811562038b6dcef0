"""What is said about samples in numbers."""

from __future__ import annotations

import numpy as np

from engine.probes.samples import SampleJudge, repeats, word_share, words
from engine.session.messages import Sample
from engine.text.corpus import load_corpus
from tests.brackets_text import brackets_text


def sample(text: str, prompt: str = "") -> Sample:
    return Sample(1, None, 0.8, text, np.ones(len(text)), prompt=prompt)


def test_words_are_letters_without_regard_to_case() -> None:
    assert words("Don’t say “No”, it's 3 o'clock_x ÄRA") == ["don’t", "say", "no", "it's", "o'clock", "x", "ära"]


def test_word_share_leaves_out_words_that_may_be_cut_off() -> None:
    known = frozenset(words("the cat sat on a mat"))
    assert word_share("he cat sot on the ma", known) == 3 / 4
    assert word_share(" he cat sot on the mat.", known) == 4 / 6
    assert word_share("1 2 3", known) is None
    assert word_share("cat", known) is None


def test_a_loop_is_told_from_prose_and_from_code() -> None:
    assert repeats("and the sea and the " * 12)
    assert repeats("It began well enough; nobody knew. " + "he said that he said " * 20)
    near = "".join(f"the long grey wall of the harbour {i % 2} " for i in range(12))
    assert repeats(near)
    corpus = load_corpus(["saltmere"])
    for start in range(0, 20_000, 1000):
        assert not repeats(corpus.vocabulary.decode(corpus.codes[start : start + 400]))
    assert not repeats(brackets_text(400, seed=1))
    assert not repeats("for (i = 0; i < n; i++) {\n    sum += a[i];\n}\n" * 2)  # too short to judge


def test_a_judge_knows_the_words_of_its_text() -> None:
    corpus = load_corpus(["saltmere"])
    judge = SampleJudge(corpus)
    judged = judge.judge(sample(corpus.vocabulary.decode(corpus.codes[:300])))
    assert judged.word_share == 1
    assert not judged.repeats
    assert judged.illegal is None
    half = judge.judge(sample(" the xqzw "))
    assert half.word_share == 0.5


def test_illegal_brackets_are_counted_on_the_brackets_language_alone() -> None:
    corpus = load_corpus(["brackets"])
    judge = SampleJudge(corpus)
    text = brackets_text(200, seed=5)
    assert judge.judge(sample(text)).illegal == 0
    assert judge.judge(sample(text)).word_share is None
    assert judge.judge(sample("( ( ( ", prompt="( ( ")).illegal == 1  # a fifth one open
