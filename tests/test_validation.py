"""What a validation measures, against programs that share nothing with it: PyTorch over the text from end to end."""

from __future__ import annotations

import json
import math
import threading
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config import Config
from engine.runs.record import read_record
from engine.session import baselines
from engine.session.baselines import Baselines
from engine.session.messages import View
from engine.session.snapshots import take_snapshot
from engine.session.start import new_session, resumed_session
from engine.text import brackets
from engine.text.corpus import Corpus, load_corpus
from engine.text.counting import Ladder, ngram_ladder
from engine.text.stretches import StretchLosses, stretches
from engine.training.trainer import Trainer
from engine.training.training import train
from engine.training.validation import ValidationText
from tests.small_run import trainer_in, validation_loss
from tui.cli import main

SMALL = Config(text=("physics",), hidden=24, embedding=12, batch=8, seq=20, threads=1, workers=1, lr=1e-2)


def trained(config: Config, corpus: Corpus, steps: int, **options: Any) -> Trainer:
    trainer = Trainer(config, len(corpus.vocabulary), corpus.train, corpus.valid, **options)
    for _ in islice(train(trainer), steps):
        pass
    return trainer


def torch_losses(trainer: Trainer, corpus: Corpus) -> np.ndarray:
    """The loss of each held-out character, (M,), by PyTorch in float64, which reads all of them in one go.

    It begins 3,000 characters before.
    """
    torch = pytest.importorskip("torch")
    from tests.torch_model import TorchModel

    judge = TorchModel(trainer.parameters, torch.float64)
    with torch.no_grad():
        codes = corpus.codes[-len(corpus.valid) - 3000 :].astype(np.int64)
        logits, _ = judge(codes[:-1, None])
    targets = torch.tensor(codes[1:])
    losses: np.ndarray = torch.nn.functional.cross_entropy(logits[:, 0], targets, reduction="none").numpy()
    return losses[-len(corpus.valid) :]


# --- what is measured -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 49, 50, 99, 1599, 5202, 51_199, 51_200, 51_201, 111_539, 10_000_000])
def test_no_character_is_measured_twice_and_short_texts_are_measured_whole(length: int) -> None:
    parts = stretches(length)
    assert 1 <= len(parts) <= 32
    assert all(one.stop <= other.start for one, other in pairwise(parts))
    assert 0 <= parts[0].start < parts[-1].stop <= length
    measured = sum(part.stop - part.start for part in parts)
    assert measured == min(length, 51_200)
    assert sum(part.stop - part.start for part in stretches(length, None)) == length


@pytest.mark.parametrize(("before", "length"), [(1, 1), (3, 70), (150, 333), (5000, 1601), (5000, 60_001)])
def test_a_network_reads_what_stands_before_each_measured_character(before: int, length: int) -> None:
    """Each measured target is the right character, after the right ones, and each is measured once."""
    text = np.arange(before + length)  # every character is its own place
    windows = ValidationText(text[:before], text[before:])
    measured = list[int]()
    inputs, targets = map(np.concatenate, zip(*map(windows.window, range(windows.windows)), strict=True))
    ones = [windows.sums(index, np.ones((windows.seq, windows.batch))) for index in range(windows.windows)]
    np.testing.assert_array_equal(sum(ones), windows.counts)
    for number, part in enumerate(stretches(length)):
        first = before + part.start
        context = min(200, before - 1)
        own = targets[context : context + part.stop - part.start, number]
        measured += own.tolist()
        start = first - context - 1
        stop = start + context + len(own)
        np.testing.assert_array_equal(inputs[: stop - start, number], np.arange(start, stop))
    assert measured == [before + place for part in stretches(length) for place in range(part.start, part.stop)]


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_loss_is_that_of_a_network_that_has_read_all_before(cell: str) -> None:
    """Not of one that has just begun to read: on a short text that was 0.02 to 0.09 nats more."""
    corpus = load_corpus(SMALL.text)
    trainer = trained(SMALL.replace(cell=cell), corpus, 300)
    judged = torch_losses(trainer, corpus)
    losses = trainer.validate()
    assert losses is not None
    assert losses.counts.sum() == len(corpus.valid)
    assert losses.mean == pytest.approx(judged.mean(), abs=1e-4)
    by_stretch = [judged[part] for part in stretches(len(corpus.valid))]
    np.testing.assert_allclose(losses.sums / losses.counts, [each.mean() for each in by_stretch], atol=2e-3)


