"""The same network in PyTorch, the judge of the hand-written one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from engine.bench.torch_minimal import MinimalRNN
from engine.network.parameters import Parameters


def recurrent(cell: str, input_size: int, hidden_size: int, layers: int = 1) -> torch.nn.Module:
    """The module of a cell: PyTorch's own, or the one that the benchmark has of it."""
    if cell in ("mingru", "minlstm"):
        return MinimalRNN(cell, input_size, hidden_size, layers)
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
