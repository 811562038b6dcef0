"""Held-out text in blocks from all over the text: no window and no n-gram crosses a boundary, wherever it is read."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from engine.config import Config, from_mapping
from engine.errors import ConfigError
from engine.probes.where import yardstick
from engine.runs.kept_text import load_text
from engine.runs.reader import RunReader
from engine.session.start import new_session, resumed_session
from engine.sweep.grid import read_grid
from engine.text.classes import classes_of
from engine.text.corpus import Corpus, load_corpus
from engine.text.counting import ngram_ladder, ngram_losses
from engine.text.split import split
from engine.training.batches import Batches
from engine.training.trainer import Trainer
from engine.training.validation import ValidationText
from tests.test_ngrams import START, PlainKneserNey
from tui.cli import main

SMALL = Config(
    text=("physics",), hidden=8, embedding=4, batch=4, seq=10, threads=1, workers=1, steps=60, validation=0.1, blocks=10
)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load_corpus(SMALL.text, validation=0.1, test=0.05, blocks=10)


@pytest.mark.parametrize("length", [0, 7, 100, 1001, 44_444])
@pytest.mark.parametrize(("validation", "test"), [(0.1, 0.0), (0.0, 0.3), (0.25, 0.2), (0.5, 0.4)])
@pytest.mark.parametrize("blocks", [1, 3, 10])
def test_the_parts_take_turns_and_are_the_text(length: int, validation: float, test: float, blocks: int) -> None:
    parts = split(length, validation, test, blocks)
    turns = [part for pair in zip(parts.training, parts.validation, strict=False) for part in pair] or [*parts.training]
    turns.append(parts.test)
    assert turns[0].start == 0
    assert turns[-1].stop == length
    assert all(one.stop == other.start for one, other in pairwise(turns))
    sizes = [part.stop - part.start for part in parts.validation]
    assert sum(sizes) == min(round(length * validation), length - round(length * test))
    assert not sizes or (len(sizes) == blocks and max(sizes) - min(sizes) <= 1)


def test_a_share_and_spread_stand_for_ten_blocks() -> None:
    assert from_mapping({"validation": "0.2:spread"}) == Config(validation=0.2, blocks=10)
    assert read_grid({"validation": "0.2:spread", "seed": "1,2", "steps": 5}, Config()).first.blocks == 10
    with pytest.raises(ConfigError) as refused:
        from_mapping({"validation": "x:spread"})
    assert refused.value.problems == {"validation": "'x' is not a number"}


def test_no_window_crosses_a_boundary_and_each_part_begins_anew() -> None:
    """Every character is its own place: in each stream of each window, places follow each other."""
    places = np.concatenate([np.arange(100, 200), np.arange(1000, 1055), np.arange(5000, 5203)])
    batches = Batches(places, 3, 10, (0, 100, 155))
    begun, read = [], set()
    before = np.zeros(3)
    for index in range(batches.windows_per_epoch):
        inputs, targets = batches.window(index)
        assert (np.diff(np.vstack([inputs, targets[-1:]]), axis=0) == 1).all()
        np.testing.assert_array_equal(targets[:-1], inputs[1:])
        if batches.is_first(index):
            begun.append(int(inputs.min()))
        else:
            np.testing.assert_array_equal(inputs[0], before)
        before = targets[-1]
        read |= set(targets.ravel().tolist())
    assert begun == [100, 1000, 5000]
    assert read >= set(range(101, 191)) | set(range(5001, 5201))
    with pytest.raises(ConfigError, match="the shortest of the 3 training parts of the text has 55"):
        Batches(places, 3, 55, (0, 100, 155))


def test_each_part_is_trained_from_a_zero_state(corpus: Corpus) -> None:
    """The loss of a part's first step is that of its window after a zero state, and of no other step."""
    trainer = Trainer(SMALL, len(corpus.vocabulary), corpus.train, corpus.valid, starts=corpus.train_starts)
    work = trainer.model.workspace(SMALL.seq, SMALL.batch, train=False)
    begun, third = [], trainer.batches.windows_per_epoch // 3
    for index in range(third):
        from_zero = float(trainer.model.losses(work, *trainer.batches.window(index)).mean())
        state = trainer.next_window(0).state
        if trainer.step().loss == pytest.approx(from_zero, rel=1e-6):
            begun.append(index)
            assert state is None
        else:
            assert state is not None
    assert len(begun) == 4  # a third of the epoch has the first three parts, and the beginning of the fourth
    assert [
        index for index in range(trainer.batches.windows_per_epoch // 3) if trainer.batches.is_first(index)
    ] == begun


def test_probes_read_one_block_and_no_boundary(corpus: Corpus) -> None:
    block = corpus.split.validation[0]
    np.testing.assert_array_equal(corpus.held_out(10), corpus.codes[block])
    np.testing.assert_array_equal(corpus.held_out(block.stop - block.start), corpus.before)


def test_one_part_is_read_as_ever() -> None:
    one, other = (Batches(np.arange(1000), 4, 7, *starts) for starts in ((), ((0,),)))
    for index in range(one.windows_per_epoch):
        assert one.is_first(index) == (index == 0)
        np.testing.assert_array_equal(one.window(index), other.window(index))


def test_each_held_out_character_is_measured_behind_what_stands_before_it_in_the_text(corpus: Corpus) -> None:
    places = np.arange(corpus.length)
    first = len(corpus.before)
    text = ValidationText(places[:first], places[first : corpus.split.test.start], corpus.measured(None))
    measured = []
    for index in range(text.windows):
        inputs, targets = text.window(index)
        np.testing.assert_array_equal(targets[text.measured(index)] - 1, inputs[text.measured(index)])
        measured += targets[text.measured(index)].tolist()
    blocks = np.concatenate([places[block] for block in corpus.split.validation])
    np.testing.assert_array_equal(np.sort(measured), blocks)
    np.testing.assert_array_equal(corpus.codes[blocks], corpus.valid)
    assert len(corpus.measured()) <= 32
    assert not set(blocks.tolist()) & set(np.concatenate([places[part] for part in corpus.split.training]).tolist())


def test_no_n_gram_crosses_a_boundary() -> None:
    """Against the formula, counted in parts that each begin as a text does."""
    random = np.random.default_rng(0)
    text = random.geometric(0.35, 900).clip(max=6) - 1
    text[1::3] = text[::3]
    # Training parts 0 … 299 and 400 … 699; the blocks behind them are held out. The first part comes last.
    first, second, held_out = text[:300], text[400:700], text[300:]
    train = np.r_[second, np.full(16, 6), first]
    parts = [slice(0, 100), slice(400, 600)]
    plain = [PlainKneserNey([*second.tolist(), *[START] * 16, *first.tolist()], 6, n) for n in range(1, 8)]
    whole = text.tolist()
    wanted = [(model.loss(whole, 300, 400) + 2 * model.loss(whole, 700, 900)) / 3 for model in plain]
    found = [each.mean for each in ngram_losses(train, held_out, 6, parts, 7)]
    np.testing.assert_allclose(found, wanted)
    joined = [each.mean for each in ngram_losses(np.r_[second, first], held_out, 6, parts, 7)]
    assert found != pytest.approx(joined, abs=1e-6)
    assert ngram_ladder(train, held_out, 6, parts).counted == 600


def test_the_classes_are_those_of_the_text_as_it_stands(corpus: Corpus) -> None:
    parts = corpus.measured(None)
    found = np.concatenate(classes_of(corpus.counted, corpus.after, corpus.vocabulary, parts))
    assert len(found) == len(corpus.valid)
    against = yardstick(corpus.counted, corpus.after, corpus.vocabulary, parts)
    np.testing.assert_array_equal(against.classes, found)


def test_a_run_resumes_with_its_blocks_and_is_evaluated_on_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], corpus: Corpus
) -> None:
    torch = pytest.importorskip("torch")
    from tests.torch_model import TorchModel

    config = SMALL.replace(test=0.05)
    new_session(config, tmp_path / "whole").run()
    new_session(config.replace(steps=25), tmp_path / "run").run()
    resumed_session(tmp_path / "run", 60).run()
    runs = [RunReader(tmp_path / name) for name in ("whole", "run")]
    assert runs[0].weights().flat.tobytes() == runs[1].weights().flat.tobytes()
    record = runs[1].record
    assert (record.held_out, record.config.blocks) == (len(corpus.valid), 10)
    assert load_text(runs[1].path, record).split == corpus.split
    assert record.ladder is not None
    assert record.ladder.counted == len(corpus.train)

    capsys.readouterr()
    assert main(["eval", str(tmp_path / "run"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    losses = []
    model = TorchModel(runs[1].weights(), torch.float64)
    for block in corpus.split.validation:  # read from 1,000 characters before each block
        codes = corpus.codes[max(block.start - 1001, 0) : block.stop].astype(np.int64)
        with torch.no_grad():
            logits, _ = model(codes[:-1, None])
        each = torch.nn.functional.cross_entropy(logits[:, 0], torch.tensor(codes[1:]), reduction="none").numpy()
        losses.append(each[-(block.stop - block.start) :])
    assert said["characters"] == len(corpus.valid)
    assert said["loss"] == pytest.approx(np.concatenate(losses).mean(), abs=1e-4)
    assert sum(each["share"] for each in said["classes"]) == pytest.approx(1)
    assert main(["eval", str(tmp_path / "run"), "--by-position", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["windows"] % 10 == 0
