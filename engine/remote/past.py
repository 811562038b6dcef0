"""Tells the events of a run apart, so that a viewer gets each of them once, from disk or from the socket."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from engine.session.messages import Event, MomentRecorded, SampleFinished


def identities(events: Iterable[Event]) -> set[int]:
    """What tells samples and moments apart, whether they come from disk or from the socket."""
    return {identity for identity in map(_identity, events) if identity is not None}


def _identity(event: Event) -> int | None:
    match event:
        case SampleFinished(sample):
            return hash((sample.step, sample.text))
        case MomentRecorded(flow):  # after a roll-back, a step has another one
            norms = np.where(np.isfinite(flow.norms), flow.norms, np.nan)  # as the log has them
            return hash((flow.step, flow.view, flow.layer, flow.state, repr(norms.tolist())))
    return None
