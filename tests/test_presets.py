"""Presets train as the programs whose names they have, by those programs' own sources."""

from __future__ import annotations

import numpy as np
import pytest

from engine.config import PRESETS, Config, from_mapping
from engine.syntax import parse_clip, parse_schedule


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
