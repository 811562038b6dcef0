"""The curves of a long run stay small and true."""

from __future__ import annotations

import numpy as np
import pytest

from engine.runs.history import POINTS, RECENT, HistoryKeeper


def test_a_short_run_is_kept_whole() -> None:
    keeper = HistoryKeeper()
    for step in range(1, 301):
        keeper.add(step, step / 100, step * 0.01, 3 - step / 300)
    history = keeper.history()
    assert history.step.tolist() == list(range(1, 301))
    np.testing.assert_allclose(history.loss, 3 - np.arange(1, 301) / 300)
    with pytest.raises(ValueError, match="read-only"):
        history.loss[0] = 1


def test_a_million_steps_stay_bounded_and_keep_their_mean() -> None:
    keeper = HistoryKeeper()
    steps = 1_000_000
    for step in range(1, steps + 1):
        keeper.add(step, step / 100, step * 0.01, float(step))
    history = keeper.history()
    assert len(history.step) <= POINTS + RECENT + 1
    assert history.step[-RECENT:].tolist() == list(range(steps - RECENT + 1, steps + 1))
    assert (np.diff(history.step) > 0).all()
    # Every point is the mean over the steps it stands for, so a line stays a line.
    np.testing.assert_allclose(history.loss, history.step, atol=1)


def test_the_smoothed_loss_is_a_corrected_exponential_mean() -> None:
    keeper = HistoryKeeper(smoothing=0.9)
    losses = np.random.default_rng(0).random(50)
    for step, loss in enumerate(losses):
        keeper.add(step, 0, 0, loss)
    weights = 0.9 ** np.arange(50)[::-1]
    assert keeper.smoothed == pytest.approx(losses @ weights / weights.sum())
    keeper.add(50, 0, 0, float("nan"))
    assert keeper.smoothed == pytest.approx(losses @ weights / weights.sum())


@pytest.mark.parametrize("taken", [100, RECENT + 77, 5000])
def test_going_back_forgets_what_came_after(taken: int) -> None:
    keeper = HistoryKeeper()
    for step in range(1, taken + 1):
        keeper.add(step, 0, 0, 2.0)
        if step % 10 == 0:
            keeper.add_validation(step, 0, 0, 2.5)
            keeper.add_reach(step, 7.0)
            keeper.add_lambda1(step, -0.5)
    keeper.forget_after(60)
    history = keeper.history()
    assert history.step.max() <= 60
    assert history.val_step.max() <= 60
    assert history.reach_step.max() <= 60
    assert history.lambda1_step.max() <= 60
    keeper.add(61, 0, 0, 1.0)
    assert keeper.history().step[-1] == 61


def test_going_back_keeps_what_waits_for_its_pair() -> None:
    """Only what was taken after the step that it goes back to is forgotten, however wide the points have become."""
    keeper = HistoryKeeper()
    for number in range(1, 1501):
        keeper.add_validation(500 * number, 0.0, 0.0, 1.0)
    before = keeper.history().val_step
    keeper.forget_after(500 * 1500 + 20)
    assert keeper.history().val_step.tolist() == before.tolist()
