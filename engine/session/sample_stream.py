"""Samples that grow a few characters at a time while the model learns, and what is said about them at the end."""

from __future__ import annotations

import numpy as np

from engine.network.model import Model
from engine.network.sampling import Choice, Sampler
from engine.probes.results import Sample
from engine.probes.samples import SampleJudge
from engine.session.messages import SetSampling
from engine.text.vocabulary import Vocabulary

CHARACTERS_PER_SECOND = 60  # a pace one can read along with
BURST = 40  # at most so many at once, that a pause is not made up for


class SampleStream:
    """One sample after another from a model that goes on learning.

    Has a random state of its own, so that looking changes nothing in the training.
    """

    def __init__(self, model: Model, vocabulary: Vocabulary, judge: SampleJudge, seed: int) -> None:
        self.vocabulary, self.judge = vocabulary, judge
        self.settings = SetSampling()
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 1])))
        self.sampler = Sampler(model, rng)
        self._start = vocabulary.characters.index("\n") if "\n" in vocabulary.characters else 0
        self._owed = 0.0
        self._begin(0, None)

    def _begin(self, step: int, val_loss: float | None) -> None:
        self._step, self._last_step, self._val_loss = step, step, val_loss
        self._codes: list[int] = []
        self._probabilities: list[float] = []
        self._held = 0
        self.sampler.reset(self._start)
        self.sampler.prime(self.vocabulary.encode(self.settings.prompt)[0])

    def change(self, settings: SetSampling) -> None:
        """Other temperature, top-k, top-p from the next character on; another prompt begins anew."""
        restart = settings.prompt != self.settings.prompt
        self.settings = settings
        if restart:
            self._begin(self._step, self._val_loss)

    def restart(self, step: int, val_loss: float | None) -> None:
        """Begin another sample: the model has gone back to weights from before."""
        self._begin(step, val_loss)

    def grow(self, seconds: float, step: int, val_loss: float | None) -> Sample | None:
        """Draw what `seconds` are worth; the sample if that finished it."""
        self._owed = min(self._owed + seconds * CHARACTERS_PER_SECOND, BURST)
        while self._owed >= 1:
            self._owed -= 1
            if not self._codes:
                self._step, self._val_loss = step, val_loss
            self._last_step = step
            self._draw()
            if len(self._codes) >= self.settings.length:
                return self._finish(step, val_loss)
        return None

    def whole(self, length: int, step: int, val_loss: float | None) -> Sample:
        """A complete sample at once, for when nobody watches."""
        self._begin(step, val_loss)
        for _ in range(length):
            self._draw()
        return self._finish(step, val_loss)

    def current(self) -> Sample:
        """The sample so far."""
        return self._sample(complete=False)

    def _draw(self) -> None:
        settings = self.settings
        code, probability = self.sampler.next(Choice(settings.temperature, settings.top_k, settings.top_p))
        self._held = max(self._held, sum(map(len, self.sampler.clamps.values())))
        self._codes.append(code)
        self._probabilities.append(probability)

    def _finish(self, step: int, val_loss: float | None) -> Sample:
        sample = self._sample(complete=True)
        self._begin(step, val_loss)
        return sample

    def _sample(self, *, complete: bool) -> Sample:
        text = self.vocabulary.decode(np.array(self._codes, np.intp))
        probability = np.array(self._probabilities, np.float32)
        probability.flags.writeable = False
        sample = Sample(
            step=self._step,
            val_loss=self._val_loss,
            temperature=self.settings.temperature,
            text=text,
            probability=probability,
            complete=complete,
            prompt=self.settings.prompt,
            last_step=None if self._last_step == self._step else self._last_step,
            held=self._held,
        )
        return self.judge.judge(sample) if complete else sample
