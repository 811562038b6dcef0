"""Reports and samples as lines of a log, and the checked way back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np

from engine.arrays import frozen
from engine.probes.results import Sample
from engine.typed_json import Count, MalformedError, read

DIGITS = 4  # of a probability in `samples.jsonl`: enough to colour a character
Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class Metrics:
    """A line of `metrics.jsonl`; None is what was not measured, or not finite. Losses are in nats per character."""

    step: Count
    epoch: float | None = None
    time: float | None = None  # seconds of training
    loss: float | None = None
    val_loss: float | None = None
    val_loss_se: float | None = None  # its standard error; none before version 0.3
    regret: float | None = None  # how far val_loss lies above an oracle's, where there is one
    regret_se: float | None = None  # its standard error
    lr: float | None = None
    grad_norm: float | None = None
    chars_per_second: float | None = None
    reach: float | None = None  # characters


def parsed(rows: Iterable[dict[str, Any]], parse: Callable[[dict[str, Any]], Parsed]) -> Iterator[Parsed]:
    """What `parse` makes of each row; rows for which it raises `MalformedError` are damaged, and left out."""
    for row in rows:
        try:
            found = parse(row)
        except MalformedError:
            continue
        yield found


def reports(rows: Iterable[dict[str, Any]]) -> Iterator[Metrics]:
    """The rows of `metrics.jsonl`; damaged ones are left out."""
    return parsed(rows, partial(read, Metrics))


def sample_row(sample: Sample) -> dict[str, Any]:
    """The line of `samples.jsonl` for `sample`."""
    probability = [round(float(value), DIGITS) for value in sample.probability]
    return {**dataclasses.asdict(sample), "probability": probability}


def sample_from_row(row: dict[str, Any]) -> Sample:
    """The sample of a row that `sample_row` made. Raises `MalformedError` for other rows."""
    sample = read(Sample, row)
    if sample.probability.shape != (len(sample.text),):
        raise MalformedError("probability: not one for each character")
    return dataclasses.replace(sample, probability=frozen(sample.probability.astype(np.float32)))
