"""This project's own engine, as a contender."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import numpy as np

from engine.arrays import Codes
from engine.bench.workload import CLIP_NORM, EMBEDDING_SIZE, LEARNING_RATE, TEMPERATURE, Workload, held_out
from engine.config import Config
from engine.network.model import Model
from engine.network.sampling import Choice, Sampler, generate
from engine.probes import connectivity as probe
from engine.probes.connectivity import MOST_PROBABLE
from engine.training.cores import measure, set_threads, ways
from engine.training.trainer import Trainer
from engine.training.validation import ValidationText


def training(workload: Workload, threads: int) -> Callable[[], float]:
    """A function that makes one training step and returns its loss in nats per character."""
    trainer = _trainer(workload, threads, workload.text())
    return lambda: trainer.step().loss


def learning(workload: Workload, threads: int) -> Callable[[int], tuple[float, float]]:
    """A function that makes training steps; see `engine.bench.contenders.LEARNING`."""
    corpus = workload.corpus()
    trainer = _trainer(workload, threads, corpus.train, held_out(corpus))

    def learn(steps: int) -> tuple[float, float]:
        start = perf_counter()
        for _ in range(steps):
            trainer.step()
        seconds = perf_counter() - start
        losses = trainer.validate()
        assert losses is not None
        return seconds, losses.mean

    return learn


def _trainer(workload: Workload, threads: int, text: Codes, validation: ValidationText | None = None) -> Trainer:
    config = settings(workload)
    # As a run does it: the fastest way to use the cores.
    (blas_threads, workers), _ = measure(config, workload.vocabulary, ways(config, threads))
    set_threads(blas_threads)
    config = config.replace(threads=blas_threads, workers=workers)
    trainer = Trainer(config, workload.vocabulary, text, np.empty(0, np.intp), validation=validation)
    trainer.parameters.load(workload.parameters().views)
    trainer.refresh()
    return trainer


def settings(workload: Workload) -> Config:
    """The settings of a run that trains `workload`."""
    return Config(
        cell=workload.cell,
        layers=workload.layers,
        hidden=workload.hidden,
        embedding=EMBEDDING_SIZE,
        batch=workload.batch,
        seq=workload.seq,
        optimizer="adam",
        lr=LEARNING_RATE,
        clip=f"norm:{CLIP_NORM}",
    )


def sampling(workload: Workload, threads: int) -> Callable[[], float]:
    """A function that generates T characters and returns their number."""
    sampler = Sampler(Model(workload.parameters()), np.random.default_rng(0))
    choice = Choice(TEMPERATURE)
    return lambda: float(sum(1 for _ in generate(sampler, choice, workload.seq)))


def connectivity(workload: Workload, threads: int) -> Callable[[], float]:
    """A function that finds C(t, s) of T characters at every s, and returns their mean."""
    model = Model(workload.parameters())
    codes = workload.windows()[0][0][:, 0]
    targets = np.append(codes[1:], MOST_PROBABLE)
    return lambda: float(probe.connectivity(model, codes, targets)[0].mean())
