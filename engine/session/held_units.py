"""Units whose h a viewer holds fixed, and what that does to the validation loss."""

from __future__ import annotations

import math

from engine.network.cells.layer import Clamps
from engine.session.instruments import Instruments
from engine.session.messages import Clamp, Held
from engine.session.sample_stream import SampleStream
from engine.training.training import Training


class HeldUnits:
    """The held units of a run: they are held in samples, in cells, and in a validation of their own."""

    def __init__(self, trainer: Training, instruments: Instruments, samples: SampleStream) -> None:
        self._trainer, self._instruments, self._samples = trainer, instruments, samples
        self.is_new = False  # they have changed since the last `measure`

    @property
    def by_layer(self) -> dict[int, Clamps]:
        """For each layer that has any, its held (unit, value) pairs."""
        return self._instruments.clamps

    @property
    def effect(self) -> float | None:
        """By how much they all change the validation loss, in nats per character; None if that is not known."""
        effect = self._instruments.clamp_effect
        return None if effect is None or math.isnan(effect) else effect

    def shown(self) -> tuple[Held, ...]:
        """Each unit with its value."""
        return tuple(Held(layer, *held) for layer, units in sorted(self.by_layer.items()) for held in units)

    def restore(self, by_layer: tuple[tuple[int, Clamps], ...], effect: float | None) -> None:
        """Hold the units of a checkpoint, whose effect was measured already."""
        for layer, held in by_layer:
            for unit, value in held:
                self._hold(Clamp(layer, unit, value))
        self._instruments.clamp_effect = math.nan if effect is None else effect

    def obey(self, command: Clamp) -> None:
        """Hold or free a unit; `measure` finds out what that does."""
        if self._hold(command):
            self._instruments.clamp_effect = math.nan
            self.is_new = bool(self.by_layer)

    def _hold(self, command: Clamp) -> bool:
        """Hold or free a unit; return whether the network has it."""
        architecture = self._trainer.parameters.architecture
        if not (0 <= command.layer < architecture.layers and 0 <= command.unit < architecture.hidden_size):
            return False
        units = dict(self.by_layer.get(command.layer, ()))
        if command.value is None:
            units.pop(command.unit, None)
        else:
            units[command.unit] = command.value
        clamps = {**self.by_layer, command.layer: tuple(units.items())}
        clamps = {layer: held for layer, held in clamps.items() if held}
        self._samples.sampler.clamps = self._instruments.clamps = clamps
        return True

    def measure(self, free: float | None) -> None:
        """Measure the validation loss with the held units; `free` is the one without them, None if there is none."""
        self.is_new = False
        held = self._trainer.validate(self.by_layer) if self.by_layer else None
        self._instruments.clamp_effect = math.nan if free is None or held is None else held.mean - free
