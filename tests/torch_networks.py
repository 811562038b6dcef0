"""Networks as people write them in PyTorch, for tests of what reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from engine.bench.torch_minimal import MinimalRNN

SHUFFLED = "e ta\noihnsrlduc.,wmfgypbvk"  # characters in no order of code points


class CharRNN(torch.nn.Module):
    """Embedding, if `width` is given, or one-hot; a recurrent module; a linear head. Codes are (T, B)."""

    def __init__(
        self, cell: str, size: int, hidden: int, layers: int = 1, width: int | None = None, bias: bool = True
    ) -> None:
        super().__init__()
        self.size = size
        self.encoder = None if width is None else torch.nn.Embedding(size, width)
        inputs = size if width is None else width
        minimal = cell.startswith("min")
        self.gru: Any = (  # the name that many scripts keep, whatever the cell is
            MinimalRNN(cell, inputs, hidden, layers)
            if minimal
            else getattr(torch.nn, cell.upper())(inputs, hidden, layers, bias=bias)
        )
        self.fc = torch.nn.Linear(hidden, size, bias=bias)

    def enter(self, codes: torch.Tensor) -> torch.Tensor:
        """What layer 0 reads, (T, B, D)."""
        if self.encoder is not None:
            return torch.as_tensor(self.encoder(codes))
        return torch.nn.functional.one_hot(codes, self.size).to(self.fc.weight.dtype)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Logits (T, B, V)."""
        return torch.as_tensor(self.fc(self.gru(self.enter(codes))[0]))


def codes_of(text: str, characters: Sequence[str]) -> torch.Tensor:
    """The codes (T, 1) of `text` in the network's own numbering."""
    return torch.tensor([[characters.index(character)] for character in text])


def connectivity(network: CharRNN, text: str, characters: Sequence[str]) -> np.ndarray:
    """C(t, s, k) = ‖∂z_k(s)/∂x_t‖₂ by autograd, [s][t], k the character that follows, for all but the last s."""
    codes = codes_of(text, characters)
    onehot = torch.nn.functional.one_hot(codes, network.size).to(network.fc.weight.dtype).requires_grad_()
    inputs = onehot if network.encoder is None else onehot @ network.encoder.weight
    logits = network.fc(network.gru(inputs)[0])
    rows = []
    for s in range(len(text) - 1):
        (found,) = torch.autograd.grad(logits[s, 0, codes[s + 1, 0]], onehot, retain_graph=True)
        rows.append(found[:, 0].norm(dim=1).numpy())
    return np.array(rows)


def gradient_norms(network: CharRNN, inputs: torch.Tensor, targets: torch.Tensor) -> np.ndarray:
    """‖∂ℓ_T/∂h_t‖ of layer 0 over the whole batch, by autograd, for t = 1 … T; codes are (T, B).

    Layer by layer and step by step, so that every h_t is a leaf of its own that nothing else adds to.
    """
    parts = _layers(network)
    x = network.enter(inputs)
    states: list[torch.Tensor] = []
    for number, layer in enumerate(parts):
        state, outputs = None, []
        for step in range(len(x)):
            out, state = layer(x[step : step + 1], state)
            if number == 0:
                # Adding zero makes a tensor through which all of h_t goes, into layer 1 and into h_{t+1}.
                nudge = torch.zeros_like(out, requires_grad=True)
                out = out + nudge
                state = (out, state[1]) if isinstance(state, tuple) else out
                states.append(nudge)
            outputs.append(out)
        x = torch.cat(outputs)
    loss = torch.nn.functional.cross_entropy(network.fc(x[-1]), targets[-1])
    return np.array([float(found.norm()) for found in torch.autograd.grad(loss, states)])


def _layers(network: CharRNN) -> list[torch.nn.Module]:
    """The recurrent layers, each as a module of one layer."""
    whole = network.gru
    found = []
    for number in range(whole.num_layers):
        layer = type(whole)(whole.input_size if number == 0 else whole.hidden_size, whole.hidden_size)
        layer.to(network.fc.weight.dtype)
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        layer.load_state_dict({f"{kind}_l0": getattr(whole, f"{kind}_l{number}") for kind in kinds})
        found.append(layer)
    return found
