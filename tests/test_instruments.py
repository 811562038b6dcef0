"""The instruments of a run: answers to a view, how often they are renewed, and what that costs."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from engine.config import Config
from engine.network.model import Model
from engine.network.parameters import Architecture, initialize
from engine.probes import connectivity
from engine.probes.connectivity import explain, explain_in_pieces
from engine.probes.gates import saturation
from engine.probes.gradient_flow import gradient_flow
from engine.probes.lyapunov import exponents, largest, stretches
from engine.probes.occlusion import occlusion_in_pieces
from engine.probes.pieces import Pieces
from engine.probes.results import Connectivity
from engine.probes.spectrum import eigenvalues
from engine.session import instruments as module
from engine.session import questions
from engine.session.instruments import AWAY, SHARE, Instruments
from engine.session.messages import Answers, View
from engine.session.pace import EARLY_SHARE, Budget
from engine.text.vocabulary import Vocabulary
from engine.training.trainer import Trainer
from tests.brackets_text import brackets_text
from tests.waiting import Clock, wait_for

VOCABULARY = Vocabulary(tuple('\n "()abcdefg'))
CONFIG = Config(cell="lstm", hidden=6, layers=2, seq=8)
COST = {"gradient_flow": 0.030, "explain_in_pieces": 0.010, "statistics": 0.020, "read_cells": 0.001}
CODES = np.random.default_rng(2).integers(0, len(VOCABULARY), 2000).astype(np.uint8)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Counter[str]:
    """Counts the probes, each of which lets the clock go on by its cost."""
    counted: Counter[str] = Counter()

    def wrap(name: str) -> None:
        probe: Callable[..., Any] = getattr(questions, name)

        def counting(*arguments: Any, **options: Any) -> Any:
            counted[name] += 1
            clock.now += COST[name]
            return probe(*arguments, **options)

        monkeypatch.setattr(questions, name, counting)

    for name in COST:
        wrap(name)
    return counted


def make(clock: Clock, config: Config = CONFIG) -> tuple[Instruments, Model]:
    architecture = Architecture(config.cell, len(VOCABULARY), config.hidden, config.layers, config.embedding)
    model = Model(initialize(architecture, np.random.default_rng(0)))
    return Instruments(model, VOCABULARY, CODES, config, clock=clock, credit=0), model


def parts(answers: Answers) -> list[Any]:
    """Those that there are."""
    return [part for part in answers.by_name().values() if part is not None]


def test_answers_are_the_probes(clock: Clock) -> None:
    instruments, model = make(clock)
    view = View(prompt="abc(d", position=2, mode="loss", gradient_layer=1, gradient_state="c", cells_kind="f")
    answers = instruments.answer(view, 40, urgent=True)
    gradients, connectivity, cells = answers.gradients, answers.connectivity, answers.cells
    assert gradients is not None
    assert connectivity is not None
    assert cells is not None
    probe = instruments._questions._held_out.probe
    expected = gradient_flow(model, probe[:-1], probe[1:], layer=1, state="c", step=40)
    np.testing.assert_array_equal(gradients.counts, expected.counts)
    assert (gradients.step, gradients.layer, gradients.state) == (40, 1, "c")
    np.testing.assert_array_equal(
        connectivity.matrix, explain(model, VOCABULARY, "abc(d", position=2, mode="loss").matrix
    )
    assert (connectivity.step, connectivity.focus, connectivity.mode) == (40, 2, "loss")
    assert (cells.text, cells.kind, cells.layer, cells.values.shape) == ("abc(d", "f", 0, (6, 5))
    assert set(cells.saturation) == {"i", "f", "o"}
    for array in (gradients.counts, gradients.norms, gradients.edges, connectivity.matrix, cells.values, cells.order):
        assert not array.flags.writeable


def test_what_no_viewer_shows_is_not_computed(clock: Clock, calls: Counter[str]) -> None:
    instruments, _ = make(clock)
    assert instruments.answer(View(visible=("samples",)), 1, urgent=True) == Answers()
    assert not calls
    answers = instruments.answer(View(visible=("connectivity",)), 1, urgent=True)
    gradients, connectivity, cells = answers.gradients, answers.connectivity, answers.cells
    assert (gradients, cells) == (None, None)
    assert connectivity is not None
    assert calls == {"explain_in_pieces": 1}


def test_nothing_is_computed_twice_at_one_step(clock: Clock, calls: Counter[str]) -> None:
    instruments, _ = make(clock)
    first = instruments.answer(View(prompt="abc"), 1, urgent=True)
    counted = calls.copy()
    for _ in range(50):
        clock.now += 1
        again = instruments.answer(View(prompt="abc"), 1, urgent=True)
        assert all(a is b for a, b in zip(parts(first), parts(again), strict=True))
    assert calls == counted


def test_a_changed_prompt_is_answered_at_once_and_nothing_else_is_asked(clock: Clock, calls: Counter[str]) -> None:
    instruments, _ = make(clock)
    first = instruments.answer(View(prompt="a"), 1, urgent=True).cells
    assert first is not None
    assert first.known_step is None
    calls.clear()
    answers = instruments.answer(View(prompt="ab"), 2, urgent=True)
    connectivity, cells = answers.connectivity, answers.cells
    assert connectivity is not None
    assert cells is not None
    assert cells.known_step == 1  # whose statistics it comes with
    assert (connectivity.prompt, connectivity.step) == (cells.text, cells.step) == ("ab", 2)
    assert calls == {"explain_in_pieces": 1, "read_cells": 1}
    later = instruments.answer(View(prompt="abc"), 3, urgent=True).cells
    assert later is not None
    assert later.known_step is None  # those of so young a network would be of another one


def test_a_pane_that_comes_back_shows_the_network_as_it_is(clock: Clock) -> None:
    instruments, _ = make(clock)
    both, one = View(visible=("gradients", "cells")), View(visible=("gradients",))

    def shown(view: View, step: int, *, urgent: bool = True) -> Any:
        clock.now += 1.0
        return instruments.answer(view, step, urgent=urgent).cells

    assert shown(both, 0).step == 0
    instruments._budget._free_from = float("inf")  # no renewal is due of itself
    assert shown(both, 100).step == 0
    assert shown(one, 200) is None
    assert shown(both, 300).step == 0  # it was away for a moment only
    for step in range(400, 400 + 100 * (int(AWAY) + 1), 100):
        shown(one, step)
    assert shown(both, 5000, urgent=False).step == 0
    for step in range(5100, 5100 + 100 * (int(AWAY) + 1), 100):
        shown(one, step)
    assert shown(both, 9000).step == 9000


def test_without_hurry_a_first_answer_waits_for_its_share(clock: Clock, calls: Counter[str]) -> None:
    instruments, _ = make(clock)
    answers = [instruments.answer(View(prompt="a"), 1, urgent=False) for _ in range(3)]
    assert sum(calls[name] for name in ("gradient_flow", "explain_in_pieces", "read_cells")) == 1
    assert len(parts(answers[-1])) == 1


def test_where_nothing_trains_no_answer_waits(clock: Clock, calls: Counter[str]) -> None:
    instruments, _ = make(clock)
    view = View(prompt="abc")
    instruments.answer(view, 0, urgent=True)
    waiting = [part.step for part in parts(instruments.answer(view, 1, urgent=False))]
    assert waiting == [0, 0, 0]
    instruments.set_training(False)
    for _ in range(3):  # one at a time
        steps = [part.step for part in parts(instruments.answer(view, 1, urgent=False))]
    assert steps == [1, 1, 1]
    instruments.set_training(True)
    assert [part.step for part in parts(instruments.answer(view, 2, urgent=False))] == steps


def test_answers_are_renewed_in_turn_within_the_share(clock: Clock, calls: Counter[str]) -> None:
    instruments, _ = make(clock)
    view = View(prompt="abc")
    instruments.answer(view, 0, urgent=True)
    calls.clear()
    began, step = clock.now, 0
    while clock.now < began + 60:
        step += 1
        clock.now += 0.010  # a training step
        instruments.answer(view, step, urgent=False)
    spent = sum(COST[name] * count for name, count in calls.items())
    assert spent / (clock.now - began) == pytest.approx(SHARE, rel=0.1)
    assert calls["gradient_flow"] == pytest.approx(calls["explain_in_pieces"], abs=1)
    assert calls["gradient_flow"] == pytest.approx(calls["read_cells"], abs=1)
    assert calls["statistics"] == calls["read_cells"]
    steps = [part.step for part in parts(instruments.answer(view, step, urgent=False))]
    turn = sum(COST.values()) / SHARE  # seconds in which each is renewed once
    assert 0.010 * (step - min(steps)) < 1.1 * turn


def test_a_pause_renews_everything_once_and_no_more(clock: Clock, calls: Counter[str]) -> None:
    instruments, _ = make(clock)
    view = View(prompt="abc")
    instruments.answer(view, 7, urgent=True)
    instruments.answer(View(prompt="abcd"), 8, urgent=True)  # its cells come with the statistics of step 7
    calls.clear()
    for _ in range(20):
        clock.now += 5
        answers = instruments.answer(View(prompt="abcd"), 8, urgent=False)
    assert [part.step for part in parts(answers)] == [8, 8, 8]
    assert calls == {"gradient_flow": 1, "statistics": 1, "read_cells": 1}


def test_viewers_with_different_views_each_have_their_answers(clock: Clock, calls: Counter[str]) -> None:
    instruments, _ = make(clock)
    views = [View(prompt=prompt) for prompt in ("ab", "cd")]
    answers = [instruments.answer(view, 1, urgent=True) for view in views]
    assert [answer.connectivity.prompt for answer in answers if answer.connectivity] == ["ab", "cd"]
    assert answers[0].gradients is answers[1].gradients
    assert calls["gradient_flow"] == 1
    for number in range(20):
        instruments.answer(View(prompt="a" * (number + 1)), 1, urgent=True)
    assert len(instruments._answers) <= module.KEPT_ANSWERS


def test_a_viewer_that_has_typed_nothing_sees_held_out_text(clock: Clock) -> None:
    instruments, _ = make(clock)
    answers = instruments.answer(View(), 0, urgent=True)
    connectivity, cells = answers.connectivity, answers.cells
    assert connectivity is not None
    assert cells is not None
    assert connectivity.prompt == cells.text[:48]
    assert cells.text in VOCABULARY.decode(CODES)
    assert len(cells.text) == 160


def test_a_view_that_the_network_does_not_have_is_answered_by_what_it_has(clock: Clock) -> None:
    instruments, _ = make(clock, CONFIG.replace(cell="gru"))
    view = View(prompt="ab", gradient_layer=9, gradient_state="c", cells_layer=-3, cells_kind="o", cells_sort="size")
    answers = instruments.answer(view, 0, urgent=True)
    gradients, cells = answers.gradients, answers.cells
    assert gradients is not None
    assert cells is not None
    assert (gradients.layer, gradients.state) == (1, "h")
    assert (cells.layer, cells.kind) == (0, "h")
    assert cells.order.tolist() == list(range(6))


def test_beside_the_depth_read_out_stands_that_of_an_untrained_network(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An untrained network remembers its last characters too, which say much about the depth."""
    text = brackets_text(9000)
    vocabulary = Vocabulary(tuple(sorted(set(text))))
    codes = vocabulary.encode(text)[0].astype(np.uint8)
    config = Config(cell="gru", hidden=12, embedding=6, batch=4, seq=10, lr=0.02, seed=7, threads=1, workers=1)
    trainer = Trainer(config, len(vocabulary), codes, codes)
    before = Instruments(trainer.model, vocabulary, codes, config, clock=clock).answer(
        View(visible=("cells",)), 0, urgent=True
    )
    assert before.cells is not None
    assert before.cells.depth_accuracy == before.cells.depth_untrained  # it is the same network
    elsewhere = Model(initialize(config.architecture(len(vocabulary)), np.random.default_rng(1)))
    imported = Instruments(elsewhere, vocabulary, codes, config, clock=clock).answer(
        View(visible=("cells",)), 0, urgent=True
    )
    assert imported.cells is not None
    assert imported.cells.depth_untrained == before.cells.depth_untrained != imported.cells.depth_accuracy
    for _ in range(300):
        trainer.step()
    instruments = Instruments(trainer.model, vocabulary, codes, config, clock=clock)
    found = instruments.answer(View(visible=("cells",)), 300, urgent=True).cells
    assert found is not None
    assert found.depth_untrained == before.cells.depth_untrained
    accuracy, untrained, majority = found.depth_accuracy, found.depth_untrained, found.depth_majority
    assert accuracy is not None
    assert untrained is not None
    assert majority is not None
    assert accuracy > untrained + 0.05 > majority + 0.3
    monkeypatch.setattr(questions, "first_parameters", None)  # the untrained network is made but once
    assert instruments.answer(View(visible=("cells",)), 301, urgent=True).cells is not None


