"""The results of the benchmark, as plain values."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.bench.workload import Workload


@dataclass(frozen=True, slots=True)
class Row:
    """One contender at one workload. `spread` is its slowest round minus its fastest one, in milliseconds.

    `floor_ms` is the time of the bare matrix products; None where the contender's workload has another batch.
    """

    contender: str
    workload: Workload
    ms_per_step: float
    spread: float
    floor_ms: float | None


@dataclass(frozen=True, slots=True)
class Ratio:
    """The ratio of two times, taken in each round: the median over the rounds, the least, the greatest."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """All contenders at one workload. `ratios` says how many times faster than each rival we are, per character."""

    workload: Workload
    rows: list[Row]
    ratios: dict[str, Ratio]
    faster_rival: str | None  # the fastest of those with the same model
    floor_share: Ratio  # floor over our time: 1 if a step did nothing but the products
    blas_threads: int  # that we chose to use


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure other than a training step: a value in its unit, None if there is none, and its reference."""

    what: str
    value: float | None
    unit: str
    reference: str = ""
    reference_value: float | None = None
    ratio: Ratio | None = None


@dataclass(slots=True)
class Results:
    """All that the benchmark found. `missing` has the reason for each contender that did not take part.

    `disagreement` is the largest relative difference between what the contenders computed in the first steps.
    """

    machine: dict[str, Any] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    disagreement: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values; `rows` has all contenders at all workloads."""
        comparisons = [dataclasses.asdict(comparison) for comparison in self.comparisons]
        rows = [{**row.pop("workload"), **row} for comparison in comparisons for row in comparison.pop("rows")]
        return {
            "machine": self.machine,
            "rows": rows,
            "comparisons": comparisons,
            "measures": [dataclasses.asdict(measure) for measure in self.measures],
            "missing": self.missing,
            "disagreement": self.disagreement,
        }


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Ratio:
    """The ratio of the two times in each round: median, least and greatest."""
    pairs = [above / below for above, below in zip(numerators, denominators, strict=True)]
    return Ratio(statistics.median(pairs), min(pairs), max(pairs))


def compared(what: str, values: Sequence[float], unit: str, reference: str, references: Sequence[float]) -> Measure:
    """The median of `values` beside that of a reference; both have a value for each round."""
    median = statistics.median(references)
    return Measure(what, statistics.median(values), unit, reference, median, ratio(values, references))
