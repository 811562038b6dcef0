"""`charrnn-tui probe`: the numbers against autograd from the outside, the coloured text, pictures in files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from engine.runs.reader import RunReader
from engine.session.messages import LONGEST_PROMPT
from tests.command_line import printed, refused
from tests.finished_run import finish_run
from tui.cli import main

PROMPT = "the quick brown f"
SVG = "{http://www.w3.org/2000/svg}"
STYLE = re.compile(r"\x1b\[([\d;]*)m")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("runs")
    return {
        "rnn": finish_run(place / "rnn", cell="rnn", input="onehot"),
        "gru": finish_run(place / "gru", cell="gru"),
        "lstm": finish_run(place / "lstm", cell="lstm", layers=2),
    }


@pytest.fixture
def run(runs: dict[str, Path]) -> Path:
    return runs["gru"]


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")


def asked(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(printed(capsys, "probe", *arguments, "--json")[0])
    return answer


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_agrees_with_autograd(cell: str, runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch")
    from tests.torch_states import gradients, unroll

    said = asked(capsys, runs[cell], PROMPT)
    assert list(said) == ["prompt", "next", "targets", "connectivity"]
    assert said["prompt"] == PROMPT
    run = RunReader(runs[cell])
    judge = unroll(run.weights(), np.array([[run.vocabulary.index(char)] for char in PROMPT]))
    probability = torch.softmax(judge.logits[-1][0], 0).detach().numpy()
    assert said["targets"] == [*PROMPT[1:], run.vocabulary[probability.argmax()]]
    for s, target in enumerate(said["targets"]):
        logit = judge.logits[s][0, run.vocabulary.index(target)]
        expected = [np.linalg.norm(g) for g in gradients(logit, judge.inputs)]
        np.testing.assert_allclose(said["connectivity"][s], expected, rtol=1e-9, atol=0)
    assert [each["char"] for each in said["next"]] == [run.vocabulary[k] for k in np.argsort(-probability)]
    np.testing.assert_allclose([each["probability"] for each in said["next"]], -np.sort(-probability), rtol=1e-9)


def test_the_other_modes_are_the_square_and_the_loss(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logit, squared, loss = (
        np.array(asked(capsys, run, PROMPT, "--mode", mode)["connectivity"]) for mode in ("logit", "squared", "loss")
    )
    np.testing.assert_allclose(squared, logit**2)
    assert not np.allclose(loss[-1], logit[-1])
    assert loss.shape == logit.shape


def test_the_text_has_digits_candidates_reach_and_what_was_asked_about(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = asked(capsys, run, PROMPT)
    out, err = printed(capsys, "probe", run, PROMPT)
    assert err == ""
    assert "\x1b" not in out  # there is no terminal
    _, head, text, digits, *rest = out.splitlines()
    target = said["targets"][-1].replace(" ", "␣")
    assert f"‹f› → ‹{target}› probable" in head
    row = np.array(said["connectivity"][-1])
    reach = (row * np.arange(len(row))[::-1]).sum() / row.sum()
    assert f"max {row.max():.2f}" in head
    assert f"reach {reach:.1f}" in head
    assert text == f"› {PROMPT}{said['targets'][-1]}".rstrip()
    tenths = [min(int(share * 10), 9) for share in row / row.max()]
    assert digits == "  " + "".join(str(tenth) if tenth else "·" for tenth in tenths) + "▲"
    assert sum("%" in line for line in rest) == len(said["next"][:5]) == 5
    for each in said["next"][:5]:
        assert any(each["char"].replace(" ", "␣") in line and f"{each['probability']:.0%}" in line for line in rest)


@pytest.mark.parametrize(
    ("environment", "colour"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "48;2;"),
        ({"TERM": "xterm-256color"}, "48;5;"),
        ({"TERM": "xterm"}, "4[0-7]|10[0-7]"),
    ],
    ids=["truecolor", "256", "16"],
)
def test_colours_go_as_deep_as_the_terminal(
    environment: dict[str, str], colour: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = printed(capsys, "probe", run, PROMPT)[0]
    # In a process of its own: Rich remembers a style's codes from the first terminal that it was drawn for.
    command = [sys.executable, "-m", "tui", "probe", str(run), PROMPT]
    settings = {**os.environ, "FORCE_COLOR": "1", **environment}
    coloured = subprocess.run(command, env=settings, capture_output=True, text=True, check=True).stdout
    # What is styled may end in blanks.
    assert [line.rstrip() for line in STYLE.sub("", coloured).splitlines()] == plain.splitlines()
    backgrounds = {code for code in STYLE.findall(coloured) if re.search(rf"(?:^|;)(?:{colour})", code)}
    assert len(backgrounds) >= 3


def test_no_color_leaves_bold_and_underline(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    codes = {part for code in STYLE.findall(printed(capsys, "probe", run, PROMPT)[0]) for part in code.split(";")}
    assert codes <= {"0", "1", "2", "4", "7"}
    assert {"1", "4"} <= codes


def test_a_long_prompt_goes_over_several_lines(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prompt = "the lazy dog (jumps) over " * 12
    lines = printed(capsys, "probe", run, prompt)[0].splitlines()
    assert max(map(len, lines)) <= 80
    assert "".join(line[2:].ljust(78) for line in lines[2:10:2]).startswith(prompt)
    assert sum("%" in line for line in lines) == 5


def test_unknown_characters_are_named_and_left_out(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = printed(capsys, "probe", run, "the\x1b[2Jé quick", "--json")
    assert json.loads(out)["prompt"] == "the quick"
    assert "\x1b" not in err
    for char in ("'\\x1b'", "'['", "'2'", "'J'", "'é'"):
        assert char in err
    out, err = printed(capsys, "probe", run, "the\x1b[2Jé quick")
    assert "\x1b" not in out + err
    assert "Left out, not in the training text: ␛[2Jé" in out


@pytest.mark.parametrize(
    ("prompt", "reason"), [("", "is empty"), ("ÄÖÜ\x1b", "has none of its characters"), ("dog " * 501, "at most 2,000")]
)
def test_what_cannot_be_answered_is_refused(
    prompt: str, reason: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, "probe", run, prompt)
    assert reason in said
    assert "\x1b" not in said


def test_a_prompt_may_be_longer_than_in_the_dashboard(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(asked(capsys, run, "dog " * 130)["targets"]) == 520 > LONGEST_PROMPT


def test_options_without_a_prompt_are_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "probe", run, "--json", "--svg", "picture.svg", "--mode", "loss")
    assert "--json, --svg, --mode: needs a PROMPT" in said


def test_without_a_terminal_there_is_no_screen_to_type_at(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no terminal to draw on; give a PROMPT" in refused(capsys, "probe", run)


class Page(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_pictures_in_files_hold_the_text_and_need_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "markup.txt"
    text.write_text('<b>&amp;</b> <script>x</script> "漢字" it\'s\n' * 80)
    run = finish_run(tmp_path / "run", text=(str(text),), steps=2)
    prompt = "<script> & </b> \"漢字\" 'x'"
    image, page = tmp_path / "picture.svg", tmp_path / "picture.html"
    image.write_text("something else")
    printed(capsys, "probe", run, prompt, "--svg", image, "--html", page)
    root = ElementTree.fromstring(image.read_text())
    texts = root.iter(f"{SVG}text")
    drawn = [(float(each.attrib["x"]), float(each.attrib["y"]), each.text or "", each.attrib["fill"]) for each in texts]
    third = sorted(y for _, y, *_ in drawn)
    line = sorted(set(third))[2]
    row = [(x, char) for x, y, char, _ in drawn if y == line]
    known = prompt.replace(" ", "")
    assert "".join(char for _, char in row)[1 : 1 + len(known)] == known
    places = [x for x, _ in row]
    assert places == sorted(places)
    assert len({each.attrib["fill"] for each in root.iter(f"{SVG}rect")}) > 3
    found = Page(page.read_text())
    assert found.tags == {"html", "head", "meta", "title", "style", "body", "svg", "rect", "g", "text"}
    assert "漢" in found.words
    for written in (image.read_text(), page.read_text()):
        assert not re.search(r"url\(|@import|href|src=|http(?!://www\.w3\.org/2000/svg)", written)


def test_wide_characters_take_two_cells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "wide.txt"
    text.write_text("漢字仮名ab" * 80)
    run = finish_run(tmp_path / "run", text=(str(text),), steps=2)
    image = tmp_path / "picture.svg"
    printed(capsys, "probe", run, "漢a字b", "--svg", image)
    drawn = [
        (float(each.attrib["y"]), float(each.attrib["x"]), each.text)
        for each in ElementTree.fromstring(image.read_text()).iter(f"{SVG}text")
    ]
    lines = sorted({y for y, *_ in drawn})
    row = {char: x for y, x, char in reversed(drawn) if y == lines[2]}
    assert row["a"] - row["漢"] == 1.5 * 9
    assert row["字"] - row["a"] == 1.5 * 9
    assert row["b"] - row["字"] == 1.5 * 9


def test_a_file_that_cannot_be_written_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, "probe", run, PROMPT, "--svg", tmp_path / "no" / "picture.svg")
    assert "picture.svg: cannot be written" in said
    assert "cannot be written" in refused(capsys, "probe", run, PROMPT, "--html", tmp_path)


async def test_the_screen_opens_with_the_prompt_to_type_at(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tui.app.app import CharrnnApp
    from tui.app.memory import place, remember
    from tui.app.themes import LIGHT
    from tui.panes.connectivity import ConnectivityPane

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert (memory := place()) is not None
    assert not remember(memory, theme=LIGHT.name)

    opened: list[CharrnnApp] = []

    def open_only(app: CharrnnApp) -> int:
        opened.append(app)
        return 0

    monkeypatch.setattr(CharrnnApp, "run_until_left", open_only)
    monkeypatch.setattr("tui.cli.probe.require_terminal", lambda otherwise: None)
    assert main(["probe", str(run)]) == 0
    async with opened[0].run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert opened[0].theme == LIGHT.name  # as the last time

        await pilot.press(*"fox q")  # q is a letter here
        pane = opened[0].screen.query_one(ConnectivityPane)
        assert pane.has_focus
        for _ in range(200):
            await pilot.pause(0.02)
            drawn = [pane.render_line(y).text for y in range(pane.size.height)]
            if any("▲" in line for line in drawn):
                break
        assert any("▲" in line for line in drawn)
        assert drawn[1].startswith("› fox q")
        assert "‹q› → " in drawn[0]
