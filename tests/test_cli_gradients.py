"""`charrnn-tui gradients`: the numbers against autograd from the outside, and the picture in text."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np
import pytest

from engine.config import Config
from engine.probes.gradient_flow import EDGES
from engine.runs.reader import RunReader
from engine.session.messages import Eigenvalues, Exponents, GradientFlow
from engine.session.start import new_session
from tests.command_line import answered, refused
from tests.finished_run import finish_run
from tui.cli import main
from tui.cli.gradients import as_json, picture
from tui.cli.spectrum import Spectrum
from tui.rendering.colour import palette

SEQ, HIDDEN = 10, 8


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("runs")
    return {
        "rnn": finish_run(place / "rnn", cell="rnn", input="onehot", loss="last"),
        "gru": finish_run(place / "gru", cell="gru"),
        "lstm": finish_run(place / "lstm", cell="lstm", layers=2),
    }


def strictly(text: str) -> Any:
    """JSON as its standard has it, which knows no NaN and no infinity."""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(constant)

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("view", ["single", "training", "triangle"])
@pytest.mark.parametrize(
    ("cell", "layer", "state"), [("rnn", 0, "h"), ("gru", 0, "h"), ("lstm", 0, "h"), ("lstm", 1, "h"), ("lstm", 1, "c")]
)
def test_all_can_be_computed_again_elsewhere(
    cell: str,
    layer: int,
    state: Literal["h", "c"],
    view: str,
    runs: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    torch = pytest.importorskip("torch")
    from tests.torch_states import gradients, unroll

    said = strictly(
        answered(capsys, "gradients", runs[cell], "--view", view, "--layer", layer + 1, "--state", state, "--json")
    )
    names = {"view", "layer", "state", "inputs", "targets", "edges", "counts", "sigma", "rho"}
    names |= {"windows", "norms", "median_norms", "window_norms"}
    assert set(said) == names | ({"triangle"} if view == "triangle" else set())
    assert (said["view"], said["layer"], said["state"], said["windows"]) == (view, layer + 1, state, 16)
    parameters = RunReader(runs[cell]).weights()
    judge = unroll(parameters, np.array(said["inputs"]))
    targets = torch.tensor(said["targets"])
    losses = [torch.nn.functional.cross_entropy(z, k) for z, k in zip(judge.logits, targets, strict=True)]
    states = judge.states(layer, state)
    summed = view == "training" and cell != "rnn"  # that one is trained on the last loss only
    expected = gradients(sum(losses) / SEQ if summed else losses[-1], states)
    np.testing.assert_allclose(said["norms"], [np.linalg.norm(g) for g in expected], rtol=1e-7)
    parts = [np.linalg.norm(np.reshape(g, (16, HIDDEN)), axis=1) for g in expected]
    np.testing.assert_allclose(said["window_norms"], parts, rtol=1e-7)
    np.testing.assert_allclose(said["median_norms"], [sum(sorted(each)[7:9]) / 2 for each in parts], rtol=1e-7)
    np.testing.assert_array_equal(said["counts"], [np.histogram(g, said["edges"])[0] for g in expected])
    assert (np.sum(said["counts"], axis=1) == targets.shape[1] * HIDDEN).all()
    if view == "triangle":
        norms = [[np.linalg.norm(g) for g in gradients(loss, states)] for loss in losses]
        np.testing.assert_allclose(said["triangle"], norms, rtol=1e-7, atol=0)
    gates = {"rnn": "h", "gru": "rzn", "lstm": "ifgo"}[cell]
    blocks = parameters[f"rnn.weight_hh_l{layer}"].reshape(len(gates), HIDDEN, HIDDEN).astype(float)
    assert list(said["sigma"]) == list(said["rho"]) == list(gates)
    np.testing.assert_allclose(list(said["sigma"].values()), np.linalg.norm(blocks, 2, (1, 2)), rtol=1e-9)
    np.testing.assert_allclose(list(said["rho"].values()), np.abs(np.linalg.eigvals(blocks)).max(axis=1), rtol=1e-6)


def test_the_probe_is_text_that_was_held_out(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    said = strictly(answered(capsys, "gradients", runs["gru"], "--json"))
    run = RunReader(runs["gru"])
    text = Path(run.config.text[0]).read_text()
    held_out = text[len(text) - round(len(text) * run.config.validation) :]
    codes = np.array([*said["inputs"], said["targets"][-1]]).T
    assert codes.shape == (16, SEQ + 1)
    assert all("".join(run.vocabulary[code] for code in row) in held_out for row in codes)
    np.testing.assert_array_equal(said["inputs"][1:], said["targets"][:-1])


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_picture_has_every_step_and_says_what_it_means(
    columns: int, runs: dict[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = answered(capsys, "gradients", runs["gru"])
    lines = text.splitlines()
    assert "\x1b" not in text  # there is no terminal
    assert max(map(len, lines)) <= columns
    assert lines[0].startswith("gru 1×8 · fox.txt · run gru · step 30")
    assert [line.split()[0] for line in lines if "t=" in line] == [f"t={t}" for t in reversed(range(SEQ))]
    assert "‖G_0‖/‖G_9‖" in text
    assert "over 9 steps back in the median of 16 windows" in " ".join(lines)
    assert "h of layer 1/1 · 16 windows" in " ".join(lines)


def test_the_triangle_is_drawn_too(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    lines = answered(capsys, "gradients", runs["lstm"], "--view", "triangle", "--layer", 2).splitlines()
    assert [line.split()[0] for line in lines if "s=" in line] == [f"s={s}" for s in reversed(range(SEQ))]
    assert "triangle · h of layer 2/2" in " ".join(lines)
    assert any("powers of ten below the largest" in line for line in lines)


def test_of_very_many_steps_some_are_drawn_both_ends_among_them() -> None:
    norms = np.geomspace(1e-9, 1, 1000)
    counts = np.stack([np.histogram([-norm, norm], EDGES)[0] for norm in norms])
    flow = GradientFlow(0, "single", 0, "h", EDGES, counts, norms)
    drawn = [strip.text for strip in picture(flow, "title", Config(), 80, palette("none"))]
    rows = [line.split()[0] for line in drawn if "t=" in line]
    assert len(rows) == 64
    assert (rows[0], rows[-1]) == ("t=999", "t=0")


def test_what_is_no_number_is_null_in_json() -> None:
    counts = np.zeros((2, len(EDGES) - 1), int)
    flow = GradientFlow(
        0, "single", 0, "h", EDGES, counts, np.array([math.nan, math.inf]), sigma={"h": math.nan}, rho={"h": 1.0}
    )
    said = strictly(json.dumps(as_json(flow, np.zeros((3, 1), int))))
    assert said["norms"] == [None, None]
    assert (said["sigma"], said["rho"]) == ({"h": None}, {"h": 1.0})
    assert np.isfinite(said["edges"]).all()


@pytest.mark.parametrize("layer", [-1, 0, 3, 99])
def test_a_layer_that_is_not_there_is_refused(
    layer: int, runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"--layer {layer}: is not one of 1 to 2" in refused(capsys, "gradients", runs["lstm"], "--layer", layer)


def test_only_an_lstm_has_a_cell_state(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert "--state c: the gru has no other state than h" in refused(capsys, "gradients", runs["gru"], "--state", "c")
    words = answered(capsys, "gradients", runs["lstm"], "--state", "c", "--layer", 2).split()
    assert "c of layer 2/2" in " ".join(words)


def test_without_its_text_a_run_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = finish_run(tmp_path / "run", steps=1)
    text = tmp_path / "fox.txt"
    text.write_text(text.read_text().replace("fox", "cat"))
    assert "has changed since" in refused(capsys, "gradients", run)
    text.unlink()
    said = refused(capsys, "gradients", run)
    assert "fox.txt" in said
    assert len(said.splitlines()) == 1


def test_a_text_of_one_character_has_no_ratio_rather_than_nan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is never in doubt, so that nothing has a gradient; nobody has to know what nan is."""
    (tmp_path / "a.txt").write_text("a" * 400)
    config = Config(text=(str(tmp_path / "a.txt"),), hidden=4, embedding=2, batch=2, seq=5, threads=1, steps=2)
    new_session(config, tmp_path / "run").run()
    for view in ("single", "training", "triangle"):
        said = answered(capsys, "gradients", tmp_path / "run", "--view", view)
        assert "‖G_0‖/‖G_4‖ –" in said
        assert "nan" not in said


