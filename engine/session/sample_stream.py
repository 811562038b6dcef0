"""Samples that grow by a few characters at a time while the model learns, and the sampling settings."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np

from engine.arrays import frozen
from engine.network.model import Model
from engine.network.sampling import Choice, Sampler
from engine.probes.results import Sample
from engine.session.messages import LONGEST_PROMPT, SampleAgain, SamplingSettings, SetSampling, ShiftSampling
from engine.text.vocabulary import Vocabulary

CHARACTERS_PER_SECOND = 60  # a pace one can read along with
BURST = 40  # characters drawn at once at most: a long pause is not made up for
WATCHED_SECONDS = 2.0  # after a growing sample was shown, the run counts as watched for this long
UNWATCHED_LENGTH = 200  # characters of a sample that grows unseen
LONGEST = 10_000  # characters of a sample: each snapshot has all of it
TOP_KS = (1, 2, 3, 5, 10, 20, 50, math.inf)  # the usual values; infinity is all characters, written 0
TOP_PS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0)


def shifted(settings: SamplingSettings, command: ShiftSampling) -> SamplingSettings:
    """`settings` with `command` applied: temperature added, top-k and top-p moved along their usual values.

    The temperature does not fall below 0 and is rounded to hundredths. A top-k or top-p between two usual values
    moves to the next one in that direction.
    """
    top_k = _moved(TOP_KS, settings.top_k or math.inf, command.top_k)
    return dataclasses.replace(
        settings,
        temperature=round(max(settings.temperature + command.temperature, 0.0), 2),
        top_k=0 if math.isinf(top_k) else int(top_k),
        top_p=_moved(TOP_PS, settings.top_p, command.top_p),
    )


def changed(settings: SamplingSettings, command: SetSampling) -> SamplingSettings:
    """`settings` with those that `command` gives; of a long prompt the last `LONGEST_PROMPT` characters."""
    given = {field.name: getattr(command, field.name) for field in dataclasses.fields(command)}
    if command.prompt is not None:
        given["prompt"] = command.prompt[-LONGEST_PROMPT:]
    return dataclasses.replace(settings, **{name: value for name, value in given.items() if value is not None})


def is_possible(settings: SamplingSettings) -> bool:
    """Whether a sample can be drawn with `settings`. False too where one of them is not a number."""
    return (
        0 <= settings.temperature < math.inf
        and settings.top_k >= 0
        and 0 < settings.top_p <= 1
        and 0 < settings.length <= LONGEST
    )


def _moved(values: Sequence[float], value: float, places: int) -> float:
    """The value `places` further along the ascending `values`, or the outermost one."""
    for _ in range(min(abs(places), len(values))):
        if places > 0:
            value = next((candidate for candidate in values if candidate > value), values[-1])
        else:
            value = next((candidate for candidate in reversed(values) if candidate < value), values[0])
    return value


class SampleStream:
    """One sample after another from a model that goes on learning.

    Its own random state, which depends on the numbers in `seed`, keeps sampling from changing the training. `judge`
    measures a finished sample.
    """

    def __init__(self, model: Model, vocabulary: Vocabulary, judge: Callable[[Sample], Sample], *seed: int) -> None:
        self.vocabulary, self.judge = vocabulary, judge
        self.settings = SamplingSettings()
        self._seed = seed
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([*seed, 1])))
        self.sampler = Sampler(model, rng)
        self._asked_again = 0  # times
        self._start = vocabulary.characters.index("\n") if "\n" in vocabulary.characters else 0
        self._owed = 0.0  # characters
        self._shown_at: float | None = None  # seconds
        self.restart(0, None)

    def restart(self, step: int, val_loss: float | None) -> None:
        """Begin another sample, from the model as it is after `step` steps."""
        self._step, self._last_step, self._val_loss = step, step, val_loss
        self._rest: tuple[int, Sample] | None = None  # the step, and its sample: no other is begun
        self._codes: list[int] = []
        self._probabilities: list[float] = []
        self._held = 0
        self._is_primed = False  # the prompt is read when the first character is drawn, however often it changes before

    def on(self, model: Model, step: int, val_loss: float | None) -> SampleStream:
        """A stream with these settings from the weights after `step` steps, which stand still."""
        other = SampleStream(model, self.vocabulary, self.judge, *self._seed, step, self._asked_again)
        other.settings, other.sampler.clamps = self.settings, self.sampler.clamps
        other.restart(step, val_loss)
        return other

    @property
    def question(self) -> object:
        """All that a sample from weights which stand still depends on, besides them."""
        return self.settings, tuple(self.sampler.clamps.items()), self._asked_again

    def obey(self, command: SetSampling | ShiftSampling | SampleAgain, *, anew: bool = False) -> None:
        """Use the settings that `command` asks for, if a sample can be drawn with them.

        With `anew` they begin another sample, not only the next character.
        """
        match command:
            case SetSampling():
                settings = changed(self.settings, command)
            case ShiftSampling():
                settings = shifted(self.settings, command)
            case SampleAgain():
                settings, anew = self.settings, True
                self._asked_again += 1
        if is_possible(settings):
            self.use(settings)
            if anew:
                self.restart(self._step, self._val_loss)

    def use(self, settings: SamplingSettings) -> None:
        """Draw the next character with other settings; another prompt begins another sample."""
        restart = settings.prompt != self.settings.prompt
        self.settings = settings
        if restart:
            self.restart(self._step, self._val_loss)

    def is_watched(self, now: float) -> bool:
        """Whether a viewer saw the sample grow just before the time `now`, in seconds."""
        return self._shown_at is not None and now - self._shown_at < WATCHED_SECONDS

    def grow(self, now: float, step: int, val_loss: float | None, *, once: bool = False) -> Sample | None:
        """Draw the characters due by the time `now`, when the sample is shown; the sample, if that finished it.

        `once` says that the weights stand still: they write one sample, and no other until they are asked to, or
        have changed.
        """
        seconds = 0.0 if self._shown_at is None else now - self._shown_at
        self._shown_at = now
        if once and self._rest is not None and self._rest[0] == step:
            return None
        self._rest = None
        self._owed = min(self._owed + seconds * CHARACTERS_PER_SECOND, BURST)
        due = int(self._owed)
        self._owed -= due
        if due:
            if not self._codes:
                self._step, self._val_loss = step, val_loss
            self._last_step = step
        finished = self.write(due)
        if finished is not None:
            self._val_loss = val_loss
            self._rest = (step, finished) if once else None
        return finished

    def write(self, characters: int) -> Sample | None:
        """Draw `characters` more, or fewer if these finish the sample; then return it, and begin another."""
        for _ in range(characters):
            self._draw()
            if len(self._codes) >= self.settings.length:
                return self._finish(self._last_step, self._val_loss)
        return None

    def whole(self, step: int, val_loss: float | None) -> Sample:
        """A complete short sample at once, for a run without viewers."""
        self.restart(step, val_loss)
        for _ in range(UNWATCHED_LENGTH):
            self._draw()
        return self._finish(step, val_loss)

    def _draw(self) -> None:
        settings = self.settings
        if not self._is_primed:
            self.sampler.reset(self._start)
            self.sampler.prime(self.vocabulary.encode(settings.prompt)[0])
            self._is_primed = True
        code, probability = self.sampler.next(Choice(settings.temperature, settings.top_k, settings.top_p))
        self._held = max(self._held, sum(map(len, self.sampler.clamps.values())))
        self._codes.append(code)
        self._probabilities.append(probability)

    def _finish(self, step: int, val_loss: float | None) -> Sample:
        sample = dataclasses.replace(self.current(), complete=True)
        self.restart(step, val_loss)
        return self.judge(sample)

    def current(self) -> Sample:
        """The sample so far."""
        if self._rest is not None:
            return self._rest[1]
        return Sample(
            step=self._step,
            val_loss=self._val_loss,
            temperature=self.settings.temperature,
            text=self.vocabulary.decode(np.array(self._codes, np.intp)),
            probability=frozen(np.array(self._probabilities, np.float32)),
            prompt=self.settings.prompt,
            last_step=None if self._last_step == self._step else self._last_step,
            held=self._held,
        )
