"""Where the loss is: the classes' losses against PyTorch and a counting model, and against the loss of a validation."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from engine.config import Config
from engine.probes.reading import Reading, read_whole
from engine.probes.where import Yardstick, where, yardstick
from engine.text.classes import CLASSES
from engine.text.corpus import Corpus, load_corpus
from engine.text.counting import ngram_character_losses, ngram_ladder
from engine.text.stretches import stretches
from engine.training.trainer import Trainer
from engine.training.training import train

SMALL = Config(text=("physics",), hidden=16, embedding=8, batch=8, seq=20, threads=1, workers=1, lr=1e-2)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load_corpus(SMALL.text)


@pytest.fixture(scope="module")
def trainer(corpus: Corpus) -> Trainer:
    trainer = Trainer(SMALL, len(corpus.vocabulary), corpus.train, corpus.valid)
    for _ in islice(train(trainer), 150):
        pass
    return trainer


def test_the_shares_add_up_and_weigh_to_the_validation_loss(corpus: Corpus, trainer: Trainer) -> None:
    assert trainer.validation is not None
    reading = Reading(trainer.model, trainer.validation)
    while not reading.is_done:
        reading.read_on()
    parts = stretches(len(corpus.valid))
    against = yardstick(corpus.train, corpus.valid, corpus.vocabulary, parts)
    found = where(np.concatenate(reading.losses()), against, step=trainer.steps)
    validated = trainer.validate()
    assert validated is not None
    assert found.characters == validated.counts.sum()
    assert found.share.sum() == pytest.approx(1, abs=1e-12)
    assert found.loss_share.sum() == pytest.approx(1, abs=1e-12)
    met = found.share > 0
    assert (found.share * found.losses)[met].sum() == pytest.approx(validated.mean, abs=1e-6)
    assert found.loss == pytest.approx(validated.mean, abs=1e-6)
    np.testing.assert_allclose(found.loss_share[met], (found.share * found.losses)[met] / validated.mean, rtol=1e-5)
    rungs = ngram_ladder(corpus.train, corpus.valid, len(corpus.vocabulary), parts).rungs
    best = min(rungs, key=lambda rung: rung.loss)
    assert found.n == best.n
    assert found.counting_loss == pytest.approx(best.loss, rel=1e-9)


def test_the_mean_of_a_class_is_of_its_characters_and_of_no_others() -> None:
    against = Yardstick(np.array([0, 0, 1, 7]), np.array([1.0, 3.0, 5.0, 0.5]), 4)
    found = where(np.array([2.0, 4.0, 1.0, 3.0]), against, 9)
    assert (found.step, found.n, found.characters, found.classes) == (9, 4, 4, CLASSES)
    absent = [np.nan] * 5
    np.testing.assert_array_equal(found.share, [0.5, 0.25, 0, 0, 0, 0, 0, 0.25])
    np.testing.assert_array_equal(found.loss_share, [0.6, 0.1, 0, 0, 0, 0, 0, 0.3])
    np.testing.assert_array_equal(found.losses, [3, 1, *absent, 3])
    np.testing.assert_array_equal(found.counting, [2, 5, *absent, 0.5])
    assert found.loss == 2.5


def test_counting_in_groups_gives_the_same(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A held-out text that is too long to be counted at once is counted group by group."""
    parts = stretches(len(corpus.valid))
    train = corpus.train[-3000:]
    by_length = list(ngram_character_losses(train, corpus.valid, len(corpus.vocabulary), parts))
    monkeypatch.setattr("engine.probes.where.COUNTED", 3000)
    found = yardstick(train, corpus.valid, corpus.vocabulary, parts)
    np.testing.assert_allclose(found.counting, np.concatenate(by_length[found.n - 1]), rtol=1e-12)
    sizes = np.cumsum([part.stop - part.start for part in parts])
    first = int(np.argmax(sizes >= 3000)) + 1
    assert 1 < first < len(parts)
    assert found.n == 1 + np.argmin([np.concatenate(losses[:first]).mean() for losses in by_length])


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_every_character_of_a_text_has_the_loss_that_pytorch_gives_it(cell: str, corpus: Corpus) -> None:
    """PyTorch reads the text from its beginning to its end in one go, with the training text before it."""
    torch = pytest.importorskip("torch")
    from tests.torch_model import TorchModel

    trainer = Trainer(SMALL.replace(cell=cell), len(corpus.vocabulary), corpus.train, corpus.valid)
    for _ in islice(train(trainer), 60):
        pass
    reading = read_whole(trainer.model.in_double(), corpus.train, corpus.valid, likeliest=3)
    with torch.no_grad():
        codes = corpus.codes[-len(corpus.valid) - 4000 :].astype(np.int64)
        logits, _ = TorchModel(trainer.parameters, torch.float64)(codes[:-1, None])
        logs = torch.log_softmax(logits[-len(corpus.valid) :, 0], dim=1)
    losses = -logs[torch.arange(len(corpus.valid)), torch.tensor(codes[-len(corpus.valid) :])].numpy()
    found = np.concatenate(reading.losses)
    assert found.mean() == pytest.approx(losses.mean(), abs=1e-5)
    assert np.abs(found - losses).max() < 1e-3  # the state before each of the 32 stretches has read 1,000 characters
    chances, best = torch.exp(logs).topk(3, dim=1)
    np.testing.assert_allclose(np.concatenate([each.chances for each in reading.guesses]), chances, atol=1e-3)
    codes = np.concatenate([each.codes for each in reading.guesses])
    assert np.mean(codes == best.numpy()) > 0.99  # near ties may change places
