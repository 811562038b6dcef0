"""The contexts of a unit and the portrait, as a run answers them: what a view asks for, and what comes in the end."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import numpy as np
import pytest

from engine.config import Config
from engine.network.model import Model
from engine.network.parameters import Architecture, initialize
from engine.probes.activations import activations
from engine.probes.features import chance, shuffled
from engine.probes.held_out import HeldOut
from engine.probes.pattern import Matches, find
from engine.probes.plane import plane_of
from engine.session import text_features
from engine.session.instruments import Instruments
from engine.session.messages import Answers, Contexts, Portrait, View
from engine.text import brackets
from engine.text.vocabulary import Vocabulary
from tests.waiting import wait_for

VOCABULARY = Vocabulary(tuple('\n "()abcdefg'))
CODES = np.random.default_rng(2).integers(0, len(VOCABULARY), 2000).astype(np.uint8)
CONTEXTS = View(visible=("contexts",))
PORTRAIT = View(visible=("portrait",))


def make(
    cell: str = "gru", layers: int = 1, vocabulary: Vocabulary = VOCABULARY, codes: np.ndarray = CODES
) -> Instruments:
    config = Config(cell=cell, hidden=6, layers=layers, seq=8)
    architecture = Architecture(cell, len(vocabulary), 6, layers, config.embedding)
    model = Model(initialize(architecture, np.random.default_rng(0)))
    return Instruments(model, vocabulary, codes, config)


def complete(instruments: Instruments, view: View, step: int = 3) -> Answers:
    """The answers after nothing is at work any more."""

    def look() -> Answers | None:
        answers = instruments.answer(view, step, urgent=True)
        return None if instruments.is_at_work(view, step) else answers

    wait_for(look)
    return instruments.answer(view, step, urgent=True)


def contexts(instruments: Instruments, view: View = CONTEXTS, step: int = 3) -> Contexts:
    found = complete(instruments, view, step).contexts
    assert found is not None
    return found


def portrait(instruments: Instruments, view: View = PORTRAIT, step: int = 3) -> Portrait:
    found = complete(instruments, view, step).portrait
    assert found is not None
    return found


def test_nothing_is_computed_beside_the_training_for_a_view_that_shows_neither() -> None:
    instruments = make()
    instruments.answer(View(), 3, urgent=True)
    assert not instruments.is_at_work(View(), 3)
    assert instruments.answer(View(), 3, urgent=True).portrait is None


def test_what_came_after_the_last_look_is_still_to_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    instruments = make()
    background = instruments._questions.background
    ask, first = background.ask, [True]

    def asked(*question: Any) -> Any:
        known = ask(*question)
        if first:  # it is done before the answer is there that says it is not known
            first.clear()
            wait_for(lambda: not background.is_busy)
        return known

    monkeypatch.setattr(background, "ask", asked)
    assert instruments.answer(PORTRAIT, 3, urgent=True).portrait is None
    assert instruments.is_at_work(PORTRAIT, 3)
    monkeypatch.undo()
    assert instruments.answer(PORTRAIT, 3, urgent=True).portrait is not None
    assert not instruments.is_at_work(PORTRAIT, 3)


def test_without_a_feature_the_one_is_shown_that_a_unit_follows_best() -> None:
    instruments = make()
    best = contexts(instruments)
    others = [contexts(instruments, dataclasses.replace(CONTEXTS, cells_feature=name)) for name in best.features]
    assert np.abs(best.correlation).max() == max(np.abs(each.correlation).max() for each in others)
    assert best.unit == best.order[0] == np.abs(best.correlation).argmax()
    assert "bracket depth" in best.features
    assert "upper case" not in best.features  # the text has none


def test_a_unit_can_be_chosen_and_the_others_stay_as_they_are() -> None:
    instruments = make(layers=2)
    view = dataclasses.replace(CONTEXTS, cells_layer=1, cells_kind="z", cells_unit=4)
    found = contexts(instruments, view)
    assert (found.unit, found.layer, found.kind, found.step) == (4, 1, "z", 3)
    assert len(found.highest) == len(found.lowest) == 10
    assert found.highest[0].values[found.highest[0].mark] > found.lowest[0].values[found.lowest[0].mark]


def test_a_regular_expression_is_waited_for_and_then_is_a_feature() -> None:
    instruments = make()
    view = dataclasses.replace(CONTEXTS, cells_feature="/[(]")
    first = instruments.answer(view, 3, urgent=True).contexts
    assert first is not None
    assert first.waiting
    assert not first.correlation.any()
    found = contexts(instruments, view)
    text = HeldOut(CODES, VOCABULARY, 8).streams
    inside = int(np.sum(text.codes[text.warm_up :] == VOCABULARY.characters.index("(")))
    assert (found.waiting, found.inside, found.measured, found.error) == (False, inside, text.features.shape[1], "")
    assert found.correlation.any()


def test_the_map_is_sorted_by_a_regular_expression_as_soon_as_it_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    instruments, gate = make(), threading.Event()

    def waiting(searched: str, text: str) -> Matches:
        assert gate.wait(120)
        return find(searched, text)

    monkeypatch.setattr(text_features, "find", waiting)
    pattern = "/[(]"
    view = View(visible=("cells",), cells_sort=pattern)
    first = instruments.answer(view, 3, urgent=True).cells
    assert first is not None
    assert first.order.tolist() == list(range(6))  # it is being searched
    gate.set()
    found = complete(instruments, view).cells
    assert found is not None
    expected = contexts(instruments, dataclasses.replace(CONTEXTS, cells_feature=pattern))
    np.testing.assert_array_equal(found.score, expected.correlation)
    assert found.order.tolist() == np.argsort(-np.abs(expected.correlation), kind="stable").tolist()
    assert found.order.tolist() != list(range(6))
    wrong = complete(instruments, dataclasses.replace(view, cells_sort="/[")).cells
    assert wrong is not None
    assert wrong.order.tolist() == list(range(6))


def test_r_of_every_unit_comes_with_what_chance_explains() -> None:
    instruments = make()
    found = contexts(instruments, dataclasses.replace(CONTEXTS, cells_feature="/[(]"))
    text = HeldOut(CODES, VOCABULARY, 8).streams
    model = instruments._questions._model
    values = activations(model, text.codes, 0, "h")[0][:, text.warm_up :].reshape(6, -1)
    feature = (text.codes[text.warm_up :].ravel() == VOCABULARY.characters.index("(")).astype(float)
    assert found.chance == chance(values, shuffled(feature[None], text.codes.shape[1]))[0]
    assert 0 < found.chance < np.abs(found.correlation).max()


def test_an_error_in_a_pattern_comes_with_the_answer_and_the_next_pattern_is_searched() -> None:
    instruments = make()
    assert "unterminated" in contexts(instruments, dataclasses.replace(CONTEXTS, cells_feature="/[")).error
    assert contexts(instruments, dataclasses.replace(CONTEXTS, cells_feature="/a+")).error == ""
    assert "no feature “colour”" in contexts(instruments, dataclasses.replace(CONTEXTS, cells_feature="colour")).error


def test_a_portrait_comes_first_without_its_fixed_points_and_in_the_end_with_all() -> None:
    instruments = make()
    assert instruments.answer(PORTRAIT, 3, urgent=True).portrait is None
    found = portrait(instruments)
    assert (found.tried, found.starts) == (64, 64)
    assert found.arrived >= len(found.fixed) >= 1
    assert found.constant == VOCABULARY.characters[np.bincount(CODES).argmax()]
    assert set(found.constants) == set(VOCABULARY.characters)
    assert len(found.points) == len(found.labels) == 10 * 150
    assert set(found.labels.tolist()) <= set(range(len(found.classes)))
    assert found.feature == "kind of character"
    assert len(found.path) == len(found.prompt) == 48


def test_what_was_made_beside_the_training_is_shown_at_once_though_the_budget_is_used_up() -> None:
    instruments = make()
    instruments._budget._free_from = float("inf")
    view = dataclasses.replace(PORTRAIT, visible=("portrait", "contexts"), cells_feature="/a")

    def look() -> Answers | None:
        answers = instruments.answer(view, 3, urgent=False)
        found, portrait = answers.contexts, answers.portrait
        is_complete = found is not None and not found.waiting and portrait is not None and portrait.tried
        return answers if is_complete else None

    wait_for(look)


def test_a_new_prompt_and_a_new_feature_are_answered_at_once_in_the_same_plane() -> None:
    instruments = make()
    first = portrait(instruments)
    view = dataclasses.replace(PORTRAIT, prompt="(ab")
    found = instruments.answer(view, 4, urgent=True).portrait
    assert found is not None
    assert found.prompt == "(ab"
    found = instruments.answer(dataclasses.replace(view, portrait_feature="bracket depth"), 4, urgent=True).portrait
    assert found is not None
    assert (found.prompt, found.path.shape, found.feature) == ("(ab", (3, 2), "bracket depth")
    assert found.step == 3
    np.testing.assert_array_equal(found.points, first.points)


def test_another_character_has_other_fixed_points() -> None:
    instruments = make()
    first = portrait(instruments)
    found = portrait(instruments, dataclasses.replace(PORTRAIT, portrait_constant="g"))
    assert found.constant == "g"
    assert [(each.x, each.y) for each in found.fixed] != [(each.x, each.y) for each in first.fixed]


def test_after_more_steps_a_portrait_is_made_anew_of_the_weights_of_then() -> None:
    instruments = make()
    first = portrait(instruments)
    model = instruments._questions._model
    model.parameters.flat *= 1.5
    model.refresh()
    found = portrait(instruments, step=9)
    assert (first.step, found.step) == (3, 9)
    assert not np.array_equal(first.points, found.points)
    states = found.points.astype(np.float64)
    assert states.var(axis=0).argmax() == 0  # the first axis is that of the largest variance
    assert plane_of(states).shares[0] > 0.5


def test_networks_without_fixed_points_say_why_and_the_portrait_is_made() -> None:
    found = portrait(make(layers=2))
    assert "one layer" in found.remark
    assert (found.fixed, found.starts) == ((), 0)
    assert "mingru" in portrait(make("mingru")).remark


def test_the_brackets_language_is_coloured_by_depth() -> None:
    vocabulary = Vocabulary(tuple(sorted(brackets.CHARACTERS)))
    text = "".join(brackets.blocks(3000))
    found = portrait(make(vocabulary=vocabulary, codes=vocabulary.encode(text)[0]))
    assert (found.feature, found.classes) == ("bracket depth", ("0", "1", "2", "3", "4"))
    streams = HeldOut(vocabulary.encode(text)[0], vocabulary, 8).streams
    np.testing.assert_array_equal(found.labels, streams.depth)
