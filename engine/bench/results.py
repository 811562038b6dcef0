"""What the benchmark found, as plain values."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.bench.duel import Times
from engine.bench.workload import Workload


@dataclass(frozen=True, slots=True)
class Row:
    """One contender at one shape. `spread` is the slowest round's median less the fastest one's, in milliseconds.

    `floor_ms`: the bare matrix products of the same shape; None where the contender has another batch.
    """

    contender: str
    cell: str
    layers: int
    hidden: int
    batch: int
    seq: int
    ms_per_step: float
    spread: float
    floor_ms: float | None


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times one thing is another, by the pairs of one round each: the median pair, the least, the greatest."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """All contenders at one shape. `ratios`: how many times faster than each rival we are, per character."""

    workload: Workload
    rows: list[Row]
    ratios: dict[str, Ratio]
    faster_rival: str | None  # the fastest of those with the same model
    floor_share: Ratio  # floor over our time: 1 would be nothing but the products
    blas_threads: int  # that we chose to use, of those that everyone may use


@dataclass(frozen=True, slots=True)
class Measure:
    """Anything else: a value in its unit, and what it is compared with."""

    what: str
    value: float
    unit: str
    reference: str = ""
    reference_value: float | None = None
    ratio: Ratio | None = None


@dataclass(slots=True)
class Results:
    """All of one run. `missing` says who did not take part and why.

    `disagreement` is the largest relative difference between what the contenders computed, in the first steps.
    """

    machine: dict[str, Any] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    disagreement: float | None = None

    def take(self, times: Times) -> None:
        """Keep what a duel says of the machine, of failures and of how far the contenders agree."""
        self.machine.update({**times.machine, **self.machine})
        self.missing.update(times.failed)
        if times.disagreement is not None:
            self.disagreement = max(self.disagreement or 0.0, times.disagreement)

    def to_json(self) -> dict[str, Any]:
        """Plain values; `rows` has all contenders at all shapes, one below the other."""
        comparisons = [dataclasses.asdict(comparison) for comparison in self.comparisons]
        rows = [row for comparison in comparisons for row in comparison.pop("rows")]
        return {
            "machine": self.machine,
            "rows": rows,
            "comparisons": comparisons,
            "measures": [dataclasses.asdict(measure) for measure in self.measures],
            "missing": self.missing,
            "disagreement": self.disagreement,
        }


def spread(values: Sequence[float]) -> float:
    """The range of the rounds."""
    return max(values) - min(values)


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Ratio:
    """The ratio of each round's pair, summed up."""
    pairs = [above / below for above, below in zip(numerators, denominators, strict=True)]
    return Ratio(statistics.median(pairs), min(pairs), max(pairs))
