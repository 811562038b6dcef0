"""The gradient snapshots of a run, kept so that they can be walked through and laid over each other."""

from __future__ import annotations

from engine.messages import GradientFlow

MOST_KEPT = 256

Kind = tuple[str, int, str]  # view, layer, state


def kind_of(flow: GradientFlow) -> Kind:
    """Only moments of one kind can be compared."""
    return (flow.view, flow.layer, flow.state)


class Moments:
    """At most 256 snapshots of each kind, in the order of their steps.

    When there are more, the one goes whose neighbours are nearest on a logarithmic scale of steps: a run begins
    with much change and goes on with little.
    """

    def __init__(self) -> None:
        self._flows: dict[Kind, list[GradientFlow]] = {}

    def add(self, flow: GradientFlow) -> None:
        """Keep a snapshot; a later one of the same step replaces it, and one of an earlier step ends what came after.

        The latter happens when a run goes back to earlier weights.
        """
        flows = [kept for kept in self._flows.get(kind_of(flow), []) if kept.step < flow.step]
        flows.append(flow)
        if len(flows) > MOST_KEPT:
            gaps = [(flows[i + 1].step - flows[i - 1].step) / (flows[i + 1].step + 1) for i in range(1, len(flows) - 1)]
            del flows[1 + gaps.index(min(gaps))]
        self._flows[kind_of(flow)] = flows

    def of(self, kind: Kind) -> list[GradientFlow]:
        """The snapshots of one kind, earliest first."""
        return self._flows.get(kind, [])
