"""The same network in PyTorch, the judge of the hand-written one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from engine.network.parameters import Parameters


class Minimal(torch.nn.Module):
    """mingru and minlstm as their paper has them in its plain form, with the calls and names of `torch.nn.RNN`."""

    def __init__(self, cell: str, input_size: int, hidden_size: int, layers: int = 1) -> None:
        super().__init__()
        self.cell, self.layers = cell, layers
        rows = {"mingru": 2, "minlstm": 3}[cell] * hidden_size
        for layer in range(layers):
            width = hidden_size if layer else input_size
            self.register_parameter(f"weight_ih_l{layer}", torch.nn.Parameter(torch.zeros(rows, width)))
            self.register_parameter(f"bias_ih_l{layer}", torch.nn.Parameter(torch.zeros(rows)))

    def forward(self, x: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        ends = []
        for layer in range(self.layers):
            weight, bias = self.get_parameter(f"weight_ih_l{layer}"), self.get_parameter(f"bias_ih_l{layer}")
            *gates, new = (x @ weight.T + bias).chunk(2 if self.cell == "mingru" else 3, dim=2)
            if self.cell == "mingru":
                (take,) = (gate.sigmoid() for gate in gates)
                keep = 1 - take
            else:
                f, i = (gate.sigmoid() for gate in gates)
                keep, take = f / (f + i), i / (f + i)
            h = torch.zeros_like(new[0]) if state is None else state[layer]
            outputs = []
            for t in range(len(x)):
                h = keep[t] * h + take[t] * new[t]
                outputs.append(h)
            x = torch.stack(outputs)
            ends.append(h)
        return x, torch.stack(ends)


def recurrent(cell: str, input_size: int, hidden_size: int, layers: int = 1) -> torch.nn.Module:
    """The module of a cell: PyTorch's own, or `Minimal`."""
    if cell in ("mingru", "minlstm"):
        return Minimal(cell, input_size, hidden_size, layers)
    module: torch.nn.Module = getattr(torch.nn, cell.upper())(input_size, hidden_size, layers)
    return module


class TorchModel(torch.nn.Module):
    """Embedding (or one-hot) → `recurrent` → Linear, with the values of `parameters`."""

    def __init__(self, parameters: Parameters, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        architecture = self.architecture = parameters.architecture
        if not architecture.onehot:
            self.embedding = torch.nn.Embedding(architecture.vocabulary_size, architecture.embedding_size)
        self.rnn = recurrent(architecture.cell, architecture.input_size, architecture.hidden_size, architecture.layers)
        self.head = torch.nn.Linear(architecture.hidden_size, architecture.vocabulary_size)
        self.load_state_dict({name: torch.tensor(view.copy()) for name, view in parameters.views.items()})
        self.to(dtype)

    def onehot(self, codes: np.ndarray) -> torch.Tensor:
        return torch.nn.functional.one_hot(torch.tensor(codes), self.architecture.vocabulary_size).to(
            self.head.weight.dtype
        )

    def outputs(self, onehot: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        """h of the top layer (T, B, H) for one-hot inputs (T, B, V), through the embedding where there is one."""
        inputs = onehot if self.architecture.onehot else onehot @ self.embedding.weight
        outputs, state = self.rnn(inputs, state)
        return outputs, state

    def forward(self, codes: np.ndarray, state: Any = None) -> tuple[torch.Tensor, Any]:
        """Logits (T, B, V) and the end state."""
        outputs, state = self.outputs(self.onehot(codes), state)
        return self.head(outputs), state

    def gradients(self) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        for name, parameter in self.named_parameters():
            assert parameter.grad is not None, name
            found[name] = parameter.grad.numpy()
        return found
