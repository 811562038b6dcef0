"""Reports and samples as lines of a log, and the checked way back."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from types import NoneType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.arrays import frozen
from engine.probes.results import Sample
from engine.typed_json import LARGEST, MOST, Count, MalformedError, read

DIGITS = 4  # of a probability in `samples.jsonl`: enough to colour a character
BLOCK = 4096  # rows that are checked together
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
    grad_norm: float | None = None  # of the last step, before clipping
    clipped: float | None = None  # share of the steps since the line before whose gradient was clipped, 0 … 1
    chars_per_second: float | None = None
    reach: float | None = None  # characters
    reach_se: float | None = None  # its standard error; none before version 0.3
    lambda1: float | None = None  # the largest Lyapunov exponent, nats per character; none before version 0.3


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


COLUMNS = tuple(each.name for each in dataclasses.fields(Metrics) if each.name != "step")


def columns(rows: Iterable[dict[str, Any]]) -> dict[str, NDArray[Any]]:
    """The same reports as columns (n,): `step` as int64, and COLUMNS as float64 with NaN where a row has no value.

    A log may have hundreds of thousands of rows, so a whole block is checked at once, field by field. Only a block in
    which something is wrong is read row by row.
    """
    blocks = [_block([])]
    rows = iter(rows)
    while block := list(itertools.islice(rows, BLOCK)):
        try:
            blocks.append(_block(block))
        except MalformedError:
            blocks.append(_block([dataclasses.asdict(report) for report in reports(block)]))
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _block(rows: list[dict[str, Any]]) -> dict[str, NDArray[Any]]:
    """The columns of `rows`. Raises `MalformedError` if `reports` would leave out any of them."""
    steps = [row.get("step") for row in rows]
    if not set(map(type, steps)) <= {int} or (steps and not 0 <= min(steps) <= max(steps) <= MOST):  # type: ignore
        raise MalformedError("step: is no count")
    found: dict[str, NDArray[Any]] = {"step": np.array(steps, np.int64)}
    for name in COLUMNS:
        values = [row.get(name) for row in rows]
        if not set(map(type, values)) <= {float, int, NoneType}:
            raise MalformedError(f"{name}: is no number")
        try:
            column = np.array(values, np.float64)  # None becomes NaN
        except OverflowError:
            raise MalformedError(f"{name}: is too large") from None
        if np.isnan(column).sum() != values.count(None) or (np.abs(column) > LARGEST).any():
            raise MalformedError(f"{name}: is not finite, or too large")
        found[name] = column
    return found


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