def test_the_end_of_a_very_long_prompt_is_read(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "LONGEST_PROMPT", 20)
    instruments, _ = make(clock)
    answers = instruments.answer(View(prompt="a" * 40 + "b"), 0, urgent=True)
    explained, cells = answers.connectivity, answers.cells
    assert explained is not None
    assert cells is not None
    assert explained.prompt == cells.text == "a" * 19 + "b"


def test_occlusion_replaces_by_frequent_characters(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    instruments, _ = make(clock)
    taken = []

    def watching(*arguments: Any, replacements: Any, **options: Any) -> Any:
        taken.append(None if replacements is None else len(replacements))
        return explain_in_pieces(*arguments, replacements=replacements, **options)

    monkeypatch.setattr(questions, "explain_in_pieces", watching)
    for prompt in ("abcabd", "abcabd" * 30):
        checked(instruments, View(prompt=prompt, occlusion=True, visible=("connectivity",)))
    assert taken == [8, None, 2, None]  # what is not checked yet is shown meanwhile


def checked(instruments: Instruments, view: View, step: int = 0) -> Connectivity:
    """The connectivity once it is checked by occlusion."""

    def look() -> Connectivity | None:
        found = instruments.answer(view, step, urgent=True).connectivity
        return found if found is not None and found.occlusion is not None else None

    return wait_for(look)


def test_a_check_by_occlusion_holds_up_no_picture_and_is_of_the_weights_it_began_with(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    instruments, model = make(clock)
    view, gate = View(prompt="abcabd", occlusion=True, visible=("connectivity",)), threading.Event()
    weights = Model(model.parameters.astype(np.float64))

    def waiting(*arguments: Any, **options: Any) -> Any:
        assert gate.wait(120)
        return (yield from occlusion_in_pieces(*arguments, **options))

    monkeypatch.setattr(connectivity, "occlusion_in_pieces", waiting)
    first = instruments.answer(view, 5, urgent=True).connectivity
    assert first is not None
    assert first.occlusion is None
    assert instruments.is_at_work(view, 5)
    model.parameters.flat[:] *= 2  # the training goes on
    gate.set()
    found = checked(instruments, view, 6)
    expected = explain(weights, VOCABULARY, "abcabd", replacements=instruments._questions._held_out.frequent[:66])
    assert found.step == 5
    assert found.occlusion is not None
    assert expected.occlusion is not None
    np.testing.assert_array_equal(found.occlusion, expected.occlusion)
    np.testing.assert_array_equal(found.matrix, expected.matrix)


def test_units_held_fixed_are_shown_and_a_change_is_a_new_question(clock: Clock) -> None:
    instruments, _ = make(clock)
    view = View(prompt="abc", visible=("cells",))
    free = instruments.answer(view, 0, urgent=True).cells
    instruments.clamps = {0: ((3, 0.5),)}
    held = instruments.answer(view, 0, urgent=True).cells
    assert free is not None
    assert held is not None
    assert (free.clamped, held.clamped) == ((), ((3, 0.5),))
    assert (held.values[3] == 0.5).all()


def test_weights_that_are_not_finite_break_nothing(clock: Clock) -> None:
    instruments, model = make(clock)
    model.parameters.flat[:] = np.nan
    model.refresh()
    answers = instruments.answer(View(prompt="abc(", occlusion=True), 0, urgent=True)
    gradients, connectivity, cells = answers.gradients, answers.connectivity, answers.cells
    assert gradients is not None
    assert connectivity is not None
    assert cells is not None
    assert (gradients.counts.sum(axis=1) == 16 * CONFIG.hidden).all()  # each number of 16 sequences is in some bin


def test_a_budget_waits_in_proportion_to_what_was_spent(clock: Clock) -> None:
    budget = Budget(0.05, clock)
    assert budget.allows
    with budget.spend():
        clock.now += 0.1
    assert not budget.allows
    clock.now += 1.89
    assert not budget.allows
    clock.now += 0.02
    assert budget.allows


def test_a_credit_is_spent_at_a_larger_share_and_only_once(clock: Clock) -> None:
    budget, spent = Budget(0.02, clock, credit=0.25), []
    end = clock.now + 100
    while clock.now < end:
        if budget.allows:
            with budget.spend():
                clock.now += 0.1
            spent.append(clock.now)
        clock.now += 0.005
    assert len(spent) == pytest.approx(2 + (100 - 2) / 5, abs=2)
    between = [later - earlier for earlier, later in pairwise(spent)]
    assert between[:2] == pytest.approx([0.1 / EARLY_SHARE] * 2, abs=0.02)
    assert between[2:] == pytest.approx([0.1 / 0.02] * len(between[2:]), abs=0.02)


def test_a_budget_counts_what_failed(clock: Clock) -> None:
    budget = Budget(0.05, clock)

    def fail() -> None:
        with budget.spend():
            clock.now += 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not budget.allows


def test_the_spectrum_and_the_gates_are_the_probes_of_the_layers_that_were_asked_for(clock: Clock) -> None:
    instruments, model = make(clock)
    view = View(visible=("spectrum", "gates"), spectrum_layer=1, gates_layer=9)
    found = instruments.answer(view, 40, urgent=True)
    assert found.eigenvalues is not None
    assert found.exponents is not None
    assert found.saturation is not None
    assert {found.eigenvalues.step, found.exponents.step, found.saturation.step} == {40}
    assert (found.eigenvalues.layer, found.saturation.layer) == (1, 1)
    for gate, values in eigenvalues(model, 1).items():
        np.testing.assert_array_equal(found.eigenvalues.gates[gate], np.array([values.real, values.imag]).T)
    np.testing.assert_array_equal(found.exponents.values, exponents(model, stretches(CODES), 8))
    assert (found.exponents.states, found.exponents.characters) == (2 * 2 * 6, 400)
    assert instruments.lambda1() == largest(model, CODES)
    np.testing.assert_array_equal(
        found.saturation.open["f"], saturation(model, instruments._questions._held_out.streams, 1).open["f"]
    )
    assert instruments.answer(View(), 40, urgent=True).exponents is None


def in_pieces(instruments: Instruments, clock: Clock, monkeypatch: pytest.MonkeyPatch, *names: str) -> list[int]:
    """Replaces these answers, or all, by 10 pieces of 20 ms each; the list gets the step with which each was begun."""
    begun: list[int] = []

    def pieces(step: int) -> Pieces[Any]:
        begun.append(step)
        for _ in range(10):
            clock.now += 0.020
            yield
        return f"flow at {step}", step

    of = instruments._questions.of

    def asking(view: View, step: int, clamps: Any) -> Any:
        return {
            name: (key, ask if names and name not in names else lambda at_once: pieces(step))
            for name, (key, ask) in of(view, step, clamps).items()
        }

    monkeypatch.setattr(instruments._questions, "of", asking)
    return begun


def test_the_first_long_answer_comes_in_pieces_that_stop_the_training_for_a_moment_only(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    instruments, _ = make(clock)
    begun = in_pieces(instruments, clock, monkeypatch)
    view, pauses = View(visible=("gradients",)), []
    for call in range(8):
        before = clock.now
        found: object = instruments.answer(view, 40 + call, urgent=not call).gradients
        pauses.append(clock.now - before)
        assert instruments.is_at_work(view, 40 + call) == (found is None)
        if found is not None:
            break
        clock.now += 0.2
    assert found == "flow at 40"
    assert begun == [40]  # all pieces are of the same weights
    assert max(pauses) <= questions.PIECE + 0.020
    assert len(pauses) == 4


def test_a_moment_does_without_the_matrices_that_only_the_pane_shows(clock: Clock) -> None:
    """With 2,048 units σ and ρ take most of a minute, in which no key and no signal would be heard."""
    instruments, model = make(clock)
    probe = instruments._questions._held_out.probe
    moment = instruments.gradient_flow(40)
    assert (moment.sigma, moment.rho) == ({}, {})
    np.testing.assert_array_equal(moment.norms, gradient_flow(model, probe[:-1], probe[1:]).norms)


def test_a_long_answer_is_renewed_within_the_share_while_the_one_before_is_shown(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    instruments, _ = make(clock)
    begun = in_pieces(instruments, clock, monkeypatch)
    view, step, spent = View(visible=("gradients",)), 0, 0.0
    while instruments.answer(view, 0, urgent=True).gradients is None:
        pass
    began = clock.now
    while clock.now < began + 100:
        step += 1
        clock.now += 0.010  # a training step
        before = clock.now
        assert instruments.answer(view, step, urgent=False).gradients is not None
        spent += clock.now - before
    assert spent / (clock.now - began) == pytest.approx(SHARE, rel=0.1)
    assert len(begun) > 3


def test_a_long_answer_holds_up_no_others(clock: Clock, calls: Counter[str], monkeypatch: pytest.MonkeyPatch) -> None:
    instruments, _ = make(clock)
    in_pieces(instruments, clock, monkeypatch, "gradients")
    view, step = View(prompt="abc"), 0
    while instruments.answer(view, 0, urgent=True).gradients is None:
        pass
    clock.now += 5  # for what was urgent
    calls.clear()
    began = clock.now
    while clock.now < began + 60:
        step += 1
        clock.now += 0.010
        instruments.answer(view, step, urgent=False)
    spent = sum(COST[name] * count for name, count in calls.items())
    assert spent / (clock.now - began) == pytest.approx(SHARE, rel=0.1)


def test_no_more_than_a_few_answers_are_begun_at_a_time(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    instruments, _ = make(clock)
    in_pieces(instruments, clock, monkeypatch)
    views = [View(visible=("connectivity",), prompt="a" * (count + 1)) for count in range(9)]
    for view in views:
        instruments.answer(view, 1, urgent=True)
    assert len(instruments._begun) == module.MOST_BEGUN
    assert not instruments.is_at_work(views[0], 1)
    assert instruments.is_at_work(views[-1], 1)
    instruments.forget()
    assert not instruments.is_at_work(views[-1], 1)