def test_what_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no such run" in refused(capsys, "gradients", tmp_path / "nowhere")


# --- --spectrum ----------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_spectrum_is_that_of_the_saved_weights(
    cell: str, runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    layer = 2 if cell == "lstm" else 1
    said = strictly(answered(capsys, "gradients", runs[cell], "--spectrum", "--layer", layer, "--json"))
    parameters = RunReader(runs[cell]).weights()
    blocks = np.split(parameters[f"rnn.weight_hh_l{layer - 1}"].astype(float), {"rnn": 1, "gru": 3, "lstm": 4}[cell])
    for block, values in zip(blocks, said["eigenvalues"].values(), strict=True):
        found = [complex(*pair) for pair in values]
        assert np.poly(found).real == pytest.approx(np.poly(block), abs=1e-6)  # the same characteristic polynomial
        assert np.abs(found) == pytest.approx(np.sort(np.abs(found))[::-1])
    assert (said["step"], said["layer"], said["states"]) == (30, layer, {"rnn": 8, "gru": 8, "lstm": 32}[cell])
    assert len(said["exponents"]) == 8
    measured = RunReader(runs[cell]).metrics()["lambda1"][-1]  # by the run, after its last step
    assert said["exponents"][0] == pytest.approx(measured, abs=0.01)
    assert said["memory_time"] == pytest.approx(-1 / said["exponents"][0])


