"""The cells as the papers write them: one sequence, one step, one gate at a time, in float64. Slow and plain."""

from __future__ import annotations

import numpy as np

from engine.network.parameters import Architecture, Parameters


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def step(cell: str, weights: dict[str, np.ndarray], x: np.ndarray, state: tuple[np.ndarray, ...]) -> tuple:
    """One step of one sequence: x (X,), state (h,) or (h, c), each (H,)."""
    h = state[0]
    from_x = weights["weight_ih"] @ x + weights["bias_ih"]
    from_h = weights["weight_hh"] @ h + weights["bias_hh"]
    if cell == "rnn":
        return (np.tanh(from_x + from_h),)
    if cell == "gru":
        (xr, xz, xn), (hr, hz, hn) = np.split(from_x, 3), np.split(from_h, 3)
        r, z = sigmoid(xr + hr), sigmoid(xz + hz)
        n = np.tanh(xn + r * hn)
        return ((1 - z) * n + z * h,)
    i, f, g, o = np.split(from_x + from_h, 4)
    c = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
    return (sigmoid(o) * np.tanh(c), c)


def logits(parameters: Parameters, codes: np.ndarray) -> np.ndarray:
    """Logits (T, B, V) of `codes` (T, B) from a zero state."""
    architecture: Architecture = parameters.architecture
    seq, batch = codes.shape
    out = np.empty((seq, batch, architecture.vocabulary_size))
    for b in range(batch):
        zero = np.zeros(architecture.hidden_size)
        states = [(zero, zero) if architecture.cell == "lstm" else (zero,) for _ in range(architecture.layers)]
        for t in range(seq):
            code = codes[t, b]
            x = np.eye(architecture.vocabulary_size)[code]
            if not architecture.onehot:
                x = parameters["embedding.weight"].astype(np.float64)[code]
            for layer in range(architecture.layers):
                names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                weights = {name: parameters[f"rnn.{name}_l{layer}"].astype(np.float64) for name in names}
                states[layer] = step(architecture.cell, weights, x, states[layer])
                x = states[layer][0]
            out[t, b] = parameters["head.weight"].astype(np.float64) @ x + parameters["head.bias"]
    return out


def losses(parameters: Parameters, codes: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Cross-entropies (T, B) in nats, from a zero state."""
    scores = logits(parameters, codes)
    scores -= scores.max(axis=2, keepdims=True)
    log_probabilities = scores - np.log(np.exp(scores).sum(axis=2, keepdims=True))
    return -np.take_along_axis(log_probabilities, targets[:, :, None], axis=2)[:, :, 0]
