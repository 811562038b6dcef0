"""`charrnn-tui eval`: classes and other texts against sums and PyTorch, the page, and the weights that are shown."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.network.model import Model
from engine.network.sampling import Choice, Sampler, generate
from engine.runs.reader import RunReader
from engine.text.classes import CLASSES
from engine.text.vocabulary import Vocabulary
from tests.command_line import printed, refused
from tests.finished_run import TEXT, finish_run
from tui.cli import main

STRANGE = 'the fox\n<b title="x">& the \x1b[31mdog\'s\u2028 (quick) lazy dog\n'


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("runs")
    return {cell: finish_run(place / cell, cell=cell, steps=60) for cell in ("rnn", "gru", "lstm")}


@pytest.fixture
def run(runs: dict[str, Path]) -> Path:
    return runs["gru"]


def asked(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(printed(capsys, "eval", *arguments, "--json")[0])
    return answer


def test_the_classes_add_up_to_the_loss(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = asked(capsys, run)
    rows = said["classes"]
    assert [row["class"] for row in rows] == list(CLASSES)
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    assert sum(row["loss_share"] for row in rows) == pytest.approx(1)
    met = [row for row in rows if row["share"]]
    assert {row["loss"] for row in rows if not row["share"]} == {None}  # no digit is in the text
    assert sum(row["share"] * row["loss"] for row in met) == pytest.approx(said["loss"], abs=1e-9)
    assert sum(row["share"] * row["counting"] for row in met) == pytest.approx(said["counting"]["loss"], abs=1e-9)
    words, _ = printed(capsys, "eval", run)
    for row in met:
        assert f"{row['share']:.1%}" in words
        assert f"{row['loss']:.3f}" in words
        assert f"{row['counting']:.3f}" in words


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_another_text_is_read_from_its_beginning(
    cell: str, runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch = pytest.importorskip("torch")
    from tests.torch_model import TorchModel

    run = RunReader(runs[cell])
    other = "over the dog jumps a lazy fox (quick)\n" * 40
    (tmp_path / "other.txt").write_text(other + "ZZ7")
    said = asked(capsys, runs[cell], tmp_path / "other.txt")
    codes, _ = Vocabulary(run.vocabulary).encode(other)
    with torch.no_grad():
        logits, _ = TorchModel(run.weights(), torch.float64)(codes[:-1, None].astype(np.int64))
    expected = float(torch.nn.functional.cross_entropy(logits[:, 0], torch.tensor(codes[1:].astype(np.int64))))
    assert (said["characters"], said["left_out"], said["text"]) == (len(other) - 1, 3, "other.txt")
    assert said["loss"] == pytest.approx(expected, abs=1e-5)
    words, complaint = printed(capsys, "eval", runs[cell], tmp_path / "other.txt")
    assert f"all {len(other) - 1:,} characters of other.txt after its first" in words
    assert complaint == "charrnn-tui: other.txt: the run's text has no '7', 'Z'; 3 left out\n"


def test_without_the_runs_text_the_loss_of_another_is_still_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finish_run(tmp_path / "run")
    (tmp_path / "fox.txt").unlink()
    (tmp_path / "other.txt").write_text(TEXT)
    words, complaint = printed(capsys, "eval", run, tmp_path / "other.txt")
    assert "nats" in words
    assert "class" not in words
    assert complaint.startswith(f"charrnn-tui: {run}: counting models needs the run's text: ")
    assert len(complaint.splitlines()) == 1
    assert "the loss needs the run's text" in refused(capsys, "eval", run)


@pytest.mark.parametrize(("text", "why"), [("Z", "has fewer than two characters"), ("", "is empty")])
def test_a_text_that_cannot_be_measured_is_refused(
    text: str, why: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.txt").write_text(text)
    capsys.readouterr()
    assert main(["eval", str(run), str(tmp_path / "other.txt")]) == 2
    assert why in capsys.readouterr().err.splitlines()[-1]


def test_a_part_is_one_of_the_runs_own_text(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "leave out TEXT" in refused(capsys, "eval", run, tmp_path / "other.txt", "--part", "test")
    assert "name one, or leave it out" in refused(capsys, "eval", run, "--encoding", "latin-1")


class Page(HTMLParser):
    """Its coloured characters: what is shown, the class, the words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.shown: list[tuple[str, str, str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.tags.append((tag, given))
        self._inside = "data-p" in given
        if self._inside:
            self.shown.append(("", given["class"] or "", given["data-p"] or ""))

    def handle_data(self, data: str) -> None:
        if self._inside:
            text, style, words = self.shown[-1]
            self.shown[-1] = text + data, style, words

    def handle_endtag(self, tag: str) -> None:
        self._inside = False


def test_the_page_colours_each_character_and_says_what_was_expected(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.txt").write_text(STRANGE)
    strange = finish_run(tmp_path / "run", text=(str(tmp_path / "other.txt"),), validation=0.0, batch=1, seq=5)
    printed(capsys, "eval", strange, tmp_path / "other.txt", "--html", tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text("utf-8")
    page = Page(text)
    assert [shown for shown, _, _ in page.shown][:8] == ["h", "e", " ", "f", "o", "x", "⏎\n", "<"]
    assert len(page.shown) == len(STRANGE) - 1
    assert "\x1b" not in text
    assert "\u2028" not in text
    assert {tag for tag, _ in page.tags} <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "p", "i", "table", "tr", "th", "td", "pre", "div"),
        "script",
    }
    assert not any(name in given for _, given in page.tags for name in ("src", "href", "onload"))
    reader = RunReader(strange)
    vocabulary = Vocabulary(reader.vocabulary)
    codes, _ = vocabulary.encode(STRANGE)
    model = Model(reader.weights().astype(np.float64))
    logits = model.forward(model.workspace(len(codes) - 1, 1, train=False), codes[:-1, None])
    chances = np.exp(logits - logits.max(axis=0))
    chances /= chances.sum(axis=0)
    for place, (_, style, words) in enumerate(page.shown):
        found = re.fullmatch(r".+: probability (\S+%|\S+), (\S+) bits; likeliest (.+)", words)
        assert found is not None, words
        bits = -np.log2(chances[codes[place + 1], place])
        assert float(found[2]) == pytest.approx(bits, abs=0.006)
        assert int(style[1:]) == pytest.approx(min(bits * 2, 16), abs=1)
        best = np.sort(chances[:, place])[::-1][:3]
        assert [float(each) / 100 for each in re.findall(r"(\S+)%", found[3])] == pytest.approx(best, abs=6e-4)


def test_a_long_text_is_shown_as_far_as_a_page_goes(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.cli.eval.LONGEST_PAGE", 50)
    printed(capsys, "eval", run, "--html", tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text("utf-8")
    assert len(Page(text).shown) == 50
    assert f"The first 50 of {len(TEXT) * 6:,} characters are shown." in text
    assert "cannot be written" in refused(capsys, "eval", run, "--html", tmp_path / "no" / "page.html")


# --- which weights ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [("eval",), ("probe", "the fox"), ("gradients",), ("inside", "the fox")])
def test_every_command_shows_the_weights_that_are_asked_for(
    command: tuple[str, ...], run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *prompt = command
    for which, step in (("latest", "60"), ("20", "20"), ("best", "60, the best")):
        words, _ = printed(capsys, name, run, *prompt, "--weights", which)
        assert f"step {step}" in " ".join(words.split())
    assert "no weights are kept of step 21; those kept are 0, 1, 2, 5" in refused(
        capsys, name, run, *prompt, "--weights", "21"
    )
    figures = {printed(capsys, name, run, *prompt, "--json", "--weights", which)[0] for which in ("latest", "0", "20")}
    assert len(figures) == 3


def test_a_sample_is_drawn_from_the_weights_that_are_asked_for(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reader = RunReader(run)
    vocabulary = Vocabulary(reader.vocabulary)
    sampler = Sampler(Model(reader.weights(20)), np.random.default_rng(0), vocabulary.characters.index("\n"))
    sampler.prime(np.zeros(0, int))
    codes = [code for code, _ in generate(sampler, Choice(0.8, 0, 1.0), 40)]
    words, _ = printed(capsys, "sample", run, "--length", "40", "--weights", "20")
    assert words == vocabulary.decode(np.array(codes)) + "\n"


@pytest.mark.parametrize("which", ["", "worst", "-1", "1.5", "٣", "9" * 19])
def test_other_words_for_weights_are_refused(which: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["sample", str(run), f"--weights={which}"])
    assert left.value.code == 2
    assert "none of latest, best, or a step" in capsys.readouterr().err