def test_the_spectrum_as_a_picture(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    text = answered(capsys, "gradients", runs["gru"], "--spectrum")
    said = strictly(answered(capsys, "gradients", runs["gru"], "--spectrum", "--json"))
    assert f"λ₁ −{-said['exponents'][0]:.3f} · memory time {said['memory_time']:.3g} characters" in text
    assert "It does not say" in " ".join(text.split())
    assert "--layer 2" in refused(capsys, "gradients", runs["gru"], "--spectrum", "--layer", 2)


def test_a_spectrum_that_is_not_finite_is_null() -> None:
    found = Eigenvalues(3, 0, {"h": np.array([[math.nan, 0.0]])})
    said = Spectrum("", "rnn", found, Exponents(3, np.array([0.5, -math.inf]), 2, 400), ()).as_json()
    assert (said["eigenvalues"], said["exponents"]) == ({"h": [[None, 0.0]]}, [0.5, None])
    assert said["memory_time"] is None
    assert Spectrum("", "rnn", found, Exponents(3, np.zeros(0), 2, 0), ()).as_json()["memory_time"] is None


def test_the_spectrum_in_a_file(runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image, page = tmp_path / "spectrum.svg", tmp_path / "spectrum.html"
    answered(capsys, "gradients", runs["gru"], "--spectrum", "--svg", image, "--html", page)
    for file in (image, page):
        assert file.read_text("utf-8").count(">λ<") >= 8  # an image has an element for each character
    assert "--state c" in refused(capsys, "gradients", runs["lstm"], "--spectrum", "--state", "c")
    with pytest.raises(SystemExit):
        main(["gradients", str(runs["lstm"]), "--spectrum", "--view", "training"])
