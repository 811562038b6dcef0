"""Tells the events of a run apart, so that a viewer gets each of them once, from disk or from the socket."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np

from engine.session.messages import Event, MomentRecorded, SampleFinished

MOST_SEEN = 20_000  # several times what a run's logs hold, where samples and moments grow rarer with the steps


def identities(events: Iterable[Event]) -> set[int]:
    """What tells samples and moments apart, whether they come from disk or from the socket."""
    return {identity for identity in map(_identity, events) if identity is not None}


class Seen:
    """The last `MOST_SEEN` events that a viewer has got, by their `identities`. It may watch for weeks."""

    def __init__(self, identities: Iterable[int] = ()) -> None:
        self._identities = dict.fromkeys(identities)  # a dict keeps their order

    def __len__(self) -> int:
        return len(self._identities)

    def add(self, event: Event) -> bool:
        """Note an event; whether it is new. One without an identity always is."""
        new = identities([event])
        if new and new <= self._identities.keys():
            return False
        self._identities.update(dict.fromkeys(new))
        for oldest in [*islice(self._identities, max(0, len(self) - MOST_SEEN))]:
            del self._identities[oldest]
        return True


def _identity(event: Event) -> int | None:
    match event:
        case SampleFinished(sample):
            return hash((sample.step, sample.text))
        case MomentRecorded(flow):  # after a roll-back, a step has another one
            norms = np.where(np.isfinite(flow.norms), flow.norms, np.nan)  # as the log has them
            return hash((flow.step, flow.view, flow.layer, flow.state, repr(norms.tolist())))
    return None
