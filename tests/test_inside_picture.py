"""The picture of one step taken apart: what is written is the file's lines, and adds up."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.network.cells.plain import PLAIN
from engine.probes.inside import equations, inside
from tests.finished_run import finish_run
from tests.test_probes_inside import CODES, TARGETS, network
from tui.cli import main
from tui.rendering.inside_numbers import histogram, number, summed
from tui.rendering.inside_picture import inside_picture, loss_in_words, written

NUMBERS = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-30)


def value_of(text: str) -> float:
    return float(text.replace("−", "-"))


@given(st.lists(NUMBERS, min_size=1, max_size=6))
def test_a_sum_adds_up_as_it_is_written(parts: list[float]) -> None:
    texts, total = summed(parts)
    whole = [value_of(text) for text in (*texts, total)]
    largest = max(abs(each) for each in (*parts, sum(parts)))
    assert sum(whole[:-1]) == pytest.approx(whole[-1], abs=largest * 1e-9)
    for part, shown in zip((*parts, sum(parts)), whole, strict=True):
        assert abs(part - shown) <= largest * 1.001e-3


def test_a_small_part_of_a_sum_is_not_written_as_nothing() -> None:
    assert summed([0.06614, 7.63e-6, 0.0]) == (["0.06614", "0.00001", "0"], "0.06615")
    assert summed([3.46e-3, 1e-9]) == (["3.460e−3", "0.000e−3"], "3.460e−3")


def test_an_expression_is_written_with_the_numbers_of_the_unit() -> None:
    values = {"z": np.array([0, 0.25]), "step.n": np.array([0, -0.5]), "a": np.array([0, 1e-7])}
    assert written("(1 - z) * step.n ** 2 + np.tanh(a)", values, 1) == "(1 − 0.250) · (−0.500)² + tanh(1.00e−7)"
    assert written("sigmoid(a)", values, 0) == "σ(0)"
    assert written("z @ weight_hh", values, 1) is None
    assert written("np.split(z, 2)", values, 1) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (-0.25, "−0.250"), (999.9, "999.900"), (0.05149, "0.0515"), (0.00123, "1.23e−3"), (float("nan"), "nan")],
)
def test_a_number_has_three_digits(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize("value", [0.99, 0.99647, -0.99976123, 0.999_999_6, 1 - 3e-8])
def test_near_one_the_slope_can_be_computed_by_hand_from_what_is_written(value: float) -> None:
    """1 − n² for tanh, z·(1 − z) for σ: with three decimals 0.99647 would give one eighth too much."""
    written_down = value_of(number(value))
    assert 1 - written_down**2 == pytest.approx(1 - value**2, rel=0.02)
    assert len(number(value)) <= 12


def test_parts_that_cancel_exactly_sum_to_zero() -> None:
    assert summed([1e-5, -1e-5]) == (["1.000e−5", "−1.000e−5"], "0")


def test_a_histogram_shows_shares_from_0_to_1_and_other_values_about_zero() -> None:
    assert histogram(np.array([0.01] * 8 + [0.99])) == "█" + " " * 10 + "▁"
    assert histogram(np.array([-1.0, 1.0, 1.0])) == "▄" + " " * 10 + "█"
    assert histogram(np.zeros(3)).strip() == ""


@pytest.mark.parametrize("cell", PLAIN)
def test_the_command_writes_every_line_of_the_file_that_has_numbers(
    cell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finish_run(tmp_path / cell, cell=cell, layers=2, steps=10)
    capsys.readouterr()
    monkeypatch.setenv("COLUMNS", "100")
    ask = ["inside", str(run), "the quick", "--at", "3", "--unit", "5", "--layer", "2"]
    assert main(ask) == 0
    picture = capsys.readouterr().out
    assert all(len(line) <= 100 for line in picture.splitlines())
    assert main([*ask, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["at"], said["layer"], said["target"], said["unit"]["number"]) == (3, 2, "q", 5)
    for function in (PLAIN[cell].step, PLAIN[cell].step_back):
        for equation in equations(function):
            if any(name in said["values"] for name in equation.names):
                assert f"{', '.join(equation.names)} = {equation.code}"[:90] in picture
    shown = re.search(r"^ +h = .*= (\S+) ", picture, re.MULTILINE)
    assert shown is not None
    assert value_of(shown[1]) == pytest.approx(said["unit"]["h"], abs=6e-4)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--at", "9"], "--at 9: is not one of 0 to 8"),
        (["--unit", "-1"], "--unit -1: is not one of 0 to"),
        (["--layer", "0"], "--layer 0: the network has one layer, number 1"),
    ],
)
def test_what_is_not_there_is_said(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finish_run(tmp_path / "run", steps=5)
    assert main(["inside", str(run), "the quick", *arguments]) == 2
    assert sentence in capsys.readouterr().err
    assert main(["inside", str(run), "t"]) == 2
    assert "two or more are needed" in capsys.readouterr().err


def remarks(cell: str) -> dict[str, str]:
    """By the first name that a line of the cell assigns, what is written after the line."""
    answer = inside(network(cell), CODES, TARGETS, position=2)
    written = [strip.text for strip in inside_picture(answer, "abcdefg", 0, 200)]
    found: dict[str, str] = {}
    for equation in (*answer.forward, *answer.backward):
        head = f"{', '.join(equation.names)} = {equation.code}"
        for text in written:
            if text.startswith(head):
                found[equation.names[0]] = text.partition("  # ")[2].strip()
    return found


@pytest.mark.parametrize(
    ("cell", "deltas"),
    [
        ("rnn", {"d_a"}),
        ("gru", {"d_a_r", "d_a_z", "d_a_n"}),
        ("lstm", {"d_a_i", "d_a_f", "d_a_g", "d_a_o"}),
        ("mingru", {"d_a_z", "d_n"}),
        ("minlstm", {"d_a_f", "d_a_i", "d_n"}),
    ],
)
def test_delta_is_named_where_it_is_computed(cell: str, deltas: set[str]) -> None:
    """δ_t is the gradient inside a non-linearity; the candidate of a cell without one is its own."""
    assert {name for name, remark in remarks(cell).items() if remark == "δ_t"} == deltas


def test_a_product_with_a_matrix_says_whether_it_takes_a_row_or_a_column() -> None:
    found = remarks("gru")
    assert found["x_r"] == "of unit u: Σ_k weight_ih[u, k] · x[k] + bias_ih[u]"
    assert found["h_r"] == "of unit u: Σ_k weight_hh[u, k] · h_before[k] + bias_hh[u]"
    assert found["through_z"] == "of unit u: Σ_k d_a_z[k] · weight_hz[k, u]"
    assert remarks("rnn")["through_h"] == "of unit u: Σ_k d_a[k] · weight_hh[k, u]"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "the mean of the 5 losses of the prompt, from a zero state."),
        ({"losses": 1, "last_only": True}, "the last loss of the prompt, from a zero state."),
        ({"source": "held-out"}, "the mean of the 5 losses of a window of held-out text, from a zero state."),
        (
            {"source": "window", "share": 1 / 32, "carried": True, "sequence": 2},
            "the mean of the 5 losses of each of 32 sequences; this is sequence 3, from the state that the window",
        ),
        (
            {"source": "window", "last_only": True, "share": 1.0},
            "the loss of the next training step, its last loss; it begins from a zero state",
        ),
    ],
)
def test_it_says_which_loss_goes_back(changes: dict[str, Any], words: str) -> None:
    answer = inside(network("rnn"), CODES, TARGETS, position=2)
    assert words in loss_in_words(replace(answer, **changes))


@pytest.mark.parametrize("scale", [0.0, 1e30, np.nan])
@pytest.mark.parametrize("cell", PLAIN)
def test_every_width_and_any_number_can_be_drawn(cell: str, scale: float) -> None:
    model = network(cell)
    model.parameters.flat *= scale
    with np.errstate(all="ignore"):
        answer = inside(model, CODES, TARGETS, position=0)
    for width in (1, 5, 20, 43, 44, 80):
        assert {strip.cell_length for strip in inside_picture(answer, "abcdefg", 4, width)} == {width}
