"""Drawing characters: what temperature, top-k and top-p leave, seeds, prompts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from engine.network.model import Model
from engine.network.parameters import Architecture, initialize
from engine.network.sampling import Choice, Sampler, draw, generate, generate_many, weights
from tests.finished_run import finish_run
from tui.cli import main

LOGITS = np.log(np.array([0.5, 0.25, 0.15, 0.1]))


def distribution(logits: np.ndarray, choice: Choice) -> np.ndarray:
    shares = weights(logits, choice)
    return np.asarray(shares / shares.sum())


def test_distributions_have_their_closed_forms() -> None:
    np.testing.assert_allclose(distribution(LOGITS, Choice(1.0)), [0.5, 0.25, 0.15, 0.1])
    squared = np.array([0.5, 0.25, 0.15, 0.1]) ** 2
    np.testing.assert_allclose(distribution(LOGITS, Choice(0.5)), squared / squared.sum())
    np.testing.assert_allclose(distribution(LOGITS, Choice(1.0, top_k=2)), [2 / 3, 1 / 3, 0, 0])
    np.testing.assert_allclose(distribution(LOGITS, Choice(1.0, top_p=0.7)), [2 / 3, 1 / 3, 0, 0])
    np.testing.assert_allclose(distribution(LOGITS, Choice(1.0, top_p=1e-9)), [1, 0, 0, 0])
    assert distribution(LOGITS, Choice(0.0)).tolist() == [1, 0, 0, 0]


def test_draws_follow_the_distribution() -> None:
    rng = np.random.default_rng(0)
    shares = np.array([1.0, 0.0, 0.6, 0.4])
    counts = np.bincount([draw(shares, rng) for _ in range(20_000)], minlength=4)
    np.testing.assert_allclose(counts / 20_000, [0.5, 0, 0.3, 0.2], atol=0.015)
    assert counts[1] == 0


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_greedy_follows_the_models_own_logits(cell: str) -> None:
    model = Model(initialize(Architecture(cell, 12, 10, 2, 6), np.random.default_rng(3)))
    prompt = np.array([1, 5, 2])
    sampler = Sampler(model, np.random.default_rng(0))
    sampler.prime(prompt)
    codes = [code for code, _ in generate(sampler, Choice(0.0), 8)]
    text = np.concatenate([prompt, codes])[:, None]
    logits = model.forward(model.workspace(len(text), 1, train=False), text)
    assert logits.argmax(axis=0)[len(prompt) - 1 : -1].tolist() == codes


def test_the_same_seed_draws_the_same_text_and_reset_forgets() -> None:
    model = Model(initialize(Architecture("gru", 12, 10, 1, 6), np.random.default_rng(3)))
    texts = []
    for seed in (1, 1, 2):
        sampler = Sampler(model, np.random.default_rng(seed))
        texts.append([code for code, _ in generate(sampler, Choice(1.0), 40)])
    assert texts[0] == texts[1] != texts[2]
    sampler = Sampler(model, np.random.default_rng(1))
    greedy = [code for code, _ in generate(sampler, Choice(0.0), 5)]
    sampler.reset()
    assert [code for code, _ in generate(sampler, Choice(0.0), 5)] == greedy


@pytest.mark.parametrize("top_k", [0, 2])
@pytest.mark.parametrize(("logits", "temperature"), [((0.0, 1.0, 3.0, 2.0), 5e-324), ((0.0, 1.0, np.inf, 2.0), 1.0)])
def test_nothing_is_too_cold_and_no_logit_too_large_to_draw_from(
    logits: tuple[float, ...], temperature: float, top_k: int
) -> None:
    with np.errstate(invalid="ignore"):  # of infinities, as in a network that is exploding
        shares = weights(np.array(logits, np.float32), Choice(temperature, top_k))
    np.testing.assert_array_equal(shares, [0, 0, 1, 0])
    assert draw(shares, np.random.default_rng(0)) == 2


@pytest.mark.parametrize(
    "choice", [Choice(0.0), Choice(0.5), Choice(2.0), Choice(1.0, top_k=2), Choice(1.0, top_p=0.3)]
)
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_character_has_the_networks_own_probability_however_it_was_drawn(cell: str, choice: Choice) -> None:
    torch = pytest.importorskip("torch")
    from tests.torch_model import TorchModel

    model = Model(initialize(Architecture(cell, 12, 10, 2, 6), np.random.default_rng(3)))
    sampler = Sampler(model, np.random.default_rng(0))
    prompt = np.array([1, 5, 2])
    sampler.prime(prompt)
    drawn = list(generate(sampler, choice, 30))
    text = np.concatenate([prompt, [code for code, _ in drawn]])[:, None]
    with torch.no_grad():
        own = torch.softmax(TorchModel(model.parameters)(text)[0][:, 0], dim=1).numpy()
    expected = [own[place, code] for place, (code, _) in enumerate(drawn, start=len(prompt) - 1)]
    np.testing.assert_allclose([probability for _, probability in drawn], expected, rtol=1e-4)
    assert max(expected) < 0.9  # a network that has learned nothing is sure of nothing, not even when it is greedy


def test_columns_are_drawn_as_each_would_be_alone() -> None:
    rng = np.random.default_rng(5)
    logits = rng.normal(size=(9, 4)) * 3
    logits[2, 1] = logits[7, 1] = logits[:, 1].max() + 1  # two are equally likely
    for choice in (Choice(0.0), Choice(0.7), Choice(1.0, top_k=3), Choice(1.5, top_p=0.6), Choice(1.0, 4, 0.8)):
        together = weights(logits, choice)
        alone = [weights(logits[:, column], choice) for column in range(4)]
        np.testing.assert_array_equal(together, np.stack(alone, axis=1))


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm", "mingru"])
def test_many_texts_at_once_are_those_of_their_seeds_alone(cell: str) -> None:
    model = Model(initialize(Architecture(cell, 12, 10, 2, 6), np.random.default_rng(3), np.float64))
    prompt = np.array([4, 7, 2])
    choice = Choice(0.9, top_p=0.95)
    rngs = [np.random.default_rng(seed) for seed in range(20, 27)]
    together = np.stack(list(generate_many(model, rngs, prompt, choice, 30)), axis=1)
    assert together.shape == (7, 30)
    for seed, text in zip(range(20, 27), together, strict=True):
        sampler = Sampler(model, np.random.default_rng(seed))
        sampler.prime(prompt)
        assert [code for code, _ in generate(sampler, choice, 30)] == text.tolist()


def test_a_run_prints_as_many_texts_as_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(finish_run(tmp_path / "calm-fox", steps=20))
    options = ["sample", run, "--length", "40", "--prompt", "the "]
    texts = []
    for seed in (3, 4, 5):
        assert main([*options, "--seed", str(seed)]) == 0
        texts.append(capsys.readouterr().out[:-1])
    assert main([*options, "--seed", "3", "--count", "3", "--json"]) == 0
    together = json.loads(capsys.readouterr().out)
    assert together == [{"seed": seed, "text": text} for seed, text in zip((3, 4, 5), texts, strict=True)]
    assert main([*options, "--seed", "3", "--count", "3"]) == 0
    lines = "".join(f"── seed {seed} ──\n{text}\n" for seed, text in zip((3, 4, 5), texts, strict=True))
    assert capsys.readouterr().out == lines
    for count in ("0", "1001"):
        assert main([*options, "--count", count]) == 2
        assert "is outside 1 to 1000" in capsys.readouterr().err
