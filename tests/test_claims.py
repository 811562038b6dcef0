"""Every sentence with a number in the README and in the panes' help is held by a test, or by a command that prints it.

A new sentence gets a line in `CLAIMS`: some of its words, and the test that fails when the sentence is no longer true.
The README's section on speed is measured, never tested: `charrnn-tui bench --what all` prints its figures.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tui.rendering.preset_cards import CARDS
from tui.screens.places import PLACES

ROOT = Path(__file__).parent.parent
NUMBER = re.compile(r"\d|\b(?:tenth|half|twice|hundred|thousand)\b")

CLAIMS = {  # words of the sentence: the file of the test, and its name
    "runs over SSH at 80×24": "e2e/test_dashboard.py::"
    "test_at_80_by_24_every_pane_can_be_reached_and_nothing_is_cut_off",
    "on the last tenth if that has at most 51,200": "test_validation.py::"
    "test_no_character_is_measured_twice_and_short_texts_are_measured_whole",
    "reads the 200 characters that come before it": "test_validation.py::"
    "test_a_network_reads_what_stands_before_each_measured_character",
    "may well lie twice as far away": "test_validation.py::"
    "test_the_standard_error_is_how_much_the_mean_varies_between_texts",
    "predicts a character from the 3 before it": "test_ngrams.py::test_against_the_formula_one_character_at_a_time",
    "the last 8,388,608 are counted": "test_ngrams.py::test_of_a_large_text_so_much_is_counted_as_the_readme_says",
    "stands fewer than 5 times in the training text": "test_classes.py::"
    "test_a_word_is_rare_if_it_stands_fewer_than_five_times_in_the_training_text",
    "stood within the 1,000 characters before": "test_classes.py::"
    "test_a_word_is_recent_up_to_a_thousand_characters_after_it_began",
    "at most 16 windows of the held-out text": "test_probes_activations.py::"
    "test_held_out_text_gives_the_same_probe_at_every_step",
    "at most 32 places of the held-out text, with at most 100": "test_probes_connectivity.py::"
    "test_reach_is_measured_at_so_many_places_as_the_help_says",
    "σ above 1 is necessary": "test_probes_gradient_flow.py::"
    "test_a_gated_cell_explodes_though_no_block_has_sigma_above_one",
    "100 characters to warm up, then 100 that count": "test_probes_lyapunov.py::"
    "test_at_least_400_steps_are_measured_after_100_of_warm_up_where_the_text_is_long_enough",
    "in how many characters the slowest of them shrinks to 37%": "test_probes_lyapunov.py::"
    "test_the_memory_time_is_the_characters_in_which_a_difference_shrinks_by_e",
    "< 0**: all differences shrink": "test_probes_lyapunov.py::"
    "test_of_a_linear_network_they_are_the_logarithms_of_the_absolute_eigenvalues",
    "some grow, and two nearby states": "test_probes_lyapunov.py::"
    "test_of_a_linear_network_they_are_the_logarithms_of_the_absolute_eigenvalues",
    "near 0** keeps differences": "tui/test_spectrum_pane.py::test_it_is_said_what_follows_and_what_does_not",
    "The circle has radius 1": "tui/test_spectrum_pane.py::"
    "test_each_gates_letter_stands_where_its_eigenvalue_lies_and_a_cross_where_several_have_one",
    "farther out than 2 is drawn at 2": "tui/test_spectrum_pane.py::"
    "test_a_far_eigenvalue_is_in_the_plane_too_and_what_is_no_number_is_left_out",
    "its gate is **open**, above 0.9": "test_probes_gates.py::test_each_units_shares_are_those_of_the_plain_cell",
    "at which it is **shut**, below 0.1": "test_probes_gates.py::test_each_units_shares_are_those_of_the_plain_cell",
    "they lie between −1 and 1": "tui/test_cells_pane.py::test_limits_do_not_depend_on_the_values_but_for_c",
    "a GRU with 15 units": "test_presets.py::test_the_brackets_network_is_as_small_as_the_readme_says",
    "A network of 15 units learns": "tui/test_lesson.py::test_the_network_is_as_small_as_the_readme_says",
    "count in training steps, or in epochs": "test_optimizers.py::test_a_schedule_in_epochs_is_one_in_steps",
    "the worse half of the runs at a quarter of the steps": "test_sweep.py::"
    "test_the_worse_half_is_stopped_and_the_best_run_is_as_it_would_be_alone",
    "works with 16 colours": "tui/test_samples_pane.py::test_improbable_characters_stand_out_without_colour",
    "0 would mean that it is always right": "test_ngrams.py::test_probabilities_sum_to_one",
    "Underlined: below 6%": "tui/test_samples_pane.py::test_the_help_says_how_improbable_what_is_underlined_is",
    "bold and underlined: below 1.6%": "tui/test_samples_pane.py::"
    "test_the_help_says_how_improbable_what_is_underlined_is",
    "0 always takes the most probable": "test_sampling.py::test_distributions_have_their_closed_forms",
    "The last 200 samples": "tui/test_samples_pane.py::test_memory_is_bounded",
    "the newest on top, t = 0": "tui/test_gradients_pane.py::"
    "test_first_and_last_time_step_are_always_seen_newest_on_top",
    "The column at 0 counts zeros": "test_probes_gradient_flow.py::"
    "test_the_grid_is_symmetric_and_tells_zero_from_small_and_overflow_from_large",
    "falls towards t = 0": "test_probes_gradient_flow.py::"
    "test_a_linear_rnn_multiplies_the_gradient_by_its_matrix_at_every_step",
    "compare the curves at step 0": "test_init.py::"
    "test_an_orthogonal_rnn_sends_back_more_gradient_than_a_small_normal_one",
    "the same in tenths of the strongest": "test_cli_probe.py::"
    "test_the_text_has_digits_candidates_reach_and_what_was_asked_about",
    "draws each unit twice": "tui/test_cells_pane.py::test_now_stands_above_the_moment_of_each_unit",
    "always end at −1 and 1": "tui/test_cells_pane.py::test_limits_do_not_depend_on_the_values_but_for_c",
    "between 0 (shut) and 1 (open)": "test_probes_activations.py::"
    "test_saturation_of_a_gate_that_is_always_open_and_one_that_is_always_shut",
    "below 0.1 and above 0.9": "test_probes_activations.py::"
    "test_saturation_of_a_gate_that_is_always_open_and_one_that_is_always_shut",
    "exceeds in 5% of cases": "test_probes_activations.py::test_chance_is_what_features_of_other_texts_reach",
    "fitted on half of the passages": "test_probes_activations.py::"
    "test_no_passage_is_both_fitted_and_measured_not_even_a_copy_of_one",
    "then at 0, 1 and −1": "tui/test_cells_pane.py::test_holding_a_unit_goes_round_and_shows_its_effect",
    "correlation over held-out text, from −1 to 1": "test_probes_contexts.py::"
    "test_the_unit_that_is_the_feature_comes_first",
    "1 inside its matches and 0 elsewhere": "test_probes_contexts.py::test_a_pattern_is_one_inside_its_matches",
    "the feature is 1 from its beginning": "test_probes_contexts.py::test_a_pattern_is_one_inside_its_matches",
    "closer together than 10 characters": "test_probes_contexts.py::"
    "test_places_are_the_highest_and_lowest_that_lie_apart_and_are_measured",
    "its last tenth is the held-out text": "test_watch.py::test_the_held_out_text_is_the_last_tenth",
    "each of the 25 time steps": "test_presets.py::test_the_cards_name_the_settings_of_their_presets",
    "epochs 11, 22 and 33": "test_presets.py::test_the_cards_name_the_settings_of_their_presets",
    "shrinks more than 10¹⁰-fold on its way to t = 0": "test_presets.py::"
    "test_the_gradient_of_under_the_hood_vanishes_at_first",
    "come down to the entropy, 0.487 nats": "test_brackets.py::test_the_entropy_rate_is_that_of_the_markov_chain",
    "half the rate after epochs 4, 9, 14": "test_presets.py::test_torch_rnns_rate_falls_as_in_train_lua",
    "50 epochs, and from the tenth on": "test_presets.py::test_char_rnns_rate_falls_as_in_train_lua",
    "it begins at 0": "tui/test_cells_pane.py::test_holding_a_unit_goes_round_and_shows_its_effect",
}
NO_CLAIMS = (
    "min-char-rnn (2015)",  # when what a preset repeats was published
    "Under the hood of RNNs* (2020)",
    "Nilay Shrivastava",
    "The Unreasonable Effectiveness",
    "torch-rnn (2016)",
    "Python/NumPy* (2015)",
    "You need Python 3.11",  # installing checks it
    "arXiv:1506.02078",
    "the last 5% of each of 50 streams",  # of another program: char-rnn's CharSplitLMMinibatchLoader.lua
)


def sentences(text: str) -> list[str]:
    """The sentences with a number in Markdown `text`; code, tables and headings are passed over."""
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    prose = "\n".join(line for line in text.splitlines() if not line.startswith(("|", "    ", "#")))
    found: list[str] = []
    for paragraph in re.split(r"\n\s*\n|\n- ", prose):
        found += re.split(r"(?<=[.;!?])\s+", " ".join(paragraph.split()))
    return [each for each in found if NUMBER.search(re.sub(r"`[^`]*`", "", each))]


def said() -> list[str]:
    readme = (ROOT / "README.md").read_text("utf-8")
    before, speed = readme.split("## How fast it is")
    texts = [before, speed.partition("\n## ")[2]]
    panes = [pane for place in PLACES.values() for pane in place]
    texts += [*(pane.HELP for pane in panes), *CARDS.values()]
    return [each for text in texts for each in sentences(text)]


@pytest.mark.parametrize("sentence", said())
def test_every_sentence_with_a_number_is_held_by_a_test(sentence: str) -> None:
    assert any(words in sentence for words in (*CLAIMS, *NO_CLAIMS)), "give it a line in CLAIMS"


def test_every_claim_is_still_made_and_its_test_is_there() -> None:
    everything = said()
    for words, test in CLAIMS.items():
        assert any(words in sentence for sentence in everything), f"nobody says {words!r} any more"
        file, _, name = test.partition("::")
        assert re.search(rf"def {name}\b", (ROOT / "tests" / file).read_text("utf-8")), test
