"""Numbers that are not finite: what is called good is finite and of a finite loss, and nothing else is ever saved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config import Config
from engine.errors import ConfigError, UserError
from engine.network.cells import cell_names
from engine.probes.results import GradientFlow
from engine.runs import checkpoint
from engine.runs.waiting_weights import BEST
from engine.runs.writer import CHECKPOINT, MODEL
from engine.session.loop import Loop
from engine.session.messages import InsideQuestion, Pause, RollBack, Save, ScaleLearningRate, SetView, StepOnce, View
from engine.session.session import Session
from engine.session.snapshots import take_snapshot
from engine.session.start import new_session, resumed_session
from engine.setting import LARGEST
from engine.text.stretches import StretchLosses
from tests.small_run import trainer_in

SMALL = Config(text=("physics",), hidden=12, embedding=6, batch=4, seq=10, threads=1, workers=1)
OVERFLOWING = SMALL.replace(optimizer="sgd", clip="none", lr=LARGEST)  # a step, and the weights are far too large


@pytest.fixture(params=["", "without a validation text"])
def validation(request: pytest.FixtureRequest) -> float:
    return 0.0 if request.param else 0.1


def assert_saved_is_finite(directory: Path) -> None:
    files = [directory / CHECKPOINT, directory / MODEL, *directory.glob("moments/*.safetensors")]
    if (directory / BEST).exists():
        files.append(directory / BEST)
    for path in files:
        arrays, _ = checkpoint.read(path)
        assert all(np.isfinite(array).all() for array in arrays.values()), path


@pytest.mark.parametrize(
    "settings",
    [
        {"lr": 1e39},
        {"lr": 1e308},
        {"lr": "inf"},
        {"lr": "nan"},
        {"clip": "value:1e39"},
        {"clip": "1e308"},
        {"clip": "norm:inf"},
        {"clip": "value:nan"},
        {"init": "normal:1e16"},
        {"init": "normal:1e308"},
        {"init": "normal:nan"},
        {"init": "normal:-inf"},
        {"schedule": "step:10:nan"},
        {"schedule": "step:10:inf"},
        {"dropout": float("nan"), "layers": 2},
        {"validation": float("nan")},
    ],
    ids=str,
)
def test_no_setting_is_beyond_what_float32_holds(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as refused:
        Config(**{**settings, **({"lr": float(settings["lr"])} if "lr" in settings else {})})
    assert refused.value.problems.keys() == settings.keys() - {"layers"}


@pytest.mark.parametrize(("last", "optimizer"), [(1, "sgd"), (1, "adamw"), (7, "sgd"), (50, "adamw")])
def test_a_last_step_whose_weights_are_too_large_has_diverged(
    tmp_path: Path, validation: float, last: int, optimizer: Any
) -> None:
    config = SMALL.replace(optimizer=optimizer, clip="none", validation=validation, steps=last)
    session = new_session(config, tmp_path / "run")
    step = session.loop.trainer.step

    def overflow() -> Any:
        if session.loop.trainer.steps == last - 1:
            session.loop.trainer.lr = LARGEST
        return step()

    session.loop.trainer.step = overflow  # type: ignore[method-assign] # as a viewer's commands would have it
    assert session.run() == "diverged"
    assert f"at step {last:,}, learning rate 1e+38; back at the good weights of step 0" in session.reason
    assert_saved_is_finite(tmp_path / "run")
    assert session.best_val_loss is None
    resumed_session(tmp_path / "run", steps=60).close()


def test_a_run_of_a_few_steps_that_explodes_has_diverged(tmp_path: Path) -> None:
    """Its last step has a loss as large as that of the validation; the first step's shows the explosion."""
    session = new_session(SMALL.replace(optimizer="momentum", lr=1e18, steps=2), tmp_path / "run")
    assert session.run() == "diverged"
    assert "far above guessing" in session.reason
    assert session.best_val_loss is None


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    session = new_session(SMALL, tmp_path / "run")
    session.loop.change("training")
    yield session
    session.loop.close()


def turns(session: Session, count: int) -> None:
    with np.errstate(all="ignore"):
        for _ in range(count):
            session._turn()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_optimizer_whose_state_alone_is_not_finite_saves_nothing(session: Session, value: float) -> None:
    """Adam divides by an infinite mean square: the weights stand still, finite, for ever."""
    turns(session, 55)  # the weights of step 50 are good
    trainer_in(session).optimizer.slots["exp_avg_sq"][3] = np.inf
    session.send(Save())
    session.send(Pause())
    turns(session, 1)
    assert session.state == "diverged"
    assert "the optimiser's state is not finite any more at step 55" in session.reason
    assert session.reason.endswith("back at the good weights of step 50")
    assert_saved_is_finite(session.directory)
    session.send(RollBack())
    turns(session, 5)
    assert (session.state, session.steps) == ("training", 55)


