"""One step taken apart, as the instruments of a run answer for it: which text, whose weights, which loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.network.cells.plain import PLAIN
from engine.network.model import Model
from engine.probes.inside import inside
from engine.probes.results import Inside
from engine.session.instruments import Instruments
from engine.session.messages import Answers, InsideQuestion, View
from engine.training.training import Window
from tests.test_instruments import CODES, CONFIG, VOCABULARY, make
from tests.waiting import Clock


def window_of(sequence: int) -> Window:
    """A window that begins with a state other than zero, another for each sequence."""
    codes = CODES[10 * sequence : 10 * sequence + 9].astype(np.intp)
    state = tuple(tuple(np.full((1, 6), 0.1 * (sequence + 1)) for _ in "hc") for _ in range(2))
    return Window(codes[:-1], codes[1:], state)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def taking_apart(clock: Clock) -> tuple[Instruments, Model]:
    """The instruments of a run that is alive."""
    _, model = make(clock)
    return Instruments(model, VOCABULARY, CODES, CONFIG, next_window=window_of, clock=clock, credit=0), model


def taken_apart(instruments: Instruments, prompt: str, step: int = 0, **question: Any) -> Inside:
    answers = instruments.answer(View(prompt=prompt, inside=InsideQuestion(**question)), step, urgent=True)
    assert answers == Answers(inside=answers.inside)  # the screen covers all other instruments
    assert answers.inside is not None
    return answers.inside


def assert_same_numbers(one: Inside, other: Inside) -> None:
    assert one.values.keys() == other.values.keys()
    for name, values in one.values.items():
        np.testing.assert_array_equal(values, other.values[name], err_msg=name)
    assert (one.position, one.layer, one.losses, one.share) == (other.position, other.layer, other.losses, other.share)


def test_a_step_of_the_prompt_is_taken_apart(taking_apart: tuple[Instruments, Model]) -> None:
    instruments, model = taking_apart
    found = taken_apart(instruments, "abc(d", position=2, layer=1)
    codes, _ = VOCABULARY.encode("abc(d")
    assert_same_numbers(found, inside(model, codes, np.append(codes[1:], -1), position=2, layer=1))
    assert (found.source, found.losses, found.carried) == ("prompt", 4, False)
    assert taken_apart(instruments, "abc(d").position == 3  # the last step that has a loss
    assert taken_apart(instruments, "abc(d", position=99, layer=9).position == 4


def test_a_step_of_the_next_window_is_taken_apart_with_its_share_of_the_loss(
    taking_apart: tuple[Instruments, Model],
) -> None:
    instruments, model = taking_apart
    for prompt, of, sequence in (("", "prompt", 0), ("a狐", "prompt", 0), ("abc", "window", 0), ("", "window", 5)):
        codes, targets, state = window_of(sequence)
        found = taken_apart(instruments, prompt, of=of, sequence=sequence)
        expected = inside(model, codes, targets, position=7, share=1 / CONFIG.batch, state=state)
        assert_same_numbers(found, expected)
        assert (found.source, found.sequence, found.carried) == ("window", sequence, True)
    assert taken_apart(instruments, "", of="window", sequence=10**6).sequence == CONFIG.batch - 1


def test_a_run_that_is_over_has_held_out_text_instead_of_a_next_window(clock: Clock) -> None:
    instruments, model = make(clock)
    codes = CODES[: CONFIG.seq + 1].astype(np.intp)
    found = taken_apart(instruments, "")
    assert_same_numbers(found, inside(model, codes[:-1], codes[1:], position=CONFIG.seq - 1))
    assert found.source == "held-out"


def test_after_a_single_step_all_numbers_are_those_of_the_new_weights(
    taking_apart: tuple[Instruments, Model], clock: Clock
) -> None:
    instruments, model = taking_apart
    before = taken_apart(instruments, "abc", 1)
    with instruments._budget.spend():
        clock.now += 1
    model.parameters.flat[...] *= 1.5
    model.refresh()
    view = View(prompt="abc", inside=InsideQuestion())
    assert instruments.answer(view, 2, urgent=False).inside is before  # no time is left for another answer
    after = taken_apart(instruments, "abc", 2)
    assert (after.step, after.loss == before.loss) == (2, False)


def test_a_cell_without_a_plain_version_has_no_answer(
    taking_apart: tuple[Instruments, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(PLAIN, "lstm")
    view = View(prompt="abc", inside=InsideQuestion())
    assert taking_apart[0].answer(view, 1, urgent=True) == Answers()
