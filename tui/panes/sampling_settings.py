"""How samples are to be made: settings that keys turn, and that others may turn too."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from engine.session.messages import Sample, SetSampling

TEMPERATURES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.5, 2.0)
TOP_KS = (1, 2, 3, 5, 10, 20, 50)  # and above them all characters, written 0
TOP_PS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0)


class SamplingSettings:
    """What was asked for last, as far as a viewer can know. Methods that ask return the command to be sent."""

    def __init__(self) -> None:
        self._chosen = SetSampling()
        self._awaited = False  # they were asked for here, and no sample has them yet

    def __str__(self) -> str:
        if self._chosen.temperature == 0:
            return "greedy"
        return f"T {self._chosen.temperature:g} · top-k {self._chosen.top_k or 'all'} · top-p {self._chosen.top_p:g}"

    @property
    def prompt(self) -> str:
        """What samples begin with."""
        return self._chosen.prompt

    def see(self, sample: Sample) -> bool:
        """Take over what was changed elsewhere, by another key or another viewer; whether anything was."""
        same = (sample.temperature, sample.prompt) == (self._chosen.temperature, self._chosen.prompt)
        if self._awaited:
            self._awaited = not same
            return False
        self._chosen = dataclasses.replace(self._chosen, temperature=sample.temperature, prompt=sample.prompt)
        return not same

    def temperature(self, direction: int) -> SetSampling:
        """Cooler or hotter."""
        return self._ask(temperature=_neighbour(TEMPERATURES, self._chosen.temperature, direction))

    def top_k(self, direction: int) -> SetSampling:
        """Fewer or more candidates."""
        top_k = _neighbour((*TOP_KS, math.inf), self._chosen.top_k or math.inf, direction)
        return self._ask(top_k=0 if math.isinf(top_k) else int(top_k))

    def top_p(self, direction: int) -> SetSampling:
        """A smaller or larger share."""
        return self._ask(top_p=_neighbour(TOP_PS, self._chosen.top_p, direction))

    def begin_with(self, prompt: str) -> SetSampling:
        """Samples that go on from `prompt`."""
        return self._ask(prompt=prompt)

    def _ask(self, **changes: Any) -> SetSampling:
        self._chosen, self._awaited = dataclasses.replace(self._chosen, **changes), True
        return self._chosen


def _neighbour(values: Sequence[float], value: float, direction: int) -> float:
    """The next of ascending `values`; from between two of them, the one in that direction."""
    if direction > 0:
        return next((candidate for candidate in values if candidate > value), values[-1])
    return next((candidate for candidate in reversed(values) if candidate < value), values[0])
