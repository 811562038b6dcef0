"""Puts the parts of a session together."""

from __future__ import annotations

from functools import partial

from engine.config import Config
from engine.network.parameters import Parameters
from engine.probes.samples import SampleJudge
from engine.runs.history import HistoryKeeper
from engine.runs.kept_text import keep_if_changed
from engine.runs.reader import RunReader
from engine.runs.writer import RunWriter
from engine.session.baselines import Baselines
from engine.session.instruments import CREDIT, SHARE, Instruments
from engine.session.live_run import RunParts
from engine.session.loss_by_class import loss_by_class
from engine.session.moments import Moments
from engine.session.recorder import Recorder
from engine.session.sample_stream import SampleStream
from engine.session.saved import SavedSession
from engine.session.session import Session
from engine.text.corpus import Corpus
from engine.training.trainer import Trainer
from engine.training.training import Training
from engine.training.validation import ValidationText

THEIR_SHARE, THEIR_CREDIT = 0.005, 0.05  # of the time of somebody else's loop for instruments; and seconds at first


def trainer_on(config: Config, corpus: Corpus) -> Trainer:
    """The trainer of a network that learns `corpus`."""
    parts = corpus.measured()
    return Trainer(
        config,
        len(corpus.vocabulary),
        corpus.train,
        corpus.valid,
        starts=corpus.train_starts,
        validation=ValidationText(corpus.before, corpus.after, parts) if parts else None,
    )


def assemble(
    trainer: Training,
    corpus: Corpus,
    run: RunWriter,
    *,
    saved: SavedSession | None = None,
    detached: bool = False,
    as_it_was: bool = False,
) -> Session:
    """The session of a new run, or of one that goes on from the values `saved` beside the trainer's state."""
    vocabulary, config = corpus.vocabulary, trainer.config
    held_out = corpus.held_out(config.seq)

    def weights(step: int) -> Parameters:
        return RunReader(run.path).weights(step)  # the directory may have another name by now

    instruments = Instruments(
        trainer.model,
        vocabulary,
        held_out,
        config,
        next_window=trainer.next_window,
        loss_by_class=loss_by_class(corpus, RunReader(run.path)),
        share=SHARE if trainer.is_ours else THEIR_SHARE,
        credit=CREDIT if trainer.is_ours else THEIR_CREDIT,
    )
    samples = SampleStream(trainer.model, vocabulary, SampleJudge(corpus).judge, config.seed)
    parts = RunParts(
        trainer,
        run.record.info(run.path, detached=detached),
        Recorder(run, partial(keep_if_changed, corpus)),
        instruments,
        samples,
        Moments(weights, instruments, samples),
        HistoryKeeper() if saved is None else RunReader(run.path).history(),
        Baselines(corpus, run.record.ladder),
        saved,
        as_it_was,
    )
    return Session(parts)
