"""`charrnn-tui cells`: the numbers against PyTorch, the picture, the page and the image; pictures of `gradients`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from engine.runs.reader import RunReader
from engine.session.messages import Cells, Feature
from engine.text.vocabulary import Vocabulary
from tests.command_line import answered, refused
from tests.finished_run import finish_run
from tui.cli import main
from tui.rendering.cells_page import cells_page

PROMPT = "the quick brown fox (jumps)\n"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("runs")
    layers = {"rnn": 1, "gru": 2, "lstm": 1}
    return {cell: finish_run(place / cell, cell=cell, layers=count) for cell, count in layers.items()}


@pytest.mark.parametrize(("cell", "layer"), [("rnn", 1), ("gru", 1), ("gru", 2), ("lstm", 1)])
def test_the_values_are_the_states_that_pytorch_has(
    cell: str, layer: int, runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    from tests.torch_states import unroll

    said = json.loads(answered(capsys, "cells", runs[cell], PROMPT, "--layer", layer, "--json"))
    run = RunReader(runs[cell])
    codes, _ = Vocabulary(run.vocabulary).encode(PROMPT)
    states = unroll(run.weights(), codes[:, None]).states(layer - 1, "h")
    expected = np.stack([state.detach().numpy()[0] for state in states], axis=1)
    np.testing.assert_allclose(said["values"], expected, rtol=1e-6, atol=1e-9)
    assert (said["text"], said["layer"], said["kind"], said["step"]) == (PROMPT, layer, "h", 30)
    assert said["order"] == list(range(8))


def test_units_are_sorted_as_asked_and_the_picture_has_each(
    runs: dict[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = json.loads(answered(capsys, "cells", runs["gru"], PROMPT, "--sort", "variance", "--json"))
    variances = np.var(said["values"], axis=1)
    assert said["order"] == np.argsort(-variances, kind="stable").tolist()
    np.testing.assert_allclose(said["score"], variances)
    words = answered(capsys, "cells", runs["gru"], PROMPT, "--sort", "variance", "--kind", "z")
    assert "z of layer 1/2 · by variance" in " ".join(words.split())
    assert len(set(re.findall(r"^\s*▸?(\d) .*[░▒▓█]", words, re.MULTILINE))) == 8
    assert "the quick" in answered(capsys, "cells", runs["lstm"], "--kind", "c").replace("⏎", " ")  # held-out text


def page_data(file: Path) -> dict[str, Any]:
    text = file.read_text("utf-8")
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 2  # nothing in the data ends the script early
    assert not re.search(r"\b(src|href)=", text)
    found: dict[str, Any] = json.loads(scripts[0])
    return found


def test_the_page_has_the_values_in_the_order_of_its_rows(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = ("--html", tmp_path / "page.html")
    said = json.loads(answered(capsys, "cells", runs["lstm"], PROMPT, "--sort", "variance", "--json", *page))
    data = page_data(tmp_path / "page.html")
    assert data["order"] == said["order"]
    np.testing.assert_allclose(data["values"], np.array(said["values"])[said["order"]], atol=5.1e-4)
    assert data["high"] == 1
    signs = {"\n": "⏎", " ": "␣"}
    assert data["names"] == [f"‹{signs.get(char, char)}›" for char in PROMPT]
    text = (tmp_path / "page.html").read_text("utf-8")
    assert text.count("<i>") == len(PROMPT)


def test_no_text_can_end_the_page_or_its_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strange = 'a</script><b onload="x">&\x1b[2J\u2028\n'
    (tmp_path / "other.txt").write_text(strange * 40)
    run = finish_run(tmp_path / "run", text=(str(tmp_path / "other.txt"),))
    answered(capsys, "cells", run, strange, "--html", tmp_path / "page.html", "--svg", tmp_path / "map.svg")
    assert len(page_data(tmp_path / "page.html")["names"]) == len(strange)
    text = (tmp_path / "page.html").read_text("utf-8")
    assert "<b" not in text.replace("<body", "")
    assert "\x1b" not in text
    ElementTree.parse(tmp_path / "map.svg")


def test_a_feature_of_any_name_stays_in_the_pages_data(tmp_path: Path) -> None:
    best = (Feature("</script><b>", 0, 0.5), Feature("unnamed", None, 0.1))
    cells = Cells(1, "ab", 0, "h", np.array([[0.5, np.nan]]), np.array([0]), np.array([0.0]), best)
    (tmp_path / "page.html").write_text(cells_page(cells, "rnn", "<title>"), "utf-8")
    data = page_data(tmp_path / "page.html")
    assert data["follow"] == {"0": ["</script><b>: r +0.50"]}
    assert data["values"] == [[0.5, None]]


def test_the_image_has_a_rectangle_for_each_value(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(capsys, "cells", runs["rnn"], PROMPT, "--svg", tmp_path / "map.svg")
    root = ElementTree.parse(tmp_path / "map.svg").getroot()
    fills = [each.get("fill") for each in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert len(fills) > 8 * len(PROMPT) // 2  # neighbours of one colour may be one rectangle
    monkeypatch.setattr("tui.cli.cells.MOST_ON_PAPER", 8 * len(PROMPT) - 1)
    assert "give a shorter TEXT, or use --html" in refused(
        capsys, "cells", runs["rnn"], PROMPT, "--svg", tmp_path / "map.svg"
    )


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--layer", "0"], "--layer 0: the network has one layer, number 1"),
        (["--layer", "2"], "--layer 2: the network has one layer, number 1"),
        (["--kind", "z"], "--kind z: a rnn has h"),
        (["--sort", "size"], "--sort size: is none of index, variance, bracket depth"),
        (["ZZ"], "TEXT: the run's text has none of its characters"),
        ([""], "TEXT: is empty"),
        (["--html", "no/page.html"], "no/page.html: cannot be written"),
    ],
)
def test_what_cannot_be_shown_is_refused(
    arguments: list[str], why: str, runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert why in refused(capsys, "cells", runs["rnn"], *arguments)


def test_without_the_runs_text_the_map_of_a_given_one_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finish_run(tmp_path / "run")
    (tmp_path / "fox.txt").unlink()
    capsys.readouterr()
    assert main(["cells", str(run), PROMPT]) == 0
    captured = capsys.readouterr()
    assert "unit 0" in captured.out
    assert "the map alone is shown" in captured.err
    assert "needs the run's text" in refused(capsys, "cells", run)
    assert "needs the run's text" in refused(capsys, "cells", run, PROMPT, "--sort", "upper case")


def test_gradients_are_written_as_a_page_and_as_an_image(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answered(capsys, "gradients", runs["gru"], "--html", tmp_path / "page.html", "--svg", tmp_path / "flow.svg")
    image = (tmp_path / "flow.svg").read_text("utf-8")
    texts = "".join(each.text or "" for each in ElementTree.fromstring(image).iter("{http://www.w3.org/2000/svg}text"))
    assert "‖G_0‖/‖G_9‖" in texts.replace(" ", "")
    assert "oflayer1/2" in texts.replace(" ", "")
    assert image.strip() in (tmp_path / "page.html").read_text("utf-8")
    assert "cannot be written" in refused(capsys, "gradients", runs["gru"], "--svg", tmp_path / "no" / "flow.svg")