def test_the_standard_error_is_how_much_the_mean_varies_between_texts() -> None:
    """2,000 samples of 32 stretches, whose means differ by 0.3 beside the characters' own spread of 1."""
    random = np.random.default_rng(0)
    counts = np.full(32, 50)
    sums = 50 * (random.normal(2, 0.3, (2000, 32)) + random.normal(0, 1 / math.sqrt(50), (2000, 32)))
    samples = [StretchLosses(each, counts) for each in sums]
    spread = np.std([each.mean for each in samples])
    assert np.mean([each.standard_error or 0 for each in samples]) == pytest.approx(spread, rel=0.05)
    assert StretchLosses(np.ones(1), np.ones(1, int)).standard_error is None


def test_units_that_are_held_are_measured_on_the_same_characters() -> None:
    """The effect of holding no unit is zero, and the two ways to compute a validation give the same."""
    corpus = load_corpus(SMALL.text)
    trainer = trained(SMALL.replace(hidden=6), corpus, 20)
    trainer.model.parameters["head.weight"][:, 2] = 0
    trainer.refresh()
    free, held = trainer.validate(), trainer.validate({0: ((2, 0.0),)})
    assert free is not None
    assert held is not None
    np.testing.assert_array_equal(free.counts, held.counts)
    trainer.model.parameters["rnn.weight_hh_l0"][:, 2] = 0  # now nothing depends on the unit
    trainer.refresh()
    assert validation_loss(trainer) == pytest.approx(validation_loss(trainer, {0: ((2, 0.5),)}), rel=1e-5)


# --- regret -----------------------------------------------------------------------------------------------------


def by_hand(text: str) -> list[float]:
    """−ln P of every character of a text that begins at depth 0."""
    depth, losses = 0, []
    for character in text:
        choices = 2 if depth in (0, 4) else 3
        losses.append(0.0 if character == " " else math.log(choices))
        depth += {"(": 1, ")": -1}.get(character, 0)
    return losses


def test_an_oracle_has_no_regret_on_the_very_characters_that_are_measured() -> None:
    corpus = load_corpus(["brackets:300000"])
    text = corpus.vocabulary.decode(corpus.codes)
    oracle = np.array(by_hand(text))
    np.testing.assert_allclose(brackets.oracle_losses(text), oracle)
    held_out = oracle[-len(corpus.valid) :]
    parts = stretches(len(corpus.valid))
    perfect = StretchLosses(
        np.array([held_out[part].sum() for part in parts]), np.array([part.stop - part.start for part in parts])
    )
    assert abs(perfect.mean - brackets.entropy_rate()) > 1e-5  # which is why the entropy rate is no yardstick here
    regret = Baselines(corpus, None).regret(perfect)
    assert regret is not None
    assert regret.mean == pytest.approx(0, abs=1e-12)
    assert regret.standard_error == pytest.approx(0, abs=1e-12)
    worse = StretchLosses(perfect.sums + 0.25 * perfect.counts, perfect.counts)
    regret = Baselines(corpus, None).regret(worse)
    assert regret is not None
    assert regret.mean == pytest.approx(0.25)
    assert Baselines(load_corpus(["physics"]), None).regret(perfect) is None


# --- in a run ---------------------------------------------------------------------------------------------------


