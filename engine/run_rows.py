"""Samples and gradient moments as the lines of their logs, and back."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from engine.messages import GradientFlow, Sample

DIGITS = 4  # of a probability: enough for a shade


def sample_row(sample: Sample) -> dict[str, Any]:
    """A line of `samples.jsonl`."""
    probability = [round(float(value), DIGITS) for value in sample.probability]
    return {**dataclasses.asdict(sample), "probability": probability}


def sample_from_row(row: dict[str, Any]) -> Sample:
    """What `sample_row` was given; `KeyError`, `TypeError` or `ValueError` for something else."""
    return Sample(**{**row, "probability": _array(row["probability"], np.float32)})


def flow_row(flow: GradientFlow) -> dict[str, Any]:
    """A line of `gradients.jsonl`; the two outermost edges, which are infinite, are left out."""
    return {**dataclasses.asdict(flow), "edges": flow.edges[1:-1]}


def flow_from_row(row: dict[str, Any]) -> GradientFlow:
    """What `flow_row` was given; `KeyError`, `TypeError` or `ValueError` for something else."""
    arrays = {
        "edges": _array([-np.inf, *row["edges"], np.inf], np.float64),
        "counts": _array(row["counts"], np.int64),
        "norms": _array(row["norms"], np.float64),
        "triangle": None if row["triangle"] is None else _array(row["triangle"], np.float64),
    }
    spectra = {
        name: {gate: np.nan if value is None else value for gate, value in row[name].items()}
        for name in ("sigma", "rho")
    }
    return GradientFlow(**{**row, **arrays, **spectra})


def _array(values: list[Any], dtype: DTypeLike) -> NDArray[Any]:
    array = np.array(values, dtype)  # None becomes NaN
    array.flags.writeable = False
    return array
