"""Time to quality: the minutes of training until the loss on a held-out text is as low as given ones.

A faster step is worth something only if the network learns as much in it. All contenders begin with the same weights
and read the same windows with the same settings. They take turns of some training steps; only these are timed. After
each turn the loss on the whole held-out tenth of the text is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from engine.bench.contenders import LEARNING, OURS, Contender
from engine.bench.duel import Entry, rivals_may_fail, start
from engine.bench.results import Measure, Ratio, Results
from engine.bench.workload import Workload

STEPS = 250  # of a turn
MINUTES = 10.0  # of training for each contender, at most
LOSSES = (1.6, 1.5)  # nats per character
NETWORKS = (Workload("gru", 1, 128, 32), Workload("lstm", 2, 128, 50), Workload("gru", 2, 256, 50))


@dataclass(slots=True)
class Curve:
    """What one contender has learnt: after each turn the minutes of training so far, and the loss in nats."""

    minutes: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def add(self, seconds: float, loss: float) -> None:
        """Add a turn that took `seconds`, and the loss after it."""
        self.minutes.append(seconds / 60 + (self.minutes[-1] if self.minutes else 0))
        self.losses.append(loss)

    def until(self, loss: float) -> float | None:
        """The minutes until the loss was first as low as `loss`; None if it never was."""
        return next((minutes for minutes, own in zip(self.minutes, self.losses, strict=True) if own <= loss), None)

    def goes_on(self, loss: float, minutes: float) -> bool:
        """Whether it has neither come as low as `loss` nor trained for `minutes`."""
        return not self.minutes or (self.until(loss) is None and self.minutes[-1] < minutes)


def quality(
    results: Results,
    rivals: Sequence[Contender],
    networks: Sequence[Workload],
    *,
    losses: Sequence[float],
    minutes: float,
    threads: int,
    progress: Callable[[str], None],
    steps: int = STEPS,
) -> None:
    """Add for every network and each of `losses` the minutes of training until then, ours beside the rivals'.

    `networks` are workloads with a text.
    """
    torch = [rival for rival in rivals if rival.name == "torch"]
    for workload in networks:
        progress(f"time to quality: {workload}")
        entries = [Entry(each.name, each, workload, LEARNING) for each in (OURS, *torch)]
        curves = learn(results, entries, threads, steps, lambda curve: curve.goes_on(min(losses), minutes))
        ours = curves.pop(OURS.name)
        for name, theirs in curves.items() or [("", Curve())]:
            results.measures += [_minutes(workload, loss, ours, name, theirs) for loss in losses]
            lowest = f"lowest loss in {minutes:g} minutes, {workload}"
            results.measures.append(
                Measure(lowest, min(ours.losses), "nats", name, min(theirs.losses) if name else None)
            )


def learn(
    results: Results, entries: Sequence[Entry], threads: int, steps: int, goes_on: Callable[[Curve], bool]
) -> dict[str, Curve]:
    """Have the entries train in turn, `steps` at a time, each as long as its curve `goes_on`; the curves by name."""
    with ExitStack() as stack:
        processes = start(entries, threads, results, stack)
        curves = {name: Curve() for name in processes}
        while waiting := [entry for entry in entries if entry.name in processes and goes_on(curves[entry.name])]:
            for entry in waiting:
                with rivals_may_fail(entry, processes, results):
                    curves[entry.name].add(*processes[entry.name].learn(steps))
        return {name: curves[name] for name in processes}


def _minutes(workload: Workload, loss: float, ours: Curve, name: str, theirs: Curve) -> Measure:
    own, other = ours.until(loss), theirs.until(loss)
    ratio = None if own is None or other is None else Ratio(other / own, other / own, other / own)
    reference = name if other is not None or not name else f"{name}, which never was so low"
    return Measure(f"minutes until {loss:.2f} nats, {workload}", own, "min", reference, other, ratio)
