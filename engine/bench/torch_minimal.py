"""mingru and minlstm in PyTorch, which has no layers for them: the plain form of arXiv 2410.01201, a loop over time."""

from __future__ import annotations

import torch

GATES = {"mingru": 2, "minlstm": 3}  # with the candidate, which comes last


class MinimalRNN(torch.nn.Module):
    """The layers of a minimal cell, with the names and calls of `torch.nn.RNN`."""

    def __init__(self, cell: str, input_size: int, hidden_size: int, layers: int = 1) -> None:
        super().__init__()
        self.cell, self.hidden_size, self.layers = cell, hidden_size, layers
        for layer in range(layers):
            weight = torch.zeros(GATES[cell] * hidden_size, hidden_size if layer else input_size)
            self.register_parameter(f"weight_ih_l{layer}", torch.nn.Parameter(weight))
            self.register_parameter(f"bias_ih_l{layer}", torch.nn.Parameter(torch.zeros(len(weight))))

    def forward(self, x: torch.Tensor, state: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """h of the top layer (T, B, H) and the last h of all layers (L, B, H), for inputs (T, B, D)."""
        if state is None:
            state = x.new_zeros(self.layers, x.shape[1], self.hidden_size)
        ends = []
        for layer, h in enumerate(state):
            weight, bias = self.get_parameter(f"weight_ih_l{layer}"), self.get_parameter(f"bias_ih_l{layer}")
            *gates, new = torch.nn.functional.linear(x, weight, bias).chunk(GATES[self.cell], dim=2)
            if self.cell == "mingru":
                take = gates[0].sigmoid()
                keep = 1 - take
            else:
                f, i = gates[0].sigmoid(), gates[1].sigmoid()
                keep, take = f / (f + i), i / (f + i)
            added = take * new
            outputs = []
            for keep_t, added_t in zip(keep, added, strict=True):
                h = keep_t * h + added_t
                outputs.append(h)
            x = torch.stack(outputs)
            ends.append(h)
        return x, torch.stack(ends)
