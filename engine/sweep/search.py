"""Chooses the settings of the next run from ranges and lists, by what the runs before have reached.

The tree-structured Parzen estimator (Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization"), as Optuna
has it: settings are drawn where good runs lie densely, and bad ones do not. The first `AT_RANDOM` are drawn at random.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

from engine.errors import UserError
from engine.sweep.grid import name_runs
from engine.sweep.study import ENDED, Range, Study, StudyRun

AT_RANDOM = 5


def require_optuna() -> None:
    """Raise `UserError` if Optuna is not installed."""
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise UserError("a search needs Optuna, which is not installed; install charrnn-tui[sweep]") from None


def suggest(study: Study) -> StudyRun | None:
    """The next run of the search that `study` describes; None if there are no more trials.

    It depends on the runs before and on nothing else, so a search that was interrupted goes on as it would have. Runs
    that are still trained count with the worst loss of those that have ended, lest all places try the same settings.
    """
    number = len(study.runs)
    if number >= study.trials:
        return None
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that Optuna may change one day
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        # A seed of its own for each trial, or all that are drawn at random would be the same.
        sampler = optuna.samplers.TPESampler(n_startup_trials=AT_RANDOM, seed=study.config.seed + number)
        search = optuna.create_study(sampler=sampler)
        space = _space(study, optuna.distributions)
        losses = [_loss(run) for run in study.runs]
        worst = max((loss for loss in losses if loss is not None), default=0.0)
        for run, loss in zip(study.runs, losses, strict=True):
            value = worst if loss is None else loss
            search.add_trial(optuna.trial.create_trial(params=run.settings, distributions=space, value=value))
        chosen = search.ask(space).params
    settings = {name: _shorter(chosen[name], study.ranges.get(name)) for name in study.differing}
    return name_runs([settings], first=number + 1, of=study.trials)[0]


def _shorter(value: Any, ends: Range | None) -> Any:
    """A number with four digits, within its range: more of them say nothing."""
    if ends is None or not isinstance(value, float):
        return value
    return min(max(float(f"{value:.4g}"), ends.least), ends.most)


def _loss(run: StudyRun) -> float | None:
    """The last validation loss of a run that has ended; None if it has none that is finite."""
    loss = run.val_loss if run.state in ENDED else None
    return loss if loss is not None and math.isfinite(loss) else None


def _space(study: Study, distributions: Any) -> dict[str, Any]:
    """Optuna's distribution for each setting that differs."""
    space: dict[str, Any] = {}
    for name in study.differing:
        if name not in study.ranges:
            space[name] = distributions.CategoricalDistribution(study.grid[name])
            continue
        ends = study.ranges[name]
        kind = type(getattr(study.config, name))
        numbers = distributions.IntDistribution if kind is int else distributions.FloatDistribution
        space[name] = numbers(kind(ends.least), kind(ends.most), log=ends.log)
    return space
