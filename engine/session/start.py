"""From settings to a session that is ready to run, for a new run or a resumed one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from engine.config import Config
from engine.errors import ConfigError, UserError, closed_on_failure
from engine.runs.files import writing_into
from engine.runs.kept_text import KEPT, keep, load_asked, load_text, must_be_kept
from engine.runs.origin import Origin
from engine.runs.record import NAMED, RunRecord, read_record, require_vocabulary
from engine.runs.saved_values import require_shapes
from engine.runs.writer import CHECKPOINT, RunWriter
from engine.session.assembly import assemble, trainer_on
from engine.session.saved import read_session
from engine.session.session import Session
from engine.text.corpus import Corpus
from engine.text.counting import Ladder
from engine.text.likeness import unlikeness
from engine.training import memory
from engine.training.batches import windows_per_epoch
from engine.training.cores import choose, set_threads
from engine.training.training import Training

Progress = Callable[[float], None]
Say = Callable[[str], None]


def new_session(
    config: Config,
    directory: Path | None = None,
    *,
    progress: Progress | None = None,
    stdin: BinaryIO | None = None,
    say: Say = lambda sentence: None,
    origin: Origin | None = None,
    corpus: Corpus | None = None,
    ladder: Ladder | None = None,
) -> Session:
    """A session for a new run. `UserError` for settings or a text that cannot be used; then nothing is created.

    With an `origin` it begins with that run's weights, and `config` must ask for such a network. The vocabulary is then
    that of both texts; optimiser, schedule and steps begin anew.

    `progress` is called while the text is read, and `say` with a sentence if it is waited for. `corpus` is the text
    where it has been read already, and `ladder` that of another run which validates on the same characters.
    """
    if corpus is None:
        corpus = load_asked(config, progress, stdin=stdin, say=say)
    inherited: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    if origin is not None:
        inherited, fresh = origin.beyond(corpus.vocabulary), origin.unknown(corpus.vocabulary)
        corpus = corpus.with_characters(inherited)
    vocabulary_size = len(corpus.vocabulary)
    config = _with_end(config, corpus)
    memory.require(config, vocabulary_size)
    config = choose(recorded(config, corpus), vocabulary_size)
    set_threads(config.threads)
    trainer = trainer_on(config, corpus)
    with closed_on_failure(trainer.close):
        if origin is not None:
            origin.give(trainer.parameters, corpus.vocabulary)
            trainer.refresh()
        return begin(
            trainer,
            corpus,
            directory,
            origin=origin.name if origin else "",
            inherited=inherited,
            fresh=fresh,
            ladder=ladder,
        )


def begin(
    trainer: Training, corpus: Corpus, directory: Path | None = None, *, detached: bool = False, **facts: Any
) -> Session:
    """The session of a new run, in a directory of its own, on which `trainer` trains with `corpus`.

    `facts` are fields of the record, and `detached` is said to viewers. Raises `UserError` if the directory cannot be
    made; then nothing is left behind.
    """
    record = RunRecord(
        config=trainer.config,
        vocabulary=corpus.vocabulary.characters,
        text_name=corpus.name,
        text_length=corpus.length,
        fingerprint=corpus.fingerprint,
        parameters=trainer.parameters.flat.size,
        held_out=len(corpus.valid),
        validated=trainer.validated,
        tested=len(corpus.tested),
        unlike=unlikeness(corpus),
        entropy=corpus.entropy,
        left_out=corpus.left_out[:NAMED],
        left_out_count=len(corpus.left_out),
        **facts,
    )
    run = RunWriter.create(record, directory, fill=partial(_keep, corpus))
    session = assemble(trainer, corpus, run, detached=detached)
    session.loop.save("interval")  # from the beginning there is a checkpoint to go on from
    return session


def resumed_session(
    path: Path,
    steps: int | None = None,
    *,
    patience: int | None = None,
    moments: str | None = None,
    cores: Mapping[str, int] | None = None,
    endless: bool = False,
    progress: Progress | None = None,
    detached: bool = False,
    text: Sequence[str] = (),
    encoding: str | None = None,
    say: Say = lambda sentence: None,
    as_it_was: bool = False,
    corpus: Corpus | None = None,
) -> Session:
    """A session that goes on from a run's checkpoint, with the same bits as if it had never stopped.

    `steps` counts from the run's beginning; without it the run's own number holds, as it does for `patience`, unless
    it is `endless` from now on. `moments` are others to keep. `cores` may give other numbers of `threads` and `workers`
    than the run has had; the bits then differ. `as_it_was` is for a run that moves from one process to another: one
    that is paused, or has diverged, stays so. `text`, in `encoding` (by default the run's), says where the run's text
    lies now; it must be the same text. `corpus` is the text where it has been read already.
    """
    record = read_record(path)
    config = record.config
    if text:
        where = config.replace(text=tuple(text), encoding=encoding or config.encoding)
        corpus = load_asked(where, progress, say=say)
    if corpus is not None:
        corpus = corpus.with_characters(record.inherited)
        config = recorded(config, corpus)
    else:
        try:
            corpus = load_text(path, record, progress)
        except UserError as error:
            raise UserError(f"{path}: its text cannot be read as it was ({error}); say where it is now") from None
    characters = corpus.vocabulary.characters
    # All is checked before the run is touched.
    if corpus.fingerprint == record.fingerprint:  # `RunWriter.resume` refuses another text
        require_vocabulary(path, record, corpus.vocabulary)
    if moments is not None:
        config = config.replace(moments=moments)
    if patience is not None or endless:
        config = config.replace(patience=patience or 0)
    if cores:
        config = config.replace(**{"threads": 0, "workers": 0, **cores})
    memory.require(config, len(characters))
    config = choose(config, len(characters))  # which refuses numbers that come from a larger machine

    check_shapes = partial(require_shapes, path / CHECKPOINT, record)
    run, arrays, meta = RunWriter.resume(path, corpus.fingerprint, check_shapes, read_session)
    with closed_on_failure(run.close):
        if steps is not None and steps < meta["steps"]:
            raise ConfigError({"steps": f"{steps} is too few: the run has done {meta['steps']} already; choose more"})
        if steps is not None or endless:
            config = config.replace(steps=steps)
        set_threads(config.threads)
        trainer = trainer_on(config, corpus)
        with closed_on_failure(trainer.close):
            try:
                trainer.restore(arrays, meta)
            except (ValueError, KeyError) as error:
                raise UserError(f"{path}: its checkpoint does not fit its settings ({error})") from None
            saved = read_session(meta["session"])
            record = dataclasses.replace(run.record, config=config)
            if record.validated != trainer.validated:  # version 0.1 measured other characters, and so was its ladder
                record = dataclasses.replace(
                    record, held_out=len(corpus.valid), validated=trainer.validated, ladder=None
                )
            with writing_into(path):
                run.forget_after(meta["steps"])  # only now, for until now the run could be refused
                if text and must_be_kept(corpus):
                    keep(corpus, run.directory)
                if record != run.record:
                    run.describe(record)
            return assemble(trainer, corpus, run, saved=saved, detached=detached, as_it_was=as_it_was)


def _with_end(config: Config, corpus: Corpus) -> Config:
    """`config` with the number of steps that its epochs have on `corpus`, unless it has one, or no end."""
    if config.steps is not None or config.epochs is None:
        return config
    parts = corpus.split.training
    steps = sum(windows_per_epoch(part.stop - part.start, config.batch, config.seq) for part in parts)
    return config.replace(steps=max(1, config.epochs * steps))


def recorded(config: Config, corpus: Corpus) -> Config:
    """The settings with the place where the text will be found again, if need be in the run's directory."""
    if all(corpus.addresses):
        return config.replace(text=corpus.addresses, encoding=corpus.encoding)
    return config.replace(text=(KEPT,), encoding="utf-8")


def _keep(corpus: Corpus, run: RunWriter) -> None:
    """Fill the directory of a new run with what it needs besides its record."""
    if must_be_kept(corpus):
        keep(corpus, run.directory)
