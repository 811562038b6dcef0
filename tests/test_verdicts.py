"""Every sentence in which the program judges what it has measured names the test that holds it.

A new sentence in one of the functions of `JUDGES` gets a line in `VERDICTS`: some of its words, and the test that fails
when the sentence is no longer true. What the sentences say of σ is tested here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.network.model import Model
from engine.network.parameters import Architecture, initialize
from engine.probes.gradient_flow import gradient_flow
from tui.rendering.gradient_words import matrix_note, verdict

ROOT = Path(__file__).parent.parent
WORDS = 3  # at least, of a sentence

JUDGES = {  # a file: its functions that judge; none stands for the whole file
    "tui/rendering/gradient_words.py": (),
    "tui/rendering/loss_words.py": ("worse_than_guessing", "risen", "plateau", "beside_counting"),
    "tui/cli/compare.py": ("verdict", "_beside", "_where"),
    "tui/rendering/connectivity_picture.py": ("_check", "_reach"),
    "tui/rendering/where_picture.py": ("in_words",),
    "tui/rendering/spectrum_picture.py": ("sentence",),
    "tui/rendering/portrait_picture.py": ("fixed_in_words",),
    "tui/rendering/inside_picture.py": ("loss_in_words",),
    "tui/rendering/cells_facts.py": ("describe", "_follower", "_depth", "_effect"),
}
VERDICTS = {
    "the network learns its text by heart": "tui/test_loss_words.py::"
    "test_a_held_out_loss_that_rises_while_the_training_loss_falls_is_learning_by_heart",
    "Whether the held-out loss has risen": "tui/test_loss_words.py::test_noise_neither_hides_nor_feigns_it",
    "Whether the held-out loss has not fallen": "tui/test_loss_words.py::"
    "test_a_held_out_loss_that_hardly_changes_is_a_plateau",
    "Whether the training loss lies above": "tui/test_loss_words.py::"
    "test_worse_than_holding_all_characters_for_equally_probable",
    "and so has the training loss": "tui/test_loss_words.py::"
    "test_a_training_loss_that_rises_too_means_that_the_rate_is_too_high",
    "The held-out loss was best at": "tui/test_loss_words.py::"
    "test_a_held_out_loss_that_rises_while_the_training_loss_falls_is_learning_by_heart",
    "that of holding all": "tui/test_loss_words.py::test_worse_than_holding_all_characters_for_equally_probable",
    "from one validation to the next": "tui/test_loss_words.py::"
    "test_a_held_out_loss_that_jumps_and_does_not_fall_means_that_the_rate_is_too_high",
    "what is still learnt helps": "tui/test_loss_words.py::test_a_training_loss_that_falls_on_alone_is_said",
    "A lower learning rate, or more units, may": "tui/test_loss_words.py::"
    "test_a_held_out_loss_that_hardly_changes_is_a_plateau",
    "above the lowest that any model can reach": "tui/test_loss_words.py::"
    "test_a_held_out_loss_that_hardly_changes_is_a_plateau",
    "better than every n-gram": "tui/test_loss_words.py::test_beside_the_counting_models",
    "is about as good as the best": "tui/test_loss_words.py::test_beside_the_counting_models",
    "better than counting": "tui/test_loss_words.py::test_beside_the_counting_models",
    ", the best of them {}": "tui/test_loss_words.py::test_beside_the_counting_models",
    "Which of the n-gram models": "tui/test_loss_words.py::test_beside_the_counting_models",
    "Held-out loss up since": "tui/test_loss_words.py::test_in_short_it_says_the_same",
    "Worse than a blind guess": "tui/test_loss_words.py::test_in_short_it_says_the_same",
    "A plateau since": "tui/test_loss_words.py::test_in_short_it_says_the_same",
    "Held-out loss {} since": "tui/test_loss_words.py::test_in_short_it_says_the_same",
    "Held-out loss jumps": "tui/test_loss_words.py::test_in_short_it_says_the_same",
    "Flat since step": "tui/test_loss_words.py::test_in_short_it_says_the_same",
    "Better than all n-grams": "tui/test_loss_words.py::test_in_short_it_says_the_same",
    "About as good as the best n-grams": "tui/test_loss_words.py::test_in_short_it_says_the_same",
    "better than {}-grams": "tui/test_loss_words.py::test_in_short_it_says_the_same",
    ": learnt by heart": "tui/test_loss_words.py::test_in_short_it_says_the_same",
    "training loss too": "tui/test_loss_words.py::test_in_short_it_says_the_same",
    "The state is not finite": "tui/test_spectrum_pane.py::test_it_is_said_what_follows_and_what_does_not",
    "A small difference of the state": "tui/test_spectrum_pane.py::test_it_is_said_what_follows_and_what_does_not",
    "λ₁ is near 0": "tui/test_spectrum_pane.py::test_it_is_said_what_follows_and_what_does_not",
    "λ₁ < 0: two nearby": "tui/test_spectrum_pane.py::test_it_is_said_what_follows_and_what_does_not",
    "λ₁ > 0: two nearby": "tui/test_spectrum_pane.py::test_it_is_said_what_follows_and_what_does_not",
    "‹{}› again": "tui/test_portrait_pane.py::test_what_is_known_of_the_fixed_points_is_said",
    "{} {} {}{}": "tui/test_portrait_pane.py::test_a_fixed_point_that_repels_everywhere_is_no_saddle",
    "largest |λ|": "tui/test_portrait_pane.py::test_what_is_known_of_the_fixed_points_is_said",
    "Looking for fixed points": "tui/test_portrait_pane.py::test_what_is_known_of_the_fixed_points_is_said",
    "No fixed point while": "tui/test_portrait_pane.py::test_what_is_known_of_the_fixed_points_is_said",
    "Fixed points while": "tui/test_portrait_pane.py::test_what_is_known_of_the_fixed_points_is_said",
    "so far": "tui/test_portrait_pane.py::test_what_is_known_of_the_fixed_points_is_said",
    "from the state that the window": "test_inside_picture.py::test_it_says_which_loss_goes_back",
    "from a zero state": "test_inside_picture.py::test_it_says_which_loss_goes_back",
    "the mean of the {} losses": "test_inside_picture.py::test_it_says_which_loss_goes_back",
    "of the prompt, {}": "test_inside_picture.py::test_it_says_which_loss_goes_back",
    "of a window of held-out": "test_inside_picture.py::test_it_says_which_loss_goes_back",
    "the loss of the next training step": "test_inside_picture.py::test_it_says_which_loss_goes_back",
    "losses of each": "test_inside_picture.py::test_it_says_which_loss_goes_back",
    "the last loss": "test_inside_picture.py::test_it_says_which_loss_goes_back",
    "its last loss": "test_inside_picture.py::test_it_says_which_loss_goes_back",
    "Most of the loss: {}": "tui/test_where_pane.py::test_what_stands_out_is_said_in_words",
    "Since step {} most was gained": "tui/test_where_pane.py::test_what_stands_out_is_said_in_words",
    "The network is better than": "tui/test_where_pane.py::test_what_stands_out_is_said_in_words",
    "-gram model is better on every": "tui/test_where_pane.py::test_what_stands_out_is_said_in_words",
    "The network is as good as the ": "tui/test_where_pane.py::test_what_stands_out_is_said_in_words",
    "-gram model is better on: ": "tui/test_where_pane.py::test_what_stands_out_is_said_in_words",
    "The gradient {} over {} steps back": "tui/test_gradients_pane.py::"
    "test_one_window_with_a_large_gradient_does_not_speak_for_the_others",
    " ({} … {})": "tui/test_gradients_pane.py::test_median_and_spread_of_the_windows",
    " in the median of {}": "tui/test_gradients_pane.py::test_median_and_spread_of_the_windows",
    "In at least half of": "tui/test_gradients_pane.py::test_windows_in_which_nothing_is_left_count_as_the_smallest",
    "keeps its size": "tui/test_gradients_pane.py::test_verdict",
    "about as large": "tui/test_gradients_pane.py::test_verdict",
    "{} times smaller": "tui/test_gradients_pane.py::test_a_ratio_in_words_is_the_ratio",
    "{} times larger": "tui/test_gradients_pane.py::test_a_ratio_in_words_is_the_ratio",
    "Some values are not finite": "tui/test_gradients_pane.py::test_verdict",
    "Every value is zero": "tui/test_gradients_pane.py::test_verdict",
    "shrinks to zero": "tui/test_gradients_pane.py::test_windows_in_which_nothing_is_left_count_as_the_smallest",
    "One time step only": "tui/test_gradients_pane.py::test_verdict",
    "Zero at t = {}": "tui/test_gradients_pane.py::test_verdict",
    "Zero in float32 before": "tui/test_gradients_pane.py::test_verdict",
    ": the first steps learn": "tui/test_gradients_pane.py::test_verdict",
    ": the last loss still reaches": "tui/test_gradients_pane.py::test_verdict",
    ": it explodes on this batch": "test_probes_gradient_flow.py::"
    "test_a_gated_cell_explodes_though_no_block_has_sigma_above_one",
    "Each step has a loss of its own": "tui/test_gradients_pane.py::"
    "test_a_flat_sum_over_many_losses_is_not_taken_for_a_gradient_that_survives",
    "On average over all losses": "tui/test_gradients_pane.py::test_factor_per_step_of_a_geometric_triangle",
    "With gates": "test_probes_gradient_flow.py::test_a_gated_cell_explodes_though_no_block_has_sigma_above_one",
    "σ is at most 1": "test_verdicts.py::test_where_sigma_is_at_most_one_a_plain_rnn_s_gradient_does_not_grow",
    "σ above 1 is needed": "test_verdicts.py::test_sigma_above_one_does_not_make_an_explosion",
    "There is no W_hh": "test_verdicts.py::test_without_w_hh_no_unit_s_gradient_grows",
    "The RNN reaches {}": "test_cli_compare.py::test_the_verdict_says_which_cell_reaches_further",
    "does not reach as far": "test_cli_compare.py::test_the_verdict_says_which_cell_reaches_further",
    "{}, {} (difference {} ± {})": "test_cli_compare.py::test_the_verdict_says_which_cell_reaches_further",
    "which may be chance": "test_cli_compare.py::test_no_difference_within_its_standard_error_is_called_further",
    "cannot be compared over one place": "test_cli_compare.py::"
    "test_no_difference_within_its_standard_error_is_called_further",
    "did not finish": "test_cli_compare.py::test_the_verdict_says_which_cell_reaches_further",
    "there is nothing to compare yet": "test_cli_compare.py::test_a_signal_ends_the_comparison_and_saves",
    "at {} places of {} text": "test_probes_connectivity.py::test_reach_is_measured_at_so_many_places_as_the_help_says",
    "the {} {}": "test_cli_compare.py::test_the_verdict_says_which_cell_reaches_further",
    "Replacing, rank correlation {}": "test_probes_connectivity.py::"
    "test_the_check_of_a_long_prompt_ranks_changes_and_not_rounding",
    "the check agrees": "tui/test_connectivity_pane.py::test_the_check_stands_beneath_and_says_when_not_to_trust",
    "do not trust this picture": "tui/test_connectivity_pane.py::"
    "test_the_check_stands_beneath_and_says_when_not_to_trust",
    "the two rows cannot be ranked": "tui/test_connectivity_pane.py::"
    "test_the_check_stands_beneath_and_says_when_not_to_trust",
    "the effect is too small to measure": "tui/test_connectivity_pane.py::"
    "test_the_check_stands_beneath_and_says_when_not_to_trust",
    "Checking by replacing": "tui/test_connectivity_pane.py::test_the_check_stands_beneath_and_says_when_not_to_trust",
    "reach on held-out text": "tui/test_connectivity_pane.py::"
    "test_the_reach_on_held_out_text_has_its_window_and_its_error",
    "(within {} characters)": "tui/test_connectivity_pane.py::"
    "test_the_reach_on_held_out_text_has_its_window_and_its_error",
    "reach within {}": "tui/test_connectivity_pane.py::test_the_reach_on_held_out_text_has_its_window_and_its_error",
    "{}: unit {}, r {} (chance {})": "test_probes_activations.py::"
    "test_a_unit_that_counts_is_named_and_one_that_has_seen_nothing_is_not",
    "none above chance": "test_probes_activations.py::"
    "test_a_unit_that_counts_is_named_and_one_that_has_seen_nothing_is_not",
    "depth read out of h": "test_instruments.py::test_beside_the_depth_read_out_stands_that_of_an_untrained_network",
    "gate {}: {} < 0.1": "test_probes_activations.py::"
    "test_saturation_of_a_gate_that_is_always_open_and_one_that_is_always_shut",
    "share of shut and open gates": "test_probes_activations.py::"
    "test_saturation_of_a_gate_that_is_always_open_and_one_that_is_always_shut",
    "unit {} held at": "tui/test_cells_pane.py::test_holding_a_unit_goes_round_and_shows_its_effect",
    "holding unit {}": "tui/test_cells_pane.py::test_holding_a_unit_goes_round_and_shows_its_effect",
    "freeing unit {}": "tui/test_cells_pane.py::test_holding_a_unit_goes_round_and_shows_its_effect",
    "validation loss": "tui/test_cells_pane.py::test_what_is_known_about_the_units",
    "at step {}": "tui/test_cells_pane.py::test_facts_say_which_step_they_are_of_and_an_unknown_effect_that_it_is",
}


def texts(tree: ast.AST) -> Iterator[str]:
    """The strings in `tree`, each replacement field as {}; docstrings and parts of f-strings are passed over."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.Module) and isinstance(node.body[0], ast.Expr):
            skipped.add(id(node.body[0].value))
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def said() -> list[str]:
    found: list[str] = []
    for file, names in JUDGES.items():
        tree = ast.parse((ROOT / file).read_text("utf-8"))
        judges = [
            node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and (not names or node.name in names)
        ]
        assert len(judges) >= len(names), f"{file} has no {names} any more"
        found += [text for judge in judges for text in texts(judge)]
        if not names:
            found += texts(tree)
    return sorted({text for text in found if len(text.split()) >= WORDS})


