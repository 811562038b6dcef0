"""The results as plain text."""

from __future__ import annotations

from collections.abc import Sequence

from engine.bench.contenders import OURS
from engine.bench.results import Comparison, Measure, Ratio, Results, Row

BUSY = 0.5  # load average from which on the numbers cannot be trusted


def report(results: Results) -> str:
    """All of `results` as plain text: machine, training, other measures, missing contenders; lost rows too."""
    parts = [machine_lines(results.machine)] if results.machine else []
    if results.comparisons:
        parts.append(training_table(results.comparisons))
    if results.measures:
        parts.append(measures_table(results.measures))
    if results.disagreement is not None:
        parts.append(f"What the contenders computed is the same within {results.disagreement:.0e}.")
    parts += [f"{name} is missing: {reason}" for name, reason in results.missing.items()]
    return "\n\n".join(parts) + "\n"


def machine_lines(machine: dict[str, object]) -> str:
    """What the results were measured on, two or three lines."""
    busy = machine.get("load")
    warning = ""
    if isinstance(busy, float) and busy > BUSY:
        warning = f"\nOther programs were running (load {busy}): these numbers cannot be trusted."
    versions = [f"{name} {machine[name]}" for name in ("python", "numpy", "torch", "jax") if name in machine]
    return (
        f"{machine['cpu']}, {machine['threads']} of {machine['cores']} cores, "
        f"{machine['blas']} with its {machine['kernel']} kernel\n{', '.join(versions)}, {machine['system']}{warning}"
    )


def training_table(comparisons: Sequence[Comparison]) -> str:
    """A line for each workload: every contender's time, the floor, how many times faster than each rival we are."""
    names = list(dict.fromkeys(row.contender for comparison in comparisons for row in comparison.rows))
    rivals = [name for name in names if name != OURS.name]
    header = [
        "cell",
        "size",
        "B",
        "T",
        "V",
        *names,
        "floor",
        "floor/ours",
        "threads",
        *(f"vs {name}" for name in rivals),
    ]
    lines = []
    for comparison in comparisons:
        workload = comparison.workload
        rows = {row.contender: row for row in comparison.rows}
        lines.append(
            [workload.cell, f"{workload.layers}×{workload.hidden}"]
            + [str(number) for number in (workload.batch, workload.seq, workload.vocabulary)]
            + [_time(rows.get(name), workload.batch) for name in names]
            + [f"{rows[OURS.name].floor_ms:.2f}", f"{comparison.floor_share.median:.0%}", str(comparison.blas_threads)]
            + [_ratio(comparison.ratios.get(name)) + "*" * (name == comparison.faster_rival) for name in rivals]
        )
    return table(header, lines) + (
        "\nMilliseconds per step, median of the rounds (their range), each contender in its own process, in turn."
        "\nthreads: of the BLAS in each process of this project, which chose both. floor: the matrix products alone."
        "\nvs: median ratio of the rounds' pairs (least–greatest), per character; above 1 this project is faster."
        "\n*: the faster rival with the same model."
    )


def measures_table(measures: Sequence[Measure]) -> str:
    """A line for each measure that is no training step."""
    return table(
        ["measure", "value", "compared with", "value", "ratio"],
        [
            [
                measure.what,
                _value(measure.value, measure.unit) or "–",
                measure.reference,
                _value(measure.reference_value, measure.unit),
                _ratio(measure.ratio),
            ]
            for measure in measures
        ],
    )


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """`header` and `lines` in columns, padded to the same width, with two spaces between them."""
    rows = [list(header), *map(list, lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["─" * width for width in widths])
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _time(row: Row | None, batch: int) -> str:
    if row is None:
        return "–"
    its_batch = row.workload.batch
    return f"{row.ms_per_step:.2f} ({row.spread:.2f})" + ("" if its_batch == batch else f" at B {its_batch}")


def _value(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:,.4g} {unit}"


def _ratio(ratio: Ratio | None) -> str:
    return "–" if ratio is None else f"{ratio.median:.2f}× ({ratio.low:.2f}–{ratio.high:.2f})"
