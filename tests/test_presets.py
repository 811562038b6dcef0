"""Presets train as the programs whose names they have, by those programs' own sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from textual.widgets import Markdown

from engine.config import PRESETS, Config, from_mapping, preset_of
from engine.network.model import Model
from engine.probes.gradient_flow import gradient_flow
from engine.probes.held_out import HeldOut
from engine.session.start import new_session
from engine.syntax import parse_clip, parse_moments, parse_schedule
from engine.text.corpus import load_corpus
from engine.training.batches import windows_per_epoch
from engine.training.seeds import first_parameters
from tests.tui.fake_run import FakeLink
from tests.tui.on_screen import text_of, until
from tui.app.app import CharrnnApp
from tui.rendering.preset_cards import CARDS, card_of


def rates(preset: str, epochs: int, epoch: int) -> list[float]:
    """The learning rate in the first step of each epoch of `epoch` steps."""
    config = from_mapping(PRESETS[preset])
    schedule = parse_schedule(config.schedule, epoch)
    return [config.lr * schedule.factor(number * epoch) for number in range(epochs)]


def test_char_rnns_rate_falls_as_in_train_lua() -> None:
    """At the end of each epoch from the tenth on, the rate is multiplied by 0.97; there are 50 epochs."""
    epoch, rate, expected = 37, 2e-3, []
    for i in range(1, 50 * epoch + 1):  # the loop of train.lua
        if i % epoch == 1:
            expected.append(rate)
        if i % epoch == 0 and i / epoch >= 10:
            rate *= 0.97
    assert rates("char-rnn", 50, epoch) == pytest.approx(expected)


def test_torch_rnns_rate_falls_as_in_train_lua() -> None:
    """At the end of an epoch, the number of the next one is counted; if 5 divides it, the rate is halved."""
    epoch, rate, expected = 37, 2e-3, []
    for i in range(1, 50 * epoch + 1):
        if i % epoch == 1:
            expected.append(rate)
        if i % epoch == 0 and (i // epoch + 1) % 5 == 0:
            rate *= 0.5
    assert rates("torch-rnn", 50, epoch) == pytest.approx(expected)


@pytest.mark.parametrize(("preset", "steps_in_their_loss"), [("char-rnn", 50), ("min-char-rnn", 25), ("torch-rnn", 1)])
def test_clipping_acts_on_the_mean_as_theirs_on_the_sum(preset: str, steps_in_their_loss: int) -> None:
    """They clip the gradient of the sum over T steps to ±5, torch-rnn that of the mean."""
    config = from_mapping(PRESETS[preset])
    clip = parse_clip(config.clip)
    mean = np.array([-3.0, -0.15, 0.01, 0.19, 0.3, 8.0])
    theirs = np.clip(mean * steps_in_their_loss, -5, 5) / steps_in_their_loss
    assert clip.kind == "value"
    np.testing.assert_allclose(np.clip(mean, -clip.limit, clip.limit), theirs)


def test_char_rnn_and_torch_rnn_begin_with_open_forget_gates() -> None:
    char, torch = from_mapping(PRESETS["char-rnn"]), from_mapping(PRESETS["torch-rnn"])
    assert (char.forget_bias, torch.forget_bias, Config().forget_bias) == (1, 1, 0)
    assert (char.init, char.optimizer, char.alpha) == ("uniform:0.08", "rmsprop", 0.95)


def test_the_brackets_network_is_as_small_as_the_readme_says() -> None:
    config = from_mapping(PRESETS["brackets"])
    assert (config.cell, config.hidden, config.layers) == ("gru", 15, 1)


def test_a_tenth_of_a_text_is_held_out() -> None:
    assert Config().validation == 0.1


def test_the_cards_name_the_settings_of_their_presets() -> None:
    assert CARDS.keys() == PRESETS.keys()
    hood = from_mapping(PRESETS["under-the-hood"])
    assert (hood.seq, hood.epochs, hood.batch, hood.loss) == (25, 33, 1, "last")
    assert parse_moments(hood.moments, 10) == {0, 110, 220, 330}
    assert [from_mapping(PRESETS[name]).epochs for name in ("char-rnn", "torch-rnn", "min-char-rnn")] == [50, 50, None]


def test_the_gradient_of_under_the_hood_vanishes_at_first() -> None:
    config = from_mapping(PRESETS["under-the-hood"])
    corpus = load_corpus(config.text)
    model = Model(first_parameters(config, len(corpus.vocabulary)))
    probe = HeldOut(corpus.held_out(config.seq), corpus.vocabulary, config.seq).probe
    norms = gradient_flow(model, probe[:-1], probe[1:]).norms
    assert norms[0] < 1e-10 * norms[-1]


@pytest.mark.parametrize("name", PRESETS)
def test_a_run_is_known_by_the_settings_of_its_preset(name: str) -> None:
    config = from_mapping(PRESETS[name])
    assert preset_of(config) == name
    assert preset_of(config.replace(steps=7, epochs=None, seed=9, threads=1, workers=1)) == name
    assert preset_of(config.replace(hidden=99)) == ""
    assert card_of(config.to_json()) == CARDS[name]
    assert card_of(Config().to_json()) == ""


def test_a_run_ends_after_its_epochs_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    small = Config(text=("physics",), hidden=4, embedding=2, threads=1, workers=1, seq=200, epochs=2, loss="last")
    session = new_session(small, tmp_path / "run")
    corpus = load_corpus(small.text)
    assert session.record.config.steps == 2 * windows_per_epoch(len(corpus.train), small.batch, small.seq)
    session.run()
    assert (session.state, session.steps) == ("finished", session.record.config.steps)
    assert new_session(small.replace(steps=3), tmp_path / "told").record.config.steps == 3


async def test_the_card_stands_over_the_run_that_begins_and_in_its_help() -> None:
    app = CharrnnApp(FakeLink(from_mapping(PRESETS["under-the-hood"])), lambda config: FakeLink(config))
    async with app.run_test(size=(80, 24)) as pilot:
        app.show_card()
        await until(pilot, lambda: "Preset under-the-hood" in text_of(app))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.dashboard)
        await pilot.press("question_mark")
        await until(pilot, lambda: len(app.screen.query(Markdown)) > 1)
        assert any("min-char-rnn" in page._markdown for page in app.screen.query(Markdown))
    app = CharrnnApp(FakeLink(), lambda config: FakeLink(config))
    async with app.run_test(size=(80, 24)):
        app.show_card()
        assert app.screen is app.dashboard
