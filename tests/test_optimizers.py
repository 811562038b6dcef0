"""Optimisers, clipping and schedules step for step against PyTorch's."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.syntax import parse_clip, parse_schedule
from engine.training.optimizers import OPTIMIZERS, clip_to

TORCH = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "adagrad": ("Adagrad", {}),
    "rmsprop": ("RMSprop", {}),
    "adam": ("Adam", {}),
    "adamw": ("AdamW", {}),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fifty_steps_are_pytorchs(name: str) -> None:
    fifty_steps_are_pytorchs(name)


def test_fifty_steps_with_another_alpha_are_pytorchs() -> None:
    fifty_steps_are_pytorchs("rmsprop", alpha=0.95)


def fifty_steps_are_pytorchs(name: str, **changed: float) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    flat = rng.standard_normal(40)
    tensor = torch.tensor(flat.copy(), requires_grad=True)
    kind, options = TORCH[name]
    judge = getattr(torch.optim, kind)([tensor], lr=0.03, **options, **changed)
    own = OPTIMIZERS[name](flat)
    for setting, value in changed.items():
        setattr(own, setting, value)
    for _ in range(50):
        gradient = rng.standard_normal(40) * rng.choice([1e-4, 1.0, 10.0], 40)
        tensor.grad = torch.tensor(gradient.copy())
        judge.step()
        own.step(flat, gradient, 0.03)
    np.testing.assert_allclose(flat, tensor.detach().numpy(), rtol=1e-10, atol=1e-12)
    assert own.steps == 50


@pytest.mark.parametrize("scale", [1e-3, 1.0, 100.0])
def test_clipping_is_pytorchs(scale: float) -> None:
    torch = pytest.importorskip("torch")
    gradient = np.random.default_rng(0).standard_normal(30) * scale
    for kind, clipper in (("norm", torch.nn.utils.clip_grad_norm_), ("value", torch.nn.utils.clip_grad_value_)):
        tensor = torch.zeros(30, dtype=torch.float64, requires_grad=True)
        tensor.grad = torch.tensor(gradient.copy())
        clipper([tensor], 2.0)
        own = gradient.copy()
        was_clipped = clip_to(own, parse_clip(f"{kind}:2"), float(np.linalg.norm(own)))
        np.testing.assert_allclose(own, tensor.grad.numpy(), rtol=1e-6)
        assert was_clipped == (not np.allclose(own, gradient))


def test_no_clipping_leaves_the_gradient_alone() -> None:
    gradient = np.array([300.0, -400.0])
    assert not clip_to(gradient, parse_clip("none"), 500.0)
    assert gradient.tolist() == [300, -400]


def test_schedules_have_their_closed_forms() -> None:
    assert parse_schedule("") == parse_schedule("constant")
    assert [parse_schedule("constant").factor(step) for step in (0, 10**6)] == [1, 1]
    stairs = parse_schedule("step:100:0.5")
    assert [stairs.factor(step) for step in (0, 99, 100, 250)] == [1, 1, 0.5, 0.25]
    cosine = parse_schedule("cosine:200")
    assert [cosine.factor(step) for step in (0, 100, 200, 5000)] == pytest.approx([1, 0.5, 0, 0])
    warm = parse_schedule("warmup:10,cosine:200")
    assert [warm.factor(step) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1])
    assert warm.factor(60) == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))


def test_a_schedule_may_fall_first_at_another_step() -> None:
    later = parse_schedule("step:2:0.5:7")
    assert [later.factor(step) for step in range(12)] == [1] * 7 + [0.5, 0.5, 0.25, 0.25, 0.125]
    at_once = parse_schedule("step:2:0.5:0")
    assert [at_once.factor(step) for step in range(4)] == [0.5, 0.5, 0.25, 0.25]


def test_a_schedule_in_epochs_is_one_in_steps() -> None:
    """An `e` after a number makes epochs of it, whatever an epoch's length."""
    for epoch in (1, 7, 412):
        for text, in_steps in (
            ("step:5e:0.5", f"step:{5 * epoch}:0.5"),
            ("step:1e:0.97:10e", f"step:{epoch}:0.97:{10 * epoch}"),
            ("warmup:2e,cosine:50e", f"warmup:{2 * epoch},cosine:{50 * epoch}"),
            ("warmup:30,step:3e:0.1:9", f"warmup:30,step:{3 * epoch}:0.1:9"),
        ):
            assert parse_schedule(text, epoch) == parse_schedule(in_steps)
    assert parse_schedule("step:0.5e:0.9", 7) == parse_schedule("step:4:0.9")
    assert parse_schedule("step:0.01e:0.9", 7) == parse_schedule("step:1:0.9")


@pytest.mark.parametrize(
    "text",
    [
        "cosine",
        "cosine:0",
        "step:5",
        "step:5:2",
        "step:0:.5",
        "warmup:x,constant",
        "warmup:-1,constant",
        "x",
        "step:5:.5:-1",
        "step:e:.5",
        "step:0e:.5",
        "step:-1e:.5",
        "step:infe:.5",
        "step:nane:.5",
        "step:1e16e:.5",
        "step:5:.5:1:1",
    ],
)
def test_a_schedule_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is none of"):
        parse_schedule(text)


@pytest.mark.parametrize("text", ["", "norm:", "norm:0", "value:-1", "norm:nan", "median:5"])
def test_a_clipping_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is none of"):
        parse_clip(text)


def test_a_clipping_beyond_float32_is_refused() -> None:
    with pytest.raises(ValueError, match="too large"):
        parse_clip("inf")
