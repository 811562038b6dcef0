"""A held-out text that is unlike the rest is told from one that is not, and the user is told where it lies."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from engine.config import Config
from engine.session.start import new_session
from engine.sweep.begin import new_sweep
from engine.sweep.grid import combinations, read_grid
from engine.text.corpus import Corpus, load_corpus
from engine.text.likeness import LEAST, TIMES, divergence, unlikeness, warning
from engine.text.split import held_out_in_words
from tests.small_run import SMALL
from tui.app.foreground import first_remark
from tui.cli import main
from tui.rendering.loss_labels import measured_words

LICENCE = "  1.E.8. LIMITED WARRANTY, DISCLAIMER: You Agree That THE FOUNDATION (501(c)(3), EIN 64-6221541)...\n"


def novel(characters: int, seed: int = 0) -> str:
    """Words of a few letters, in an order drawn at random."""
    rng = np.random.default_rng(seed)
    text = "the sea was grey and she did not say a word of it until evening, when he came home.\n"
    words = np.array(text.split(" "))
    return " ".join(rng.choice(words, characters))[:characters]


def corpus(tmp_path: Path, text: str, validation: float = 0.1) -> Corpus:
    (tmp_path / "novel.txt").write_text(text)
    return load_corpus([str(tmp_path / "novel.txt")], validation=validation)


def test_divergence_in_closed_form() -> None:
    assert divergence(np.array([1, 1]), np.array([99, 99])) == pytest.approx(0)
    # q = (0.5 + 0) / 4 for the character that the other text does not have, and 3.5 / 4.
    assert divergence(np.array([5, 0]), np.array([0, 3])) == pytest.approx(math.log(4 / 0.5))
    wanted = 0.75 * math.log(0.75 / (1.5 / 4)) + 0.25 * math.log(0.25 / (2.5 / 4))
    assert divergence(np.array([3, 1]), np.array([1, 2])) == pytest.approx(wanted)


@pytest.mark.parametrize("seed", range(5))
def test_a_licence_at_the_end_is_unlike_a_novel_and_the_end_of_a_novel_is_not(tmp_path: Path, seed: int) -> None:
    text = novel(40_000, seed)
    assert unlikeness(corpus(tmp_path, text)) < TIMES
    ended = text + LICENCE * (4000 // len(LICENCE))
    found = corpus(tmp_path, ended)
    assert unlikeness(found) > 2 * TIMES
    assert unlikeness(dataclasses.replace(found, blocks=10)) < TIMES
    # Where the licence stands in the training text as well, the network knows it.
    assert unlikeness(corpus(tmp_path, LICENCE * 40 + ended)) < TIMES


def test_it_says_nothing_where_nothing_can_be_said(tmp_path: Path) -> None:
    text = novel(9000) + LICENCE * 10
    assert unlikeness(corpus(tmp_path, text, validation=0.0)) == 0
    assert unlikeness(corpus(tmp_path, text, validation=0.4)) == 0  # the training text has no two such stretches
    assert unlikeness(corpus(tmp_path, "ab" * 500)) == 0  # below `LEAST`
    assert LEAST > 0


@pytest.mark.parametrize("name", ["saltmere", "physics", "lantern", "brackets"])
def test_no_built_in_text_ends_in_another(name: str) -> None:
    assert warning(unlikeness(load_corpus([name])), 1) == ""


def test_the_warning_says_what_helps() -> None:
    assert warning(6.03, 1).startswith("the held-out text is unlike the rest: ")
    assert "6.0 times as much" in warning(6.03, 1)
    assert "0.1:spread" in warning(6.03, 1)
    assert "spread" not in warning(6.03, 10)
    assert warning(1.99, 1) == ""


@pytest.mark.parametrize("blocks", [1, 10])
def test_the_warning_at_the_start_is_short(blocks: int) -> None:
    """It lies over the panes: five lines in a corner of a small screen."""
    place = held_out_in_words(16_378, 0, blocks)
    words = warning(6.03, blocks, place)
    assert words.startswith(f"{place}, but are unlike the rest: ")
    assert ("takes them from all over the text" in words) == (blocks == 1)
    assert len(words) <= 5 * 37
    assert warning(1.99, blocks, place) == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0, 5, 1), "no text is held out"),
        ((1200, 0, 1), "the last 1,200 characters of the text are held out"),
        ((1200, 300, 1), "1,200 characters are held out, before the last 300, which are for a test"),
        ((1200, 300, 10), "1,200 characters are held out, in 10 blocks from all over the text"),
    ],
)
def test_where_the_held_out_text_lies(arguments: tuple[int, int, int], words: str) -> None:
    assert held_out_in_words(*arguments) == words


def test_it_is_said_at_the_start_of_a_run_in_its_help_and_by_eval(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "novel.txt").write_text(novel(20_000) + LICENCE * 20)
    config: Config = SMALL.replace(text=(str(tmp_path / "novel.txt"),), steps=2)
    session = new_session(config, tmp_path / "run")
    assert f"{session.info.held_out_place}, but are unlike the rest: their loss" in first_remark(session)
    session.run()
    place = session.info.held_out_place
    words = measured_words(session.info, None)
    assert place[1:] in words
    assert "held-out text is unlike the rest" in words
    capsys.readouterr()
    assert main(["eval", str(tmp_path / "run")]) == 0
    out, err = capsys.readouterr()
    assert place in out
    assert "the held-out text is unlike the rest" in err
    assert (
        main(["train", "physics", "--headless", "--steps", "1", "--hidden", "4", "--run", str(tmp_path / "two")]) == 0
    )
    assert f"run {tmp_path / 'two'}: the last 4,386 characters of the text are held out" in capsys.readouterr().out


def test_it_is_said_at_the_start_of_a_sweep_and_of_a_comparison(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "novel.txt"
    text.write_text(novel(20_000) + LICENCE * 20)
    grid = read_grid({"text": [str(text)], "cell": "rnn,gru", "hidden": 4}, SMALL.replace(steps=1))
    said: list[str] = []
    new_sweep(grid, combinations(grid), tmp_path / "it", say=said.append).close()
    assert len(said) == 1
    assert "of the text are held out, but are unlike the rest" in said[0]
    small = ["--steps", "1", "--hidden", "4", "--batch", "2", "--seq", "5", "--workers", "1", "--threads", "1"]
    assert main(["compare", str(text), *small, "--run", str(tmp_path / "three")]) == 0
    assert capsys.readouterr().err.count(said[0]) == 1
