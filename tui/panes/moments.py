"""The recorded gradients of a run, kept so that the user can walk through them and compare them."""

from __future__ import annotations

from engine.session.messages import GradientFlow

Kind = tuple[str, int, str]  # view, layer, state


def kind_of(flow: GradientFlow) -> Kind:
    """The view, the layer and the state of `flow`. Only moments that agree in all three can be compared."""
    return (flow.view, flow.layer, flow.state)


class Moments:
    """The recorded gradients of each kind, in the order of their steps. A run records less than a hundred."""

    def __init__(self) -> None:
        self._flows: dict[Kind, list[GradientFlow]] = {}

    def add(self, flow: GradientFlow) -> None:
        """Keep `flow`, and forget later ones: a run that records an earlier step went back to earlier weights."""
        earlier = [kept for kept in self.of(kind_of(flow)) if kept.step < flow.step]
        self._flows[kind_of(flow)] = [*earlier, flow]

    def of(self, kind: Kind) -> list[GradientFlow]:
        """The recorded gradients of one kind, earliest first."""
        return self._flows.get(kind, [])

    @property
    def kinds(self) -> list[Kind]:
        """The kinds that have been recorded."""
        return list(self._flows)
