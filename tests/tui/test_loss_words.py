"""What is said beneath the loss curves: on curves that are made, with noise that is known."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest

from engine.arrays import Array
from engine.session.messages import History, Ladder, Rung
from tests.tui.fake_run import FakeLink
from tests.tui.on_screen import until
from tests.tui.one_pane import OnePane
from tests.tui.test_loss_pane import history
from tui.panes.loss import LossPane
from tui.rendering.loss_words import Curves, change, findings, noise
from tui.rendering.sentences import Saying, fitted

Curve = Callable[[Array], Array]
EVERY = 500  # steps between two validations


def curves(
    training: Curve,
    validation: Curve,
    *,
    steps: int = 20_000,
    noise: float = 0.0,
    seed: int = 0,
    error: float | None = None,
    ladder: Ladder | None = None,
    characters: int = 60,
) -> Curves:
    """Curves of a run: a raw loss with ten times the noise of a validation."""
    rng = np.random.default_rng(seed)
    step = np.arange(10, steps + 1, 10)
    val_step = np.arange(EVERY, steps + 1, EVERY)
    made = history(
        10,
        step=step,
        loss=training(step.astype(float)) + 10 * noise * rng.standard_normal(len(step)),
        smoothed=training(step.astype(float)),
        val_step=val_step,
        val_loss=validation(val_step.astype(float)) + noise * rng.standard_normal(len(val_step)),
    )
    return Curves(made, error, ladder, characters)


def falling(step: Array) -> Array:
    """As losses fall, to 1.3."""
    return 1.3 + 2 * (1 + step / 200) ** -0.7


def v_shaped(step: Array) -> Array:
    """Falls to 1.45 at step 6,000 and rises by 0.14 until step 20,000."""
    return np.where(step < 6000, falling(step) - falling(np.array(6000.0)) + 1.45, 1.45 + 1e-5 * (step - 6000))


def flat(level: float) -> Curve:
    return lambda step: np.full(len(step), level)


def said(curves: Curves, scale: float = 1.0) -> str:
    return " ".join(each.full for each in findings(curves, scale))


# --- learning by heart --------------------------------------------------------------------------


def test_a_held_out_loss_that_rises_while_the_training_loss_falls_is_learning_by_heart() -> None:
    words = said(curves(falling, v_shaped))
    # The mean of the last five validations, 1.45 + 1e-5 · (19,000 − 6,000).
    assert "was best at step 6,000, 1.450, and has risen by 0.130 since, while the training loss fell" in words
    assert "learns its text by heart" in words
    bits = said(curves(falling, v_shaped), 1 / math.log(2))
    assert "6,000, 2.092, and has risen by 0.188 since" in bits


@pytest.mark.parametrize("seed", range(20))
def test_noise_neither_hides_nor_feigns_it(seed: int) -> None:
    step = said(curves(falling, v_shaped, noise=0.01, seed=seed)).partition("best at step ")[2].split(", ")[0]
    assert 3000 <= int(step.replace(",", "")) <= 9000
    for level in (falling, flat(1.45)):
        assert "best at step" not in said(curves(falling, level, noise=0.01, seed=seed))
        assert "best at step" not in said(curves(flat(1.3), level, noise=0.01, seed=seed))


def test_a_rise_within_the_standard_errors_says_nothing() -> None:
    assert "has risen" in said(curves(falling, v_shaped, error=0.06))
    assert "has risen" not in said(curves(falling, v_shaped, error=0.07))


@pytest.mark.parametrize("validations", range(6))
def test_a_few_validations_say_nothing(validations: int) -> None:
    young = curves(falling, lambda step: step / 100, steps=EVERY * validations)
    assert "has risen" not in said(young)


# --- a rate that is too high ----------------------------------------------------------------------


def test_a_training_loss_that_rises_too_means_that_the_rate_is_too_high() -> None:
    words = said(curves(v_shaped, v_shaped, noise=0.003))
    assert "has risen by 0.1" in words
    assert "since, and so has the training loss: the learning rate is too high." in words


def test_a_rise_without_more_says_no_more() -> None:
    words = said(curves(flat(1.3), v_shaped, noise=0.003))
    assert words.endswith(" since.")


@pytest.mark.parametrize(("loss", "steps", "is_said"), [(4.2, 100, True), (4.0, 100, False), (4.2, 90, False)])
def test_worse_than_holding_all_characters_for_equally_probable(loss: float, steps: int, is_said: bool) -> None:
    words = said(curves(flat(loss), flat(loss), steps=steps, characters=60))  # ln 60 = 4.094
    assert ("is above 4.094, that of holding all 60 characters for equally probable" in words) == is_said


# --- a plateau ------------------------------------------------------------------------------------


def test_a_held_out_loss_that_hardly_changes_is_a_plateau() -> None:
    assert "hardly changed since step 10,500: a plateau" in said(curves(flat(1.3), flat(1.5), noise=0.001))
    assert "plateau" not in said(curves(falling, falling))
    assert "plateau" not in said(curves(flat(1.3), flat(1.5), noise=0.01))  # so much noise may hide a slope
    assert said(curves(flat(1.3), flat(1.5), steps=5_000)) == ""  # too early
    limited = dataclasses.replace(curves(flat(0.5), flat(0.488)), regret=0.001)
    assert said(limited).endswith(": the best of it lies 0.001 above the lowest that any model can reach.")


@pytest.mark.parametrize("seed", range(20))
def test_a_held_out_loss_that_jumps_and_does_not_fall_means_that_the_rate_is_too_high(seed: int) -> None:
    words = said(curves(flat(2.4), flat(2.5), noise=0.04, seed=seed, steps=50_000))
    size = float(words.partition("has not fallen since step 25,500, and jumps by ")[2].split()[0])
    assert 0.02 < size < 0.08
    assert words.endswith("from one validation to the next: the learning rate is too high.")
    assert said(curves(falling, lambda step: 3 - 2e-5 * step, noise=0.04, seed=seed, steps=50_000)) == ""  # it falls
    assert "too high" not in said(curves(flat(2.4), flat(2.5), noise=0.01, seed=seed, steps=50_000))


def test_while_the_training_loss_falls_a_held_out_loss_that_jumps_is_no_sign_of_a_rate_that_is_too_high() -> None:
    """As on few passages that are unlike the rest of the text: their loss moves more from step to step."""
    words = said(
        curves(lambda step: 2 - 2e-5 * step, lambda step: 2.3 + 1e-6 * step, noise=0.04, error=0.2, steps=50_000)
    )
    assert "has not fallen since step 25,500, while the training loss has fallen by 0.3" in words
    assert "too high" not in words


def test_a_training_loss_that_falls_on_alone_is_said() -> None:
    words = said(curves(lambda step: 1.5 - 1e-5 * step, flat(1.5), noise=0.001))
    # From the first quarter after step 10,500 to the last: three quarters of 9,500 steps.
    assert "since step 10,500, while the training loss has fallen by 0.07" in words
    assert "plateau" not in words


# --- beside counting ------------------------------------------------------------------------------

LADDER = Ladder((Rung(1, 3.0), Rung(2, 2.4), Rung(3, 1.9), Rung(4, 1.6), Rung(5, 1.7)), 1000)


@pytest.mark.parametrize(
    ("loss", "error", "words"),
    [
        (1.58, 0.01, "better than every n-gram model; the best, 4-gram, has 1.600."),
        (1.58, None, "better than every n-gram model"),
        (1.58, 0.03, "about as good as the best n-gram model (4-gram, 1.600)."),
        (1.62, 0.03, "about as good"),
        (1.65, 0.01, "not yet better than counting: a 4-gram model has 1.600."),
        (2.0, 0.01, "not yet better than counting: a 3-gram model has 1.900, the best of them 1.600."),
        (3.5, 0.01, "not yet better than counting: a 1-gram model has 3.000"),
    ],
)
def test_beside_the_counting_models(loss: float, error: float | None, words: str) -> None:
    young = curves(flat(loss), flat(loss), steps=EVERY, error=error, ladder=LADDER)
    assert words in said(young)


def test_a_network_that_was_better_than_counting_and_is_worse_by_now() -> None:
    worse = curves(falling, lambda step: np.where(step < 600, 1.5, 1.65), ladder=LADDER, error=0.01, steps=2 * EVERY)
    assert "no longer better than counting: a 4-gram model has 1.600" in said(worse)


SHORT = [
    (curves(falling, v_shaped), "Held-out loss up since step 6,000 (best 1.450): learnt by heart."),
    (
        curves(v_shaped, v_shaped),
        "Held-out loss up since step 6,000 (best 1.450), training loss too: the rate is too high.",
    ),
    (curves(flat(1.3), v_shaped), "Held-out loss up since step 6,000 (best 1.450)."),
    (curves(flat(4.2), flat(4.2), steps=100), "Worse than a blind guess (4.094): the learning rate is too high."),
    (curves(flat(1.3), flat(1.5)), "A plateau since step 10,500."),
    (curves(lambda step: 1.5 - 1e-5 * step, flat(1.5)), "Held-out loss flat since step 10,500; training loss falls."),
    (
        curves(lambda step: 2 - 2e-5 * step, lambda step: 2.3 + 1e-6 * step, noise=0.04, error=0.2, steps=50_000),
        "Held-out loss not lower since step 25,500; training loss falls.",
    ),
    (
        curves(flat(2.4), flat(2.5), noise=0.04, steps=50_000),
        "Held-out loss jumps, and has not fallen since step 25,500: the rate is too high.",
    ),
    (
        dataclasses.replace(curves(flat(0.5), flat(0.488)), regret=0.001),
        "Flat since step 10,500, 0.001 above the lowest possible.",
    ),
    (curves(falling, flat(1.58), steps=EVERY, ladder=LADDER), "Better than all n-grams (best 1.600)."),
    (curves(falling, flat(1.6), steps=EVERY, ladder=LADDER), "About as good as the best n-grams (1.600)."),
    (curves(falling, flat(2.0), steps=EVERY, ladder=LADDER), "Not yet better than 3-grams (1.900)."),
]


@pytest.mark.parametrize(("found", "words"), SHORT, ids=[words for _, words in SHORT])
def test_in_short_it_says_the_same(found: Curves, words: str) -> None:
    assert [each.short for each in findings(found)] == [words]


def test_nothing_is_said_while_nothing_is_known() -> None:
    nothing = history(0)
    assert findings(Curves(nothing, ladder=LADDER, characters=60)) == []
    assert findings(curves(flat(2.0), flat(2.0), steps=EVERY)) == []


# --- their measures -------------------------------------------------------------------------------


def test_noise_is_the_standard_deviation_whatever_the_slope_and_a_few_jumps() -> None:
    rng = np.random.default_rng(0)
    losses = 0.02 * rng.standard_normal(4000)
    assert noise(losses) == pytest.approx(0.02, rel=0.05)
    assert noise(losses + 0.1 * np.arange(4000)) == pytest.approx(0.02, rel=0.05)
    losses[::100] += 5
    assert noise(losses) == pytest.approx(0.02, rel=0.08)
    assert noise(losses[:4]) == math.inf


def test_the_change_of_the_training_loss_and_its_standard_error() -> None:
    steps = np.arange(1, 4001)
    found = change(steps, 2 - 1e-4 * steps, 0)
    assert found is not None
    assert found[0] == pytest.approx(-0.3)  # from the middle of the first quarter to that of the last
    rng = np.random.default_rng(0)
    tries = [change(steps, rng.standard_normal(4000), 0) for _ in range(300)]
    assert np.std([each[0] for each in tries if each]) == pytest.approx(math.sqrt(2 / 1000), rel=0.1)
    assert np.mean([each[1] for each in tries if each]) == pytest.approx(math.sqrt(2 / 1000), rel=0.1)
    assert change(steps[:20], 2.0 - steps[:20], 0) is None


def test_as_many_findings_as_there_is_room_for_in_short_if_need_be() -> None:
    found = [Saying("one two three four", "one two"), Saying("five six seven", "five")]
    assert fitted(found, 80, 1) == ["one two three four five six seven"]
    assert fitted(found, 24, 1) == ["one two three four five"]
    assert fitted(found, 18, 2) == ["one two three four", "five six seven"]
    assert fitted(found, 13, 1) == ["one two five"]
    assert fitted(found, 8, 1) == ["one two"]
    assert fitted(found, 3, 1) == fitted(found, 80, 0) == fitted([], 80, 2) == []


@pytest.mark.parametrize("size", [(46, 14), (80, 18), (120, 36)])
async def test_the_pane_says_it_beneath_the_curves_but_not_at_a_moment(size: tuple[int, int]) -> None:
    app = OnePane(LossPane(), FakeLink())
    shown: History = curves(falling, v_shaped).history
    async with app.run_test(size=size) as pilot:
        app.pane.show(dataclasses.replace(app.link.snapshot(), history=shown, val_loss_se=None, ladder=None))
        assert "6,000" in app.text()
        assert "by heart." in app.lines()[-1]
        app.pane.look_at(640)
        await until(pilot, lambda: "heart" not in app.text())
