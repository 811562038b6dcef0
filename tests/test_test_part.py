"""The part of a text that is kept for a test: nothing but `eval --part test` depends on it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from engine.config import Config
from engine.runs.kept_text import load_text
from engine.runs.reader import RunReader
from engine.session.start import new_session, resumed_session
from engine.text.corpus import load_corpus
from engine.text.split import split
from tests.finished_run import TEXT
from tui.cli import main

SMALL = Config(hidden=8, embedding=4, batch=2, seq=10, threads=1, workers=1, steps=60, validation=0.2, test=0.1)


@pytest.mark.parametrize("length", [0, 1, 2, 7, 100, 1001])
@pytest.mark.parametrize(("validation", "test"), [(0.1, 0.0), (0.0, 0.3), (0.1, 0.2), (0.5, 0.4)])
def test_the_parts_are_the_text_and_have_their_shares(length: int, validation: float, test: float) -> None:
    parts = split(length, validation, test)
    first, second = parts.training[-1].stop, parts.test.start
    assert 0 <= first <= second <= length
    assert length - second == round(length * test)
    assert second - first == min(round(length * validation), second)


def test_training_and_validation_do_not_depend_on_the_test_part(tmp_path: Path) -> None:
    """Two texts that differ only there, in letters that both have, give the same weights and the same figures."""
    text = TEXT * 60
    kept = round(len(text) * 0.1)
    found = []
    for name, end in (("one", text[-kept:]), ("other", text[-kept:][::-1])):
        (tmp_path / f"{name}.txt").write_text(text[:-kept] + end)
        session = new_session(SMALL.replace(text=(str(tmp_path / f"{name}.txt"),)), tmp_path / name)
        session.run()
        record, run = session.record, RunReader(tmp_path / name)
        assert (record.held_out, record.tested) == (round(len(text) * 0.2), kept)
        assert session.info.trained == len(text) - record.held_out - kept
        found.append((run.weights().flat.tobytes(), session.val_loss, record.ladder, record.fingerprint))
    assert found[0][:3] == found[1][:3]
    assert found[0][2] is not None
    assert found[0][3] != found[1][3]


def test_eval_measures_the_test_part_as_pytorch_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch")
    from tests.torch_model import TorchModel

    config = SMALL.replace(text=("physics",), lr=1e-2)
    new_session(config, tmp_path / "run").run()
    corpus = load_corpus(config.text)
    codes, kept = corpus.codes.astype(np.int64), round(corpus.length * 0.1)
    with torch.no_grad():
        logits, _ = TorchModel(RunReader(tmp_path / "run").weights(), torch.float64)(codes[:-1, None])
    losses = torch.nn.functional.cross_entropy(logits[:, 0], torch.tensor(codes[1:]), reduction="none").numpy()
    capsys.readouterr()
    for part, own in (("test", losses[-kept:]), ("held-out", losses[-3 * kept : -kept])):
        assert main(["eval", str(tmp_path / "run"), "--part", part, "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert (said["text"], said["characters"]) == (part, len(own))
        assert said["loss"] == pytest.approx(own.mean(), abs=1e-5)
        end = corpus.length - (kept if part == "held-out" else 0)
        text = corpus.vocabulary.decode(corpus.codes[end - len(own) : end])
        shares = {row["class"]: row["share"] for row in said["classes"]}
        assert sum(shares.values()) == pytest.approx(1)
        assert shares["line end"] == text.count("\n") / len(text)
        assert shares["blank"] == text.count(" ") / len(text)
    assert main(["eval", str(tmp_path / "run"), "--part", "test"]) == 0
    assert f"on all {kept:,} test characters" in capsys.readouterr().out


def test_a_resumed_run_keeps_its_test_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "fox.txt").write_text(TEXT * 60)
    new_session(SMALL.replace(text=(str(tmp_path / "fox.txt"),)), tmp_path / "run").run()
    (tmp_path / "fox.txt").rename(tmp_path / "moved.txt")
    again = resumed_session(tmp_path / "run", steps=70, text=[str(tmp_path / "moved.txt")])
    assert again.run() == "finished"
    run = RunReader(tmp_path / "run")
    assert len(load_text(run.path, run.record).tested) == run.record.tested == round(len(TEXT) * 60 * 0.1)
    capsys.readouterr()
    assert main(["train", "--resume", str(run.path), "--test", "0.3", "--headless"]) == 2
    assert "leave out --test" in capsys.readouterr().err


def test_without_a_test_part_there_is_nothing_to_measure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new_session(SMALL.replace(text=("physics",), test=0.0, steps=2), tmp_path / "run").run()
    capsys.readouterr()
    assert main(["eval", str(tmp_path / "run"), "--part", "test"]) == 2
    said = capsys.readouterr().err
    assert "no text was kept for a test; train with --test" in said
    assert len(said.splitlines()) == 1
