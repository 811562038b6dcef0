"""From settings to a session that is ready to run, for a new run or a resumed one."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from engine.config import Config
from engine.errors import ConfigError, UserError
from engine.probes.samples import SampleJudge
from engine.runs.history import HistoryKeeper
from engine.runs.reader import RunReader
from engine.runs.record import NAMED, RunRecord, read_record
from engine.runs.writer import RunWriter
from engine.session.baselines import Baselines
from engine.session.instruments import Instruments
from engine.session.loop import Loop
from engine.session.recorder import Recorder
from engine.session.sample_stream import SampleStream
from engine.session.session import Session
from engine.text.corpus import Corpus, load_corpus
from engine.text.sources import KNOWN
from engine.training import memory
from engine.training.cores import choose, set_threads
from engine.training.trainer import Trainer

Progress = Callable[[float], None]
STANDARD_INPUT = "standard-input.txt"  # in the run's directory: it can be read only once, and is needed again


def new_session(
    config: Config,
    directory: Path | None = None,
    *,
    progress: Progress | None = None,
    stdin: BinaryIO | None = None,
) -> Session:
    """A session for a new run. `UserError` for settings or a text that cannot be used; then nothing is created."""
    corpus = load_corpus(config.text, config.encoding, config.validation, progress, stdin)
    vocabulary_size = len(corpus.vocabulary)
    memory.require(config, vocabulary_size)
    config = choose(config, vocabulary_size).replace(text=tuple(map(_absolute, config.text)))
    set_threads(config.threads)
    trainer = Trainer(config, vocabulary_size, corpus.train, corpus.valid)
    with closed_on_failure(trainer.close):
        record = RunRecord(
            config=config,
            vocabulary=corpus.vocabulary.characters,
            text_name=corpus.name,
            text_length=corpus.length,
            fingerprint=corpus.fingerprint,
            parameters=trainer.parameters.flat.size,
            held_out=len(corpus.valid),
            validated=trainer.validated,
            entropy=corpus.entropy,
            left_out=corpus.left_out[:NAMED],
            left_out_count=len(corpus.left_out),
        )
        run = RunWriter.create(record, directory, fill=partial(_keep_standard_input, corpus))
        session = _session(trainer, corpus, run)
        session.loop.save("interval")  # from the beginning there is a checkpoint to go on from
        return session


@contextlib.contextmanager
def closed_on_failure(close: Callable[[], object]) -> Iterator[None]:
    """Call `close` if the `with` block fails, and only then."""
    try:
        yield
    except BaseException:
        close()
        raise


def resumed_session(
    path: Path,
    steps: int | None = None,
    *,
    cores: Mapping[str, int] | None = None,
    endless: bool = False,
    progress: Progress | None = None,
    detached: bool = False,
    as_it_was: bool = False,
) -> Session:
    """A session that goes on from a run's checkpoint, with the same bits as if it had never stopped.

    `steps` counts from the run's beginning; without it the run's own number holds, unless it is `endless` from now on.
    `cores` may give other numbers of `threads` and `workers` than the run has had; the bits then differ. `as_it_was` is
    for a run that moves from one process to another: one that is paused, or has diverged, stays so.
    """
    record = read_record(path)
    corpus = load_corpus(record.config.text, record.config.encoding, record.config.validation, progress)
    config = record.config
    if cores:  # checked before the run is touched
        config = choose(config.replace(**{"threads": 0, "workers": 0, **cores}), len(corpus.vocabulary))
    run, arrays, meta = RunWriter.resume(path, corpus.fingerprint)
    with closed_on_failure(run.close):
        if steps is not None and steps < meta["steps"]:
            raise ConfigError({"steps": f"{steps} is too few: the run has done {meta['steps']} already; choose more"})
        if steps is not None or endless:
            config = config.replace(steps=steps)
        set_threads(config.threads)
        trainer = Trainer(config, len(corpus.vocabulary), corpus.train, corpus.valid)
        with closed_on_failure(trainer.close):
            try:
                trainer.restore(arrays, meta)
            except (ValueError, KeyError) as error:
                raise UserError(f"{path}: its checkpoint does not fit its settings ({error})") from None
            run.forget_after(meta["steps"])  # only now, for until now the run could be refused
            record = dataclasses.replace(run.record, config=config)
            if record.validated != trainer.validated:  # version 0.1 measured other characters, and so was its ladder
                record = dataclasses.replace(
                    record, held_out=len(corpus.valid), validated=trainer.validated, ladder=None
                )
            if record != run.record:
                run.describe(record)
            return _session(trainer, corpus, run, saved=meta["session"], detached=detached, as_it_was=as_it_was)


def _session(
    trainer: Trainer,
    corpus: Corpus,
    run: RunWriter,
    *,
    saved: dict[str, Any] | None = None,
    detached: bool = False,
    as_it_was: bool = False,
) -> Session:
    """The session of a new run, or of one that goes on from the values `saved` beside the trainer's state."""
    vocabulary, config = corpus.vocabulary, trainer.config
    held_out = corpus.held_out(config.seq)
    stored = RunReader(run.path)
    make_loop = partial(
        Loop,
        trainer,
        run.record.info(run.path, detached=detached),
        Recorder(run),
        Instruments(trainer.model, vocabulary, held_out, config, stored.weights),
        SampleStream(trainer.model, vocabulary, SampleJudge(corpus), config.seed),
        HistoryKeeper() if saved is None else stored.history(),
        Baselines(corpus, run.record.ladder),
        saved=saved,
        as_it_was=as_it_was,
    )
    return Session(make_loop)


def _absolute(text: str) -> str:
    """A path that means the same from everywhere; names of known texts and `-` as they are."""
    return text if text == "-" or text.partition(":")[0] in KNOWN else os.path.abspath(os.path.expanduser(text))


def _keep_standard_input(corpus: Corpus, run: RunWriter) -> None:
    """Write a text from standard input into the run's directory, where a resumed run finds it."""
    if "-" not in run.record.config.text:
        return
    path = run.path / STANDARD_INPUT
    with path.open("w", encoding="utf-8", errors="surrogatepass", newline="") as file:
        for start in range(0, corpus.length, 1 << 20):
            file.write(corpus.vocabulary.decode(corpus.codes[start : start + (1 << 20)]))
    config = run.record.config.replace(text=(str(path),), encoding="utf-8")
    run.describe(dataclasses.replace(run.record, config=config))
