"""JAX at its fastest on a CPU: one compiled step, a scan over time, the input projection looked up in a table."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from typing import Any

import jax
import jax.numpy as jnp

from engine.bench.workload import CLIP_NORM, LEARNING_RATE, Workload

Arrays = dict[str, Any]


def training(workload: Workload, threads: int) -> Callable[[], float]:
    """A function that makes one training step and returns its loss in nats per character.

    XLA sizes its thread pool by the processors this process may run on, so `threads` is already set.
    """
    parameters = {name: jnp.array(array) for name, array in workload.parameters().views.items()}
    adam = {name: (jnp.zeros_like(array), jnp.zeros_like(array)) for name, array in parameters.items()}
    count = jnp.zeros((), jnp.float32)
    zeros = [jnp.zeros((workload.batch, workload.hidden)) for _ in range(2 * workload.layers)]
    state: Any = list(zip(zeros[::2], zeros[1::2], strict=True)) if workload.cell == "lstm" else zeros[::2]
    windows = cycle((jnp.asarray(x), jnp.asarray(y)) for x, y in workload.windows())

    def update(parameters: Arrays, adam: Arrays, count: Any, state: Any, inputs: Any, targets: Any) -> Any:
        loss_of = jax.value_and_grad(_loss, has_aux=True)
        (loss, after), gradient = loss_of(parameters, workload, inputs, targets, state)
        return loss, *_clipped_adam(parameters, adam, count, gradient), after

    compiled = jax.jit(update, donate_argnums=(0, 1, 2, 3))

    def step() -> float:
        nonlocal parameters, adam, count, state
        loss, parameters, adam, count, state = compiled(parameters, adam, count, state, *next(windows))
        return float(loss)

    return step


def _loss(parameters: Arrays, workload: Workload, inputs: Any, targets: Any, state: Any) -> Any:
    after = []
    outputs: Any = None
    for layer in range(workload.layers):
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        own: Arrays = {kind: parameters.get(f"rnn.{kind}_l{layer}") for kind in kinds}
        if layer > 0:
            projected = outputs @ own["weight_ih"].T + own["bias_ih"]
        elif workload.architecture().folded:
            projected = (parameters["embedding.weight"] @ own["weight_ih"].T + own["bias_ih"])[inputs]
        else:
            projected = parameters["embedding.weight"][inputs] @ own["weight_ih"].T + own["bias_ih"]
        last, outputs = jax.lax.scan(_cell(workload.cell, own["weight_hh"], own["bias_hh"]), state[layer], projected)
        after.append(last)
    logits = outputs @ parameters["head.weight"].T + parameters["head.bias"]
    log_probability = jnp.take_along_axis(jax.nn.log_softmax(logits), targets[..., None], -1)
    return -log_probability.mean(), after


def _cell(kind: str, weight: Any, bias: Any) -> Callable[[Any, Any], tuple[Any, Any]]:
    """One step of the recurrence, as `jax.lax.scan` wants it: (state, projected input) → (state, h).

    `weight` (G·H, H) and `bias` (G·H,) multiply the state; both are None for mingru and minlstm.
    """

    def rnn(h: Any, projected: Any) -> tuple[Any, Any]:
        h = jnp.tanh(projected + h @ weight.T + bias)
        return h, h

    def gru(h: Any, projected: Any) -> tuple[Any, Any]:
        x_r, x_z, x_n = jnp.split(projected, 3, -1)
        h_r, h_z, h_n = jnp.split(h @ weight.T + bias, 3, -1)
        z = jax.nn.sigmoid(x_z + h_z)
        n = jnp.tanh(x_n + jax.nn.sigmoid(x_r + h_r) * h_n)
        h = (1 - z) * n + z * h
        return h, h

    def lstm(state: Any, projected: Any) -> tuple[Any, Any]:
        h, c = state
        i, f, g, o = jnp.split(projected + h @ weight.T + bias, 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    def mingru(h: Any, projected: Any) -> tuple[Any, Any]:
        z, n = jnp.split(projected, 2, -1)
        z = jax.nn.sigmoid(z)
        h = (1 - z) * h + z * n
        return h, h

    def minlstm(h: Any, projected: Any) -> tuple[Any, Any]:
        f, i, n = jnp.split(projected, 3, -1)
        f, i = jax.nn.sigmoid(f), jax.nn.sigmoid(i)
        h = (f * h + i * n) / (f + i)
        return h, h

    return {"rnn": rnn, "gru": gru, "lstm": lstm, "mingru": mingru, "minlstm": minlstm}[kind]


def _clipped_adam(parameters: Arrays, adam: Arrays, count: Any, gradient: Arrays) -> tuple[Arrays, Arrays, Any]:
    """Clip by the global norm, then one step of Adam (Kingma & Ba 2015, algorithm 1)."""
    norm = jnp.sqrt(sum((array * array).sum() for array in gradient.values()))
    scale = jnp.minimum(1.0, CLIP_NORM / (norm + 1e-6))
    count = count + 1
    moments, updated = {}, {}
    for name, (first, second) in adam.items():
        clipped = gradient[name] * scale
        first = 0.9 * first + 0.1 * clipped
        second = 0.999 * second + 0.001 * clipped * clipped
        rate = LEARNING_RATE / (1 - 0.9**count)
        updated[name] = parameters[name] - rate * first / (jnp.sqrt(second / (1 - 0.999**count)) + 1e-8)
        moments[name] = (first, second)
    return updated, moments, count
