"""One step taken apart: every number of it, forward and backward, against PyTorch's autograd."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest

from engine.config import Config
from engine.network.cells import cell_names
from engine.network.cells.cell import cell_of
from engine.network.cells.plain import PLAIN
from engine.network.model import Model
from engine.network.parameters import Architecture, initialize
from engine.probes.inside import NONE, equations, inside
from engine.probes.results import Inside
from engine.training.trainer import Trainer

T, H, V = 6, 5, 7
TARGETS = np.array([3, 1, 2, 6, 0, NONE])
CODES = np.array([4, 3, 1, 2, 6, 0])


def network(cell: str, layers: int = 2, onehot: bool = False) -> Model:
    parameters = initialize(Architecture(cell, V, H, layers, 4, onehot), np.random.default_rng(3), np.float64)
    parameters.flat *= 2
    return Model(parameters)


class Judge:
    """A network in PyTorch that keeps every number of every step, by layer, time step and the plain cells' names."""

    def __init__(self, model: Model, codes: np.ndarray) -> None:
        import torch

        self.kept: dict[tuple[int, int, str], Any] = {}
        weights = {name: torch.tensor(view, requires_grad=True) for name, view in model.parameters.views.items()}
        architecture = model.architecture
        gates = cell_of(architecture.cell).gates
        x = torch.nn.functional.one_hot(torch.tensor(codes), V).double()
        inputs = list(x if architecture.onehot else x @ weights["embedding.weight"])
        for layer in range(architecture.layers):
            own = {
                kind: weights.get(f"rnn.{kind}_l{layer}") for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            }
            h, c = torch.zeros(H).double().requires_grad_(), torch.zeros(H).double().requires_grad_()
            for t, x in enumerate(inputs):
                keep = self._keeper(layer, t)
                before, c_before = keep("h_before", h * 1), keep("c_before", c * 1)
                parts = dict(zip(gates, (own["weight_ih"] @ x + own["bias_ih"]).split(H), strict=True))
                h, c = self._step(architecture.cell, parts, own, before, c_before, keep)
                keep("h", h)
                inputs[t] = h
        self.logits = [keep_h @ weights["head.weight"].T + weights["head.bias"] for keep_h in inputs]
        self.losses = [
            torch.nn.functional.cross_entropy(z[None], torch.tensor([max(k, 0)]))
            for z, k in zip(self.logits, TARGETS, strict=True)
        ]

    def _keeper(self, layer: int, t: int) -> Any:
        def keep(name: str, value: Any) -> Any:
            value.retain_grad()
            self.kept[layer, t, name] = value
            return value

        return keep

    def _step(self, cell: str, x: Any, own: Any, h: Any, c: Any, keep: Any) -> tuple[Any, Any]:
        import torch

        if own["weight_hh"] is not None:
            product = dict(zip(x, (own["weight_hh"] @ h + own["bias_hh"]).split(H), strict=True))
        if cell == "rnn":
            return torch.tanh(keep("a", x["h"] + product["h"])), c
        if cell == "gru":
            r, z = (keep(g, keep(f"a_{g}", x[g] + product[g]).sigmoid()) for g in "rz")
            n = keep("n", torch.tanh(keep("a_n", x["n"] + r * keep("m", product["n"]))))
            return (1 - z) * n + z * h, c
        if cell == "lstm":
            i, f, o = (keep(g, keep(f"a_{g}", x[g] + product[g]).sigmoid()) for g in "ifo")
            g = keep("g", torch.tanh(keep("a_g", x["g"] + product["g"])))
            c = keep("c", f * c + i * g)
            return o * torch.tanh(c), c
        n = keep("n", x["n"])
        if cell == "mingru":
            z = keep("z", keep("a_z", x["z"]).sigmoid())
            return (1 - z) * h + z * n, c
        f, i = (keep(g, keep(f"a_{g}", x[g]).sigmoid()) for g in "fi")
        return keep("keep", f / (f + i)) * h + keep("take", i / (f + i)) * n, c


@pytest.mark.parametrize("last_only", [False, True])
@pytest.mark.parametrize("onehot", [False, True])
@pytest.mark.parametrize("cell", cell_names())
def test_every_number_is_autograds(cell: str, onehot: bool, last_only: bool) -> None:
    torch = pytest.importorskip("torch")
    model = network(cell, onehot=onehot)
    judge = Judge(model, CODES)
    (judge.losses[4] if last_only else torch.stack(judge.losses[:5]).mean()).backward()
    for layer in range(2):
        for t in range(T):
            found = inside(model, CODES, TARGETS, position=t, layer=layer, last_only=last_only)
            compared = set()
            for (its_layer, its_t, name), value in judge.kept.items():
                if (its_layer, its_t) != (layer, t):
                    continue
                for shown in (name, f"step.{name}"):
                    if shown in found.values:
                        np.testing.assert_allclose(found.values[shown], value.detach(), atol=1e-12, err_msg=shown)
                        compared.add(name)
                gradient = np.zeros(H) if value.grad is None else value.grad.numpy()
                if f"d_{name}" in found.values:
                    np.testing.assert_allclose(found.values[f"d_{name}"], gradient, atol=1e-12, err_msg=f"d_{name}")
                    compared.add(f"d_{name}")
            gates = set(cell_of(cell).gates)
            assert {"h", "d_h"} <= compared
            assert gates | {f"d_{gate}" for gate in gates} <= compared
            np.testing.assert_allclose(found.probabilities, torch.softmax(judge.logits[t], 0).detach(), atol=1e-12)
            if TARGETS[t] != NONE:
                assert found.loss == pytest.approx(judge.losses[t].item(), abs=1e-12)
            else:
                assert np.isnan(found.loss)


