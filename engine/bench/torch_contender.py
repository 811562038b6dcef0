"""PyTorch at its fastest on a CPU: its fused recurrent layers and its fused Adam."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from typing import Any

import torch

from engine.bench.workload import CLIP_NORM, EMBEDDING_SIZE, LEARNING_RATE, VOCABULARY_SIZE, Workload

LAYERS = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}


def training(workload: Workload, threads: int) -> Callable[[], float]:
    """A function that makes one training step and returns its loss in nats per character."""
    torch.set_num_threads(threads)
    model = build(workload)
    parameters = list(model.parameters())
    adam = torch.optim.Adam(parameters, LEARNING_RATE, fused=True)
    windows = cycle((torch.from_numpy(x), torch.from_numpy(y)) for x, y in workload.windows())
    state: Any = None

    def step() -> float:
        nonlocal state
        inputs, targets = next(windows)
        adam.zero_grad()
        outputs, after = model["rnn"](model["embedding"](inputs), state)
        state = tuple(part.detach() for part in after) if workload.cell == "lstm" else after.detach()
        logits = model["head"](outputs)
        loss: Any = torch.nn.functional.cross_entropy(logits.view(-1, VOCABULARY_SIZE), targets.view(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, CLIP_NORM)
        adam.step()
        return float(loss.item())

    return step


def build(workload: Workload) -> torch.nn.ModuleDict:
    """Embedding, recurrent layers and head, with the workload's first weights."""
    model = torch.nn.ModuleDict(
        {
            "embedding": torch.nn.Embedding(VOCABULARY_SIZE, EMBEDDING_SIZE),
            "rnn": LAYERS[workload.cell](EMBEDDING_SIZE, workload.hidden, workload.layers),
            "head": torch.nn.Linear(workload.hidden, VOCABULARY_SIZE),
        }
    )
    model.load_state_dict({name: torch.from_numpy(array) for name, array in workload.parameters().views.items()})
    return model
