"""What a run was last told to do, so that a key can turn it a little further."""

from __future__ import annotations

import dataclasses

from engine.session.messages import Command, RollBack, RunInfo, SetLearningRate, SetSampling, Snapshot


class Knobs:
    """The base learning rate and the sampling settings of the run on the screen."""

    def __init__(self, info: RunInfo) -> None:
        self._lr = self._seen_lr = float(info.config["lr"])
        self._sampling = SetSampling()
        self._seen_temperature = self._sampling.temperature

    def note(self, command: Command) -> None:
        """Remember what `command` sets."""
        match command:
            case SetSampling():
                self._sampling = command
            case SetLearningRate(lr):
                self._lr = lr
            case RollBack(lr_factor):
                self._lr *= lr_factor

    def see(self, snapshot: Snapshot) -> None:
        """Take over what changed in the run, for another viewer may have changed it.

        What did not change says nothing: it may be older than the last command.
        """
        if snapshot.base_lr != self._seen_lr:
            self._lr = self._seen_lr = snapshot.base_lr
        if snapshot.sample is not None and snapshot.sample.temperature != self._seen_temperature:
            self._seen_temperature = snapshot.sample.temperature
            self._sampling = dataclasses.replace(self._sampling, temperature=self._seen_temperature)

    def learning_rate(self, factor: float) -> SetLearningRate:
        """The command that multiplies the base rate by `factor`."""
        return SetLearningRate(self._lr * factor)

    def temperature(self, by: float) -> SetSampling:
        """The command that makes samples bolder by `by`; the temperature does not go below 0."""
        return dataclasses.replace(self._sampling, temperature=round(max(self._sampling.temperature + by, 0.0), 2))
