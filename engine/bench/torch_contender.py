"""PyTorch at its fastest on a CPU: its fused recurrent layers and its fused Adam; cells that it lacks, compiled."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import cycle
from time import perf_counter
from typing import Any

import numpy as np
import torch

from engine.bench.measurement import timed
from engine.bench.torch_minimal import GATES, MinimalRNN
from engine.bench.workload import CLIP_NORM, EMBEDDING_SIZE, LEARNING_RATE, TEMPERATURE, Workload, held_out
from engine.training.validation import ValidationText

SECONDS_TO_CHOOSE = 0.5  # for the module as it is, and for the module compiled
LAYERS = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}


def training(workload: Workload, threads: int) -> Callable[[], float]:
    """A function that makes one training step and returns its loss in nats per character."""
    torch.set_num_threads(threads)
    return _training(workload, _fastest(workload))


def _fastest(workload: Workload) -> torch.nn.ModuleDict:
    """The network with its first weights.

    PyTorch has no fused layer of mingru and minlstm: the faster of the module as it is and the module compiled.
    """
    model = build(workload)
    if workload.cell in GATES:
        compiled = build(workload)
        compiled["rnn"].compile()
        models = (model, compiled)
        model = min(models, key=lambda each: min(timed(_training(workload, each), SECONDS_TO_CHOOSE)))
        load(model, workload)  # the first weights again
    return model


def learning(workload: Workload, threads: int) -> Callable[[int], tuple[float, float]]:
    """A function that makes training steps; see `engine.bench.contenders.LEARNING`."""
    torch.set_num_threads(threads)
    model, text = _fastest(workload), held_out(workload.corpus())
    step = _training(workload, model)

    def learn(steps: int) -> tuple[float, float]:
        start = perf_counter()
        for _ in range(steps):
            step()
        return perf_counter() - start, _held_out_loss(model, text)

    return learn


@torch.inference_mode()
def _held_out_loss(model: torch.nn.ModuleDict, text: ValidationText) -> float:
    sums, state = np.zeros(text.batch), None
    for index in range(text.windows):
        inputs, targets = (torch.from_numpy(codes) for codes in text.window(index))
        outputs, state = model["rnn"](model["embedding"](inputs), state)
        logits = model["head"](outputs).transpose(1, 2)
        sums += text.sums(index, torch.nn.functional.cross_entropy(logits, targets, reduction="none").numpy())
    return text.losses(sums).mean


def _training(workload: Workload, model: torch.nn.ModuleDict) -> Callable[[], float]:
    parameters = list(model.parameters())
    adam = torch.optim.Adam(parameters, LEARNING_RATE, fused=True)
    windows = cycle((i, torch.from_numpy(x), torch.from_numpy(y)) for i, (x, y) in enumerate(workload.windows()))
    state: Any = None

    def step() -> float:
        nonlocal state
        index, inputs, targets = next(windows)
        adam.zero_grad()
        if index == 0:
            state = None
        outputs, after = model["rnn"](model["embedding"](inputs), state)
        state = tuple(part.detach() for part in after) if workload.cell == "lstm" else after.detach()
        logits = model["head"](outputs)
        loss: Any = torch.nn.functional.cross_entropy(logits.view(-1, workload.vocabulary), targets.view(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, CLIP_NORM)
        adam.step()
        return float(loss.item())

    return step


def sampling(workload: Workload, threads: int) -> Callable[[], float]:
    """A function that generates T characters, one call of the network each, and returns their number."""
    torch.set_num_threads(threads)
    model = build(workload)

    @torch.inference_mode()
    def generate() -> float:
        code, state = torch.zeros(1, 1, dtype=torch.long), None
        for _ in range(workload.seq):
            output, state = model["rnn"](model["embedding"](code), state)
            probabilities = torch.softmax(model["head"](output[0, 0]) / TEMPERATURE, -1)
            code = torch.multinomial(probabilities, 1).view(1, 1)
            code.item()  # the program that shows the character needs it
        return float(workload.seq)

    return generate


def sampling_by_cell(workload: Workload, threads: int) -> Callable[[], float]:
    """A function that generates T characters and returns their number, with the bare `torch.gru_cell` and no modules.

    It is the fastest way in PyTorch that we know.
    """
    torch.set_num_threads(threads)
    arrays = {name: torch.from_numpy(array) for name, array in workload.parameters().views.items()}
    embedding, head, bias = arrays["embedding.weight"], arrays["head.weight"], arrays["head.bias"]
    weights = [arrays[f"rnn.{kind}_l0"] for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]

    @torch.inference_mode()
    def generate() -> float:
        code, state = torch.zeros(1, dtype=torch.long), torch.zeros(1, workload.hidden)
        for _ in range(workload.seq):
            state = torch.gru_cell(embedding[code], state, *weights)
            probabilities = torch.softmax(torch.nn.functional.linear(state, head, bias) / TEMPERATURE, -1)
            code = torch.multinomial(probabilities, 1).view(1)
            code.item()
        return float(workload.seq)

    return generate


def connectivity(workload: Workload, threads: int) -> Callable[[], float]:
    """A function that finds C(t, s) of T characters at every s, one backward pass each, and returns their mean.

    C(t, s) = ‖∂z_k(s)/∂x_t‖₂, k the character after step s; the most probable one after the last step.
    """
    torch.set_num_threads(threads)
    model: Any = build(workload)
    codes = torch.from_numpy(workload.windows()[0][0][:, 0])

    def all_positions() -> float:
        inputs = torch.nn.functional.one_hot(codes, workload.vocabulary).float().requires_grad_()
        outputs, _ = model["rnn"](inputs @ model["embedding"].weight)
        logits = model["head"](outputs)
        asked = [*codes[1:].tolist(), int(logits[-1].argmax())]
        matrix = torch.zeros(workload.seq, workload.seq)
        for position, character in enumerate(asked):
            (gradient,) = torch.autograd.grad(logits[position, character], inputs, retain_graph=True)
            matrix[position] = gradient.norm(dim=1)
        return float(matrix.mean())

    return all_positions


def build(workload: Workload) -> torch.nn.ModuleDict:
    """Embedding, recurrent layers and head, with the workload's first weights."""
    layers = partial(MinimalRNN, workload.cell) if workload.cell in GATES else LAYERS[workload.cell]
    model = torch.nn.ModuleDict(
        {
            "embedding": torch.nn.Embedding(workload.vocabulary, EMBEDDING_SIZE),
            "rnn": layers(EMBEDDING_SIZE, workload.hidden, workload.layers),
            "head": torch.nn.Linear(workload.hidden, workload.vocabulary),
        }
    )
    load(model, workload)
    return model


def load(model: torch.nn.ModuleDict, workload: Workload) -> None:
    """Give `model` the workload's first weights."""
    model.load_state_dict({name: torch.from_numpy(array) for name, array in workload.parameters().views.items()})