@pytest.mark.parametrize("cell", cell_names())
def test_the_paths_add_up_to_the_gradient_of_the_state(cell: str) -> None:
    model = network(cell, 1)
    for t in range(T):
        found = inside(model, CODES, TARGETS, position=t)
        assert (found.later[0] == {}) == (t == T - 1)
        total = found.own + sum(found.later[0].values(), np.zeros(H))
        np.testing.assert_allclose(total, found.values["d_h"], rtol=1e-14, atol=1e-18)


@pytest.mark.parametrize("cell", cell_names())
def test_the_equations_are_the_lines_of_the_file_and_each_has_its_numbers(cell: str) -> None:
    found = inside(network(cell), CODES, TARGETS, position=2, layer=1)
    assert found.forward == equations(PLAIN[cell].step)
    assert found.forward[-1].names == ("h",)
    names = [name for equation in (*found.forward, *found.backward) for name in equation.names]
    assert set(names) - set(found.values) <= {
        name for name in names if name.startswith(("weight_", "d_a", "d_input", "d_recurrent", "from_", "paths"))
    }
    assert {"h", "d_h"} <= set(found.values)


def test_the_loss_of_a_certain_character_is_zero_without_a_sign() -> None:
    model = network("gru")
    model.parameters["head.bias"][TARGETS[2]] = 1000
    loss = inside(model, CODES, TARGETS, position=2).loss
    assert (loss, np.signbit(loss)) == (0, False)


def test_a_window_of_a_batch_begins_with_the_state_that_was_carried() -> None:
    """The numbers are those of training: the state before the window, and the sequence's share of the loss."""
    model = network("lstm")
    work, gradient = model.workspace(T, 2), model.parameters.zeros_like()
    codes = np.random.default_rng(5).integers(0, V, (2 * T + 1, 2))
    model.forward(work, codes[:T])
    state = work.end_state()
    work.carry()
    inputs, targets = codes[T : 2 * T], codes[T + 1 :]
    model.forward(work, inputs)
    expected_h = work.tapes[1].values("h")[3, 1].copy()
    _, d_outputs = model.head_and_loss(work, targets, gradient, last_only=False)
    own_state = tuple(tuple(part[1:] for part in layer) for layer in state)
    found = inside(model, inputs[:, 1], targets[:, 1], position=3, layer=1, share=1 / 2, state=own_state)
    np.testing.assert_allclose(found.values["h"], expected_h, atol=1e-14)
    np.testing.assert_allclose(found.own, d_outputs[3, 1], atol=1e-14)


@pytest.mark.parametrize(
    ("position", "layer", "targets"), [(T, 0, TARGETS), (-1, 0, TARGETS), (0, 2, TARGETS), (0, 0, np.full(T, NONE))]
)
def test_what_is_not_there_is_an_error(position: int, layer: int, targets: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"there is no|none of"):
        inside(network("rnn"), CODES, targets, position=position, layer=layer)


@pytest.mark.parametrize("loss", ["every", "last"])
@pytest.mark.parametrize("cell", cell_names())
def test_the_next_window_has_the_numbers_of_the_next_training_step(cell: str, loss: Literal["every", "last"]) -> None:
    """The δ_t of all steps and sequences add up to the gradient of the biases, the losses to the loss of the step."""
    config = Config(cell=cell, hidden=H, embedding=4, layers=2, batch=3, seq=T, loss=loss, clip="none", threads=1)
    trainer = Trainer(config, V, np.random.default_rng(5).integers(0, V, 200), np.zeros(0, np.intp))
    for _ in range(2):
        trainer.step()
    windows = [trainer.next_window(sequence) for sequence in range(3)]
    assert windows[0].state is not None

    def all_steps(layer: int) -> list[Inside]:
        return [
            inside(
                trainer.model,
                codes,
                targets,
                position=t,
                layer=layer,
                last_only=loss == "last",
                share=1 / 3,
                state=state,
            )
            for codes, targets, state in windows
            for t in range(T)
        ]

    found = [all_steps(0), all_steps(1)]
    step = trainer.step()
    counted = [each.loss for each in found[0] if loss == "every" or each.position == T - 1]
    assert np.mean(counted) == pytest.approx(step.loss, abs=1e-6)
    for layer, answers in enumerate(found):
        gradient = trainer.replica.gradient.views[f"rnn.bias_ih_l{layer}"]
        for gate, expected in zip(cell_of(cell).gates, np.split(gradient, len(cell_of(cell).gates)), strict=True):
            names = (f"d_a_{gate}", "d_a", f"d_{gate}")  # mingru's candidate has no non-linearity
            name = next(each for each in names if each in answers[0].values)
            np.testing.assert_allclose(sum(each.values[name] for each in answers), expected, atol=1e-6)
