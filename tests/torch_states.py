"""The network in PyTorch step by step, so that autograd can be asked about every state on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from engine.network.parameters import Parameters
from tests.torch_model import recurrent


@dataclass
class Unrolled:
    """One-hot inputs x_t (B, V), states h and c by layer and step (B, H), and logits by step (B, V)."""

    inputs: list[torch.Tensor] = field(default_factory=list)
    hidden: dict[tuple[int, int], torch.Tensor] = field(default_factory=dict)
    cell: dict[tuple[int, int], torch.Tensor] = field(default_factory=dict)
    logits: list[torch.Tensor] = field(default_factory=list)

    def states(self, layer: int, state: str) -> list[torch.Tensor]:
        kept = self.hidden if state == "h" else self.cell
        return [kept[layer, t] for t in range(len(self.inputs))]


def unroll(parameters: Parameters, codes: np.ndarray) -> Unrolled:
    """Run over `codes` (T, B) from a zero state in float64 with PyTorch's own cells."""
    architecture = parameters.architecture
    weights = {name: torch.tensor(view, dtype=torch.float64) for name, view in parameters.views.items()}
    cells = [cell_of(weights, architecture.cell, layer) for layer in range(architecture.layers)]
    out = Unrolled()
    zero = torch.zeros(codes.shape[1], architecture.hidden_size, dtype=torch.float64)
    states = [(zero, zero) if architecture.cell == "lstm" else zero for _ in cells]
    for t, row in enumerate(codes):
        x = torch.nn.functional.one_hot(torch.tensor(row), architecture.vocabulary_size).double().requires_grad_()
        out.inputs.append(x)
        if not architecture.onehot:
            x = x @ weights["embedding.weight"]
        for layer, cell in enumerate(cells):
            state = states[layer] = cell(x, states[layer])
            if isinstance(state, tuple):
                x, out.cell[layer, t] = state
            else:
                x = state
            out.hidden[layer, t] = x
        out.logits.append(x @ weights["head.weight"].T + weights["head.bias"])
    return out


def cell_of(weights: dict[str, torch.Tensor], kind: str, layer: int) -> Callable[..., Any]:
    if kind in ("mingru", "minlstm"):
        own = {name: weights[f"rnn.{name}_l{layer}"] for name in ("weight_ih", "bias_ih")}
        layered = recurrent(kind, own["weight_ih"].shape[1], weights["head.weight"].shape[1]).double()
        layered.load_state_dict({f"{name}_l0": value for name, value in own.items()})
        return lambda x, state: layered(x[None], state[None])[0][0]
    own = {name: weights[f"rnn.{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    makers: dict[str, Callable[..., torch.nn.Module]] = {
        "rnn": torch.nn.RNNCell,
        "gru": torch.nn.GRUCell,
        "lstm": torch.nn.LSTMCell,
    }
    cell = makers[kind](own["weight_ih"].shape[1], own["weight_hh"].shape[1], dtype=torch.float64)
    cell.load_state_dict(own)
    return cell


def gradients(of: torch.Tensor, about: list[torch.Tensor]) -> list[np.ndarray]:
    """∂of/∂each, zero for those it does not depend on."""
    found = torch.autograd.grad(of, about, retain_graph=True, allow_unused=True)
    return [np.zeros(a.shape) if g is None else g.numpy() for a, g in zip(about, found, strict=True)]