@pytest.mark.parametrize("sentence", said())
def test_every_verdict_is_held_by_a_test(sentence: str) -> None:
    assert any(words in sentence for words in VERDICTS), "give it a line in VERDICTS"


def test_every_verdict_is_still_given_and_its_test_is_there() -> None:
    everything = "\n".join((ROOT / file).read_text("utf-8") for file in JUDGES)
    plain = re.sub(r"\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}", "{}", everything)
    for words, test in VERDICTS.items():
        assert words in plain, f"nobody says {words!r} any more"
        file, _, name = test.partition("::")
        assert re.search(rf"def {name}\b", (ROOT / "tests" / file).read_text("utf-8")), test


# --- what σ says ------------------------------------------------------------------------------


def flow_of(cell: str, seed: int, **weights: np.ndarray | float) -> tuple[np.ndarray, float, str, str]:
    """‖G_t‖ of a network, the largest σ, and what is said of both. `weights` are scales of matrices of layer 0."""
    rng = np.random.default_rng(seed)
    parameters = initialize(Architecture(cell, 9, 12, onehot=True), rng, np.float64)
    for name, scale in weights.items():
        parameters[f"rnn.{name}_l0"][...] = np.asarray(parameters[f"rnn.{name}_l0"]) * scale
    codes = rng.integers(0, 9, (21, 4))
    flow = gradient_flow(Model(parameters), codes[:-1], codes[1:])
    return flow.norms, max(flow.sigma.values(), default=0.0), matrix_note(flow, cell), verdict(flow)


@pytest.mark.parametrize("seed", range(5))
def test_where_sigma_is_at_most_one_a_plain_rnn_s_gradient_does_not_grow(seed: int) -> None:
    sigma = flow_of("rnn", seed)[1]
    norms, sigma, note, _ = flow_of("rnn", seed, weight_hh=(1 - 1e-9) / sigma)
    assert sigma == pytest.approx(1)
    assert (np.diff(norms) >= 0).all()
    assert "σ is at most 1" in note


def test_sigma_above_one_does_not_make_an_explosion() -> None:
    norms, sigma, note, words = flow_of("rnn", 0, weight_hh=3.0, weight_ih=40.0)  # tanh is saturated
    assert sigma > 2
    assert norms[0] < 1e-6 * norms[-1]
    assert "σ above 1 is needed for an explosion, but does not make one" in note
    assert "explodes" not in words


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("cell", ["mingru", "minlstm"])
def test_without_w_hh_no_unit_s_gradient_grows(cell: str, seed: int) -> None:
    norms, _, note, _ = flow_of(cell, seed, weight_ih=5.0)
    assert (np.diff(norms) >= 0).all()
    assert "a gate, which is at most 1" in note
