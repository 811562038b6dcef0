"""This project's own engine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.bench.workload import CLIP_NORM, EMBEDDING_SIZE, LEARNING_RATE, VOCABULARY_SIZE, Workload
from engine.config import Config
from engine.training import Trainer


def training(workload: Workload, threads: int) -> Callable[[], float]:
    """A function that makes one training step and returns its loss in nats per character."""
    config = Config(
        cell=workload.cell,
        layers=workload.layers,
        hidden=workload.hidden,
        embedding=EMBEDDING_SIZE,
        batch=workload.batch,
        seq=workload.seq,
        optimizer="adam",
        lr=LEARNING_RATE,
        clip=f"norm:{CLIP_NORM}",
        threads=threads,
    )
    trainer = Trainer(config, VOCABULARY_SIZE, workload.text(), np.empty(0, np.intp))
    trainer.parameters.load(workload.parameters().views)
    trainer.model.refresh()
    return lambda: trainer.step().loss
