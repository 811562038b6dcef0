"""The picture of one step taken apart: what is written is the file's lines, and adds up."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.network.cells.plain import PLAIN
from engine.probes.inside import equations
from tests.finished_run import finish_run
from tui.cli import main
from tui.rendering.inside_picture import histogram, number, summed, written

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


def test_an_expression_is_written_with_the_numbers_of_the_unit() -> None:
    values = {"z": np.array([0, 0.25]), "step.n": np.array([0, -0.5]), "a": np.array([0, 1e-7])}
    assert written("(1 - z) * step.n ** 2 + np.tanh(a)", values, 1) == "(1 − 0.250) · (−0.500)² + tanh(1.00e−7)"
    assert written("sigmoid(a)", values, 0) == "σ(0)"
    assert written("z @ weight_hh", values, 1) is None
    assert written("np.split(z, 2)", values, 1) is None


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (-0.25, "−0.250"), (999.9, "999.900"), (0.00123, "1.23e−3"), (float("nan"), "nan")]
)
def test_a_number_has_three_digits(value: float, text: str) -> None:
    assert number(value) == text


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
        (["--layer", "0"], "--layer 0: is not one of 1 to 1"),
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
