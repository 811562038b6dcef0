"""A whole network of plain cells, forward and backward in float64: the judge of the fast one."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.network.cells import plain
from engine.network.cells.plain import PLAIN, Gradients, step
from engine.network.cells.plain.step import Weights
from engine.network.parameters import Parameters

State = tuple[tuple[np.ndarray, ...], ...]  # (h,) or (h, c) of each layer, (B, H) each


def weights_of(parameters: Parameters, layer: int) -> Weights:
    return step.weights_of(parameters.of_layer(layer), parameters.architecture.hidden_size)


def zero_state(parameters: Parameters, batch: int) -> State:
    architecture = parameters.architecture
    zero = np.zeros((batch, architecture.hidden_size))
    return (((zero, zero) if architecture.cell == "lstm" else (zero,)),) * architecture.layers


def onehot(parameters: Parameters, codes: np.ndarray) -> np.ndarray:
    """(T, B, V) of codes (T, B)."""
    return np.asarray(np.eye(parameters.architecture.vocabulary_size)[codes])


def run(parameters: Parameters, inputs: np.ndarray, state: State | None = None) -> tuple[list[list[Any]], np.ndarray]:
    """Plain steps of each layer, and logits (T, B, V), of `inputs` (T, B, V), which need not be one-hot."""
    architecture = parameters.architecture
    x = inputs if architecture.onehot else inputs @ parameters["embedding.weight"].astype(np.float64)
    layers: list[list[Any]] = []
    for layer, begin in enumerate(state or zero_state(parameters, inputs.shape[1])):
        layers.append(plain.forward(PLAIN[architecture.cell], weights_of(parameters, layer), x, begin))
        x = np.array([step.h for step in layers[-1]])
    return layers, x @ parameters["head.weight"].T.astype(np.float64) + parameters["head.bias"]


def logits(parameters: Parameters, codes: np.ndarray, state: State | None = None) -> np.ndarray:
    """Logits (T, B, V) of `codes` (T, B)."""
    return run(parameters, onehot(parameters, codes), state)[1]


def losses(parameters: Parameters, codes: np.ndarray, targets: np.ndarray, state: State | None = None) -> np.ndarray:
    """Cross-entropies (T, B) in nats."""
    scores = logits(parameters, codes, state)
    chosen = np.take_along_axis(scores, targets[:, :, None], axis=2)[:, :, 0]
    return np.asarray(np.log(np.exp(scores).sum(axis=2)) - chosen)


def gradients(
    parameters: Parameters, codes: np.ndarray, targets: np.ndarray, state: State, *, last_only: bool = False
) -> tuple[dict[str, np.ndarray], list[Gradients]]:
    """Gradients of the mean loss over all steps or the last one: of every parameter, and what each layer says."""
    architecture, inputs = parameters.architecture, onehot(parameters, codes)
    layers, scores = run(parameters, inputs, state)
    d_logits = np.exp(scores) / np.exp(scores).sum(axis=2, keepdims=True) - onehot(parameters, targets)
    if last_only:
        d_logits[:-1] = 0
    d_logits /= codes.shape[1] if last_only else codes.size
    outputs = np.array([step.h for step in layers[-1]])
    found = {"head.weight": np.einsum("tbv,tbh->vh", d_logits, outputs), "head.bias": d_logits.sum(axis=(0, 1))}
    d_outputs = d_logits @ parameters["head.weight"].astype(np.float64)
    by_layer: list[Gradients] = []
    for layer in reversed(range(architecture.layers)):
        by_layer.insert(
            0, plain.backward(PLAIN[architecture.cell], weights_of(parameters, layer), layers[layer], d_outputs)
        )
        d_outputs = by_layer[0].inputs
        kinds = by_layer[0].weights._asdict()
        found |= {f"rnn.{kind}_l{layer}": array for kind, array in kinds.items() if array.size}
    if not architecture.onehot:
        found["embedding.weight"] = np.einsum("tbv,tbd->vd", inputs, d_outputs)
    return found, by_layer
