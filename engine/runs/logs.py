"""The logs of a run: JSON objects, one a line. If a crash cut a log short, its complete lines can still be read."""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.arrays import frozen
from engine.probes.results import GradientFlow, Sample
from engine.runs.files import PRIVATE_FILE, write_all
from engine.typed_json import MalformedError, parse, read

DIGITS = 4  # of a probability in `samples.jsonl`: enough to colour a character


class JsonLines:
    """Adds lines to the log at `path`. A line that could not be written waits in memory for the next try.

    The file is opened for each write: a file that stays open would accept lines even after its directory was deleted.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = path.stat().st_size if path.exists() else 0  # bytes of complete lines
        self._waiting: list[tuple[int, bytes]] = []
        self._try_again = 0  # the number of waiting lines from which on `append` tries to write again

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a line. Its "step" must not be below that of the line before. Arrays become lists, NaN and infinity null.

        Raises `OSError` if the disk refuses. The line then waits in memory, and must not be added again.
        """
        self._waiting.append((int(row["step"]), json.dumps(_plain(row), allow_nan=False).encode() + b"\n"))
        if len(self._waiting) < self._try_again:
            raise OSError(errno.EAGAIN, "the disk still refuses")
        self.flush()

    def flush(self, *, durable: bool = False) -> None:
        """Write the lines that wait; with `durable` they survive a power cut. Raises `OSError` if the disk refuses."""
        if not (self._waiting or durable):
            return
        # Each try writes all lines that wait, so tries become rarer while the disk refuses; a save always tries.
        self._try_again = len(self._waiting) * 9 // 8
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
        try:
            # After `_size` a failed write may have left half a line. A shorter file was deleted and made again.
            self._size = min(self._size, os.fstat(descriptor).st_size)
            os.ftruncate(descriptor, self._size)
            data = b"".join(line for _, line in self._waiting)
            write_all(descriptor, data)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._size += len(data)
        self._waiting.clear()
        self._try_again = 0

    def forget_after(self, step: int) -> None:
        """Cut off the lines of steps after `step`, and an incomplete line at the end. Raises `OSError`."""
        self._size = 0
        for line, row in _lines(self._path):
            if row is None or row["step"] > step:
                os.truncate(self._path, self._size)
                break
            self._size += len(line)
        self._waiting = [(at, line) for at, line in self._waiting if at <= step]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The objects in the log at `path`, oldest first; an empty list if there is no log. Damaged lines are left out."""
    return [row for _, row in _lines(path) if row is not None]


def _lines(path: Path) -> Iterator[tuple[bytes, dict[str, Any] | None]]:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        for line in file:
            yield line, _row(line)


def _row(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        row = parse(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("step"), int) else None


def _plain(value: Any) -> Any:
    """`value` in the types that JSON has."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


# --- a sample and a gradient flow as lines ------------------------------------------------------------


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


def flow_row(flow: GradientFlow) -> dict[str, Any]:
    """The line of `gradients.jsonl` for `flow`; the two outermost edges, which are infinite, are left out."""
    return {**dataclasses.asdict(flow), "edges": flow.edges[1:-1]}


def flow_from_row(row: dict[str, Any]) -> GradientFlow:
    """The flow of a row that `flow_row` made. Raises `MalformedError` for other rows."""
    flow = read(GradientFlow, row, sigma=_spectrum(row, "sigma"), rho=_spectrum(row, "rho"))
    edges = np.concatenate([[-np.inf], flow.edges.ravel(), [np.inf]])
    steps, bins = len(flow.norms), len(edges) - 1
    squares = flow.triangle is None or flow.triangle.shape == (steps, steps)
    if flow.norms.ndim != 1 or not steps or flow.counts.shape != (steps, bins) or not squares:
        raise MalformedError("counts, norms, edges and triangle do not fit each other")
    if (np.diff(flow.edges) <= 0).any() or (flow.counts < 0).any():
        raise MalformedError("edges do not rise, or counts are below 0")
    return dataclasses.replace(flow, edges=frozen(edges))


def _spectrum(row: dict[str, Any], name: str) -> dict[str, float]:
    """A number for each gate; NaN where the row has null."""
    found = read(_Spectrum, {"by_gate": row.get(name)}, name).by_gate
    return {gate: np.nan if value is None else value for gate, value in found.items()}


@dataclass(frozen=True, slots=True)
class _Spectrum:
    by_gate: dict[str, float | None]
