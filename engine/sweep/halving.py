"""Successive halving: at each doubling of the steps, the worse half of the runs that are left is stopped.

Jamieson & Talwalkar 2016, "Non-stochastic best arm identification and hyperparameter optimization".
"""

from __future__ import annotations

import dataclasses
import math

from engine.sweep.study import ENDED, Study, StudyRun


def target(study: Study, run: StudyRun) -> int:
    """The step to which `run` is trained now: its last one, or that of the next halving.

    With K halvings of runs with S steps, these are S/2^K, …, S/4, S/2.
    """
    steps = study.config_of(run).steps
    assert steps is not None  # the grid refuses runs without an end
    return max(1, steps >> max(0, study.halvings - study.halved))


def halve(study: Study) -> Study:
    """The study after a halving, if all runs that are left have come to the step of one; otherwise as it is.

    The worse half are those with the higher validation losses; of equal ones, the later.
    """
    while study.halved < study.halvings:
        left = [run for run in study.runs if run.state not in ENDED]
        if not left or any(run.steps < target(study, run) for run in left):
            break
        best_first = sorted(left, key=lambda run: math.inf if run.val_loss is None else run.val_loss)
        for run in best_first[(len(left) + 1) // 2 :]:
            reason = f"in the worse half at step {run.steps:,}"
            study = study.with_run(run.name, state="stopped", reason=reason)
        study = dataclasses.replace(study, halved=study.halved + 1)
    return study
