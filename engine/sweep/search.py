"""Chooses the settings of the next run from ranges, by those of the runs before."""

from __future__ import annotations

from engine.sweep.study import Study, StudyRun


def suggest(study: Study) -> StudyRun | None:
    """The next run of a search; None if there are no more trials."""
    return None