def test_a_run_records_what_it_measured_and_counted(tmp_path: Path) -> None:
    """Also in a run that goes on, and the last validation is the whole held-out tenth of so short a text."""
    config = SMALL.replace(text=("brackets:20000",), steps=60)
    session = new_session(config, tmp_path / "run")
    session.run()
    corpus = load_corpus(config.text)
    snapshot = take_snapshot(session.loop, View(visible=()), urgent=False, obeyed=0)
    record = session.record
    assert (record.held_out, record.validated) == (session.info.held_out, session.info.validated) == (2000, 2000)
    assert record.ladder == snapshot.ladder
    assert record.ladder is not None
    assert record.ladder.counted == len(corpus.train)
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    best = min((row for row in rows if "val_loss" in row), key=lambda row: row["val_loss"])
    oracle = np.mean(by_hand(corpus.vocabulary.decode(corpus.codes))[-2000:])
    assert best["regret"] == pytest.approx(best["val_loss"] - oracle)
    assert 0 < best["regret_se"] < best["val_loss_se"] + best["regret"]
    assert (snapshot.regret, snapshot.regret_se) == (best["regret"], best["regret_se"])
    assert snapshot.val_loss_se == rows[-1]["val_loss_se"]
    again = resumed_session(tmp_path / "run", steps=70)
    kept = take_snapshot(again.loop, View(visible=()), urgent=False, obeyed=0)
    assert (kept.regret, kept.val_loss_se, kept.ladder) == (snapshot.regret, snapshot.val_loss_se, snapshot.ladder)
    again.close()


def test_the_training_does_not_wait_for_the_counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ladder is in a snapshot and in the run's files once it is counted, and a finished run has it in any case."""
    may_count = threading.Event()

    def late(*arguments: Any) -> Ladder:
        assert may_count.wait(60)
        return ngram_ladder(*arguments)

    monkeypatch.setattr(baselines, "ngram_ladder", late)
    loop = new_session(SMALL.replace(steps=30), tmp_path / "run").loop
    loop.change("training")
    while loop.trainer.steps < 20:
        assert loop.advance()
    loop.save("asked")
    assert take_snapshot(loop, View(visible=()), urgent=False, obeyed=0).ladder is None
    assert read_record(tmp_path / "run").ladder is None
    threading.Timer(0.5, may_count.set).start()  # long after the last step
    while loop.advance():
        pass
    ladder = take_snapshot(loop, View(visible=()), urgent=False, obeyed=0).ladder
    assert ladder is not None
    assert [rung.n for rung in ladder.rungs] == [*range(1, 10)]
    assert read_record(tmp_path / "run").ladder == ladder
    loop.close()


def test_a_run_goes_on_without_a_ladder_that_cannot_be_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*arguments: Any) -> Ladder:
        raise MemoryError

    monkeypatch.setattr(baselines, "ngram_ladder", no_memory)
    session = new_session(SMALL.replace(steps=30), tmp_path / "run")
    assert session.run() == "finished"
    assert session.record.ladder is None
    assert (tmp_path / "run" / "log.txt").read_text().count("Traceback") == 1


# --- the whole held-out text by a command -----------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_eval_prints_what_an_independent_program_computes(
    cell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = SMALL.replace(cell=cell, text=("saltmere",), validation=0.3, steps=100)
    session = new_session(config, tmp_path / "run")
    session.run()
    corpus = load_corpus(config.text, validation=0.3)
    assert session.info.validated < len(corpus.valid)
    judged = torch_losses(trainer_in(session), corpus).mean()
    capsys.readouterr()
    assert main(["eval", str(tmp_path / "run"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["characters"] == len(corpus.valid)
    assert found["loss"] == pytest.approx(judged, abs=1e-5)
    assert found["bits"] == pytest.approx(judged / math.log(2), abs=1e-5)
    assert found["perplexity"] == pytest.approx(math.exp(judged), rel=1e-5)
    assert main(["eval", str(tmp_path / "run")]) == 0
    words = capsys.readouterr().out
    assert f"{judged:.4f} ± " in words
    assert f"all {len(corpus.valid):,} held-out characters" in words
