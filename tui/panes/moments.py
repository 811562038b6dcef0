"""The gradient snapshots of a run, kept so that they can be walked through and laid over each other."""

from __future__ import annotations

from engine.session.messages import GradientFlow

Kind = tuple[str, int, str]  # view, layer, state


def kind_of(flow: GradientFlow) -> Kind:
    """Only moments of one kind can be compared."""
    return (flow.view, flow.layer, flow.state)


class Moments:
    """The snapshots of each kind in the order of their steps. A run makes less than a hundred of them."""

    def __init__(self) -> None:
        self._flows: dict[Kind, list[GradientFlow]] = {}

    def add(self, flow: GradientFlow) -> None:
        """Keep a snapshot, and forget what came after: the run has gone back to earlier weights."""
        earlier = [kept for kept in self.of(kind_of(flow)) if kept.step < flow.step]
        self._flows[kind_of(flow)] = [*earlier, flow]

    def of(self, kind: Kind) -> list[GradientFlow]:
        """The snapshots of one kind, earliest first."""
        return self._flows.get(kind, [])

    @property
    def kinds(self) -> list[Kind]:
        """The kinds of which there are any."""
        return list(self._flows)