def test_a_state_that_is_not_finite_is_not_remembered_as_good(session: Session) -> None:
    turns(session, 99)
    trainer_in(session).optimizer.slots["exp_avg_sq"][3] = np.inf
    turns(session, 20)  # over the validation at step 100
    session.loop.save("interval")
    assert session.reason.endswith("back at the good weights of step 50")


def test_a_validation_alone_that_is_not_finite_is_a_divergence(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns(session, 60)
    validate = session.loop.trainer.validate
    nothing = StretchLosses(np.array([np.nan]), np.array([1]))
    monkeypatch.setattr(session.loop.trainer, "validate", lambda *_: nothing if session.steps == 100 else validate())
    turns(session, 45)
    assert (session.state, session.steps) == ("diverged", 50)
    assert "the loss of these weights is not a number any more at step 100" in session.reason
    assert 100 not in session.loop.history.history().val_step


def test_where_the_first_weights_give_no_finite_loss_none_are_called_good(tmp_path: Path) -> None:
    session = new_session(SMALL.replace(steps=10), tmp_path / "run")
    session.loop.trainer.parameters["head.weight"][:] = 3e38  # each is finite, their products with h are not
    with np.errstate(all="ignore"):
        session.loop.trainer.refresh()
    session.loop.safeguard.good = session.loop.safeguard.here()
    assert session.run() == "diverged"
    assert "the weights of step 0 have no finite loss either; begin with other settings" in session.reason
    assert "good" not in session.reason
    assert_saved_is_finite(tmp_path / "run")


def test_a_rate_is_not_raised_beyond_what_float32_holds_nor_lowered_to_nothing(session: Session) -> None:
    for _ in range(300):
        session.loop.apply(ScaleLearningRate(10.0))
    assert LARGEST / 10 < session.loop.trainer.lr <= LARGEST
    for _ in range(900):
        session.loop.apply(ScaleLearningRate(0.1))
    assert session.loop.trainer.lr > 0
    session.loop.state = "diverged"
    session.loop.apply(RollBack(1e-300))
    assert session.state == "diverged"


@pytest.mark.parametrize(
    ("name", "value"),
    [("head.bias", np.nan), ("optimizer.exp_avg_sq", np.inf), ("state.h_l0", -np.inf), ("lr", np.inf)],
)
def test_a_checkpoint_that_is_not_finite_is_refused_in_a_sentence(tmp_path: Path, name: str, value: float) -> None:
    new_session(SMALL, tmp_path / "run").close()
    path = tmp_path / "run" / CHECKPOINT
    arrays, meta = checkpoint.read(path)
    if name in arrays:
        arrays[name] = arrays[name].copy()
        arrays[name].reshape(-1)[0] = value
    else:
        meta[name] = value
    checkpoint.write(path, arrays, meta)
    with pytest.raises(UserError, match=r"finite|learning rate of inf|lr: inf"):
        resumed_session(tmp_path / "run")


@pytest.mark.parametrize("cell", cell_names())
def test_no_instrument_fails_on_weights_that_overflow(tmp_path: Path, cell: Any) -> None:
    """They may be asked between the step that broke the weights and the one that finds out."""
    session = new_session(SMALL.replace(cell=cell, text=("brackets",), layers=2), tmp_path / "run")
    loop = session.loop
    with np.errstate(all="ignore"):
        for value in (np.nan, np.inf, 3e38, 1e20, -1e30):
            loop.trainer.parameters.flat[::7] = value
            loop.trainer.model.refresh()
            loop.instruments.forget()
            for view in ("single", "training", "triangle"):
                for mode in ("logit", "squared", "loss"):
                    shown = View(prompt="( 1 )", mode=mode, gradient_view=view, occlusion=True, cells_sort="variance")
                    loop.samples._owed = 10
                    snapshot = take_snapshot(loop, shown, urgent=True, obeyed=0)
                    assert isinstance(snapshot.gradients, GradientFlow)
                    assert snapshot.cells is not None
            taken_apart = View(inside=InsideQuestion("window", layer=1))
            assert take_snapshot(loop, taken_apart, urgent=True, obeyed=0).inside is not None
            session.reach()
            loop.samples.whole(0, None)
    session.close()


def test_a_broken_step_is_found_before_anything_is_computed_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With as many processes as there are, each of which sees only its own part of the weights."""
    session = new_session(OVERFLOWING.replace(workers=2), tmp_path / "run")
    link = session.connect()
    link.send(SetView(View(prompt="mass")))
    link.send(StepOnce())
    session.loop.change("training")
    seen: list[int] = []
    monkeypatch.setattr(Loop, "_keep_moment", lambda loop: seen.append(loop.trainer.steps))
    session.loop.trainer.lr = 1e38
    session.loop.trainer.parameters["head.bias"][-1] = 3e38  # in the part of the last process
    turns(session, 3)
    assert session.state == "diverged"
    assert seen == [0]
    session.loop.close()
