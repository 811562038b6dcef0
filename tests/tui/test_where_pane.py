"""The view of the loss by classes: its numbers and words, at every width; how it is reached and what it asks."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len

from engine.session.messages import Where
from tests.tui.fake_instruments import CLASSES
from tests.tui.fake_run import FakeLink
from tests.tui.on_screen import text_of, until
from tests.tui.one_pane import OnePane
from tui.app.app import CharrnnApp
from tui.panes.where import WherePane
from tui.rendering.colour import palette
from tui.rendering.numbers import signed
from tui.rendering.where_picture import in_words, where_picture

WHERE = FakeLink().where(1200)


def picture(width: int, height: int = 24, depth: str = "truecolor", where: Where = WHERE) -> list[str]:
    strips = where_picture(where, width, height, palette(depth))
    assert all(strip.cell_length == width for strip in strips)
    assert len(strips) <= height
    return [strip.text for strip in strips]


def replaced(**changes: Any) -> Where:
    return dataclasses.replace(WHERE, **changes)


@pytest.mark.parametrize("width", [37, 46, 78, 118])
def test_each_class_has_its_shares_and_both_losses(width: int) -> None:
    lines = picture(width)
    for k, name in enumerate(CLASSES):
        row = lines[k + 1]
        assert row.split()[0] in name
        if WHERE.share[k]:
            decimals = 1 if width > 60 else 0
            assert f"{WHERE.share[k]:.{decimals}%}" in row
            assert f"{WHERE.loss_share[k]:.{decimals}%}" in row
            assert f"{WHERE.losses[k]:.3f}" in row
            assert WHERE.before is not None
            if width > 60:
                assert signed(float(WHERE.losses[k] - WHERE.before[k]), 3) in row
        else:
            assert "–" in row


def test_the_bar_ends_at_the_loss_and_the_mark_stands_at_the_counting_models() -> None:
    lines = picture(118)
    rows = {CLASSES[k]: lines[k + 1][-60:] for k in range(8)}
    best, worst = rows["line end"], rows["letter of a rare word"]
    assert best.rstrip().endswith("│")  # the network's bar ends before
    assert "█" in worst.partition("│")[2]  # and here it goes on
    assert best.index("│") > worst.index("│")


def test_a_class_with_hardly_any_characters_does_not_make_the_other_bars_short() -> None:
    odd = replaced(
        share=np.array([0.02, 0.18, 0.001, 0.05, 0.2, 0.13, 0.18, 0.239]),
        losses=np.array([2.26, 0.41, 9.0, 2.53, 2.66, 2.31, 0.63, 0.85]),
        loss_share=np.array([0.03, 0.05, 0.02, 0.09, 0.38, 0.2, 0.08, 0.15]),
        counting=np.array([2.31, 0.52, 8.0, 2.6, 2.72, 1.78, 0.64, 0.86]),
    )
    lines = picture(118, where=odd)
    assert lines[5].rstrip().endswith("│")  # first letters: 2.66 of 2.72, and the mark in the last column
    assert lines[5].rstrip() == lines[5]
    assert lines[3].rstrip().endswith("│")  # digits: as long as there is room


def test_where_there_is_no_room_the_words_go_first_and_then_the_bars() -> None:
    assert "Most of the loss" in " ".join(" ".join(picture(58)).split())
    assert len(picture(58, height=9)) == 9
    assert "█" not in "\n".join(picture(40))
    assert "█" in "\n".join(picture(46))


def test_what_stands_out_is_said_in_words() -> None:
    words = " ".join(in_words(WHERE))
    assert "Most of the loss: first letter of a word, " in words
    assert "Since step 500 most was gained on: other letter, −0.219 nats each." in words  # 0.24 · 0.219 is the most
    assert "The 8-gram model is better on: letter of a rare word." in words
    better = dataclasses.replace(WHERE, counting=WHERE.losses + 0.1, before=None)
    assert "The network is better than the 8-gram model on every class." in in_words(better)
    assert "Since" not in " ".join(in_words(better))
    level = dataclasses.replace(WHERE, counting=WHERE.losses + np.where(np.arange(len(WHERE.classes)) > 0, 0.1, -1e-6))
    assert "The network is as good as the 8-gram model, or better, on every class." in in_words(level)  # as it is shown
    worse = dataclasses.replace(WHERE, counting=WHERE.losses - 0.1)
    assert "The 8-gram model is better on every class." in in_words(worse)
    worsened = dataclasses.replace(WHERE, before=WHERE.losses - 0.1)
    assert "gained" not in " ".join(in_words(worsened))


@pytest.mark.parametrize("height", range(9, 24))
def test_a_sentence_is_there_whole_or_not_at_all(height: int) -> None:
    """At 46 columns, the least that the pane has beside others; what counting does better is said first."""
    said = " ".join(" ".join(picture(46, height)[9:]).split())
    kept = [each for each in in_words(WHERE) if each in said]
    assert said == " ".join(kept)
    assert not said or in_words(WHERE)[0] in kept
    assert height < 16 or len(kept) == 3


def test_where_a_long_sentence_has_no_room_the_next_one_is_said() -> None:
    better = np.arange(len(WHERE.classes)) > 0  # counting is better on all classes but one: they are all named
    where = replaced(counting=np.where(better, WHERE.losses - 0.1, WHERE.losses + 0.1))
    said = " ".join(picture(46, len(CLASSES) + 4, where=where)[len(CLASSES) + 1 :])
    assert "better on" not in said
    assert "Most of the loss" in said


async def test_u_turns_to_bits() -> None:
    app = OnePane(WherePane(), FakeLink())
    app.link.view = dataclasses.replace(app.link.view, visible=("where",))
    async with app.run_test(size=(118, 24)) as pilot:
        app.answer()
        await pilot.press("u")
        await pilot.pause()
        assert f"{WHERE.loss / np.log(2):.2f} bits on" in app.lower_border
        assert f"{WHERE.losses[0] / np.log(2):.3f}" in app.text()
        assert f"{WHERE.counting[0] / np.log(2):.3f}" in app.text()
        assert "bits each" in app.text()
        await pilot.press("u")
        await pilot.pause()
        assert f"{WHERE.losses[0]:.3f}" in app.text()


@pytest.mark.parametrize("depth", ["truecolor", "16", "none"])
def test_nothing_that_a_diverged_network_says_breaks_the_picture(depth: str) -> None:
    strange = np.array([np.inf, np.nan, 0, -0.0, 1e30, 1, 2, 3])
    for name in ("losses", "counting", "before", "loss_share"):
        picture(80, depth=depth, where=replaced(**{name: strange}))
    lines = picture(80, depth=depth, where=replaced(losses=np.full(8, np.nan), loss_share=np.full(8, np.nan)))
    assert "nan" not in "\n".join(lines)


async def test_the_pane_says_what_it_waits_for_and_then_of_which_step_it_is() -> None:
    app = OnePane(WherePane(), FakeLink())
    app.link.view = dataclasses.replace(app.link.view, visible=("where",))
    async with app.run_test(size=(80, 24)) as pilot:
        assert "is being read" in app.text()
        app.answer()
        await pilot.pause()
        assert "first letter" in app.text()
        assert "21,196 characters · step 1,200" in app.lower_border
        assert f"{WHERE.loss:.3f} on" in app.lower_border


async def test_without_held_out_text_the_pane_says_so() -> None:
    link = FakeLink()
    link.info = dataclasses.replace(link.info, held_out=0)
    app = OnePane(WherePane(), link)
    async with app.run_test(size=(80, 24)):
        assert "No text was held out" in app.text()


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_v_turns_to_the_view_and_asks_for_it_alone(size: tuple[int, int]) -> None:
    link = FakeLink()
    app = CharrnnApp(link, lambda config: FakeLink(config))
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "1,200" in text_of(app))
        assert "where" not in link.view.visible
        await pilot.press("v")
        await until(pilot, lambda: "rare word" in text_of(app))
        assert "where" in link.view.visible
        assert all(cell_len(line) <= size[0] for line in text_of(app).splitlines())
        await pilot.press("v")
        await until(pilot, lambda: "where" not in link.view.visible)
