"""Begins a sweep in a new directory, or opens one that has begun."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from engine.errors import ConfigError, UserError
from engine.runs.directory import RunDirectory
from engine.runs.files import remove_unfinished, writing_into
from engine.runs.kept_text import KEPT, keep, load_asked, load_text, must_be_kept
from engine.runs.listing import ROOT
from engine.runs.lock import Parts, RunLock, locked
from engine.runs.new_directory import new_directory
from engine.runs.record import program_version
from engine.runs.writer import LOG
from engine.session.start import recorded
from engine.sweep.grid import Grid, check
from engine.sweep.study import SWEEP, Study, StudyRun, is_sweep, read_study, write_study
from engine.text.corpus import Corpus
from engine.text.likeness import unlikeness, warning
from engine.text.split import held_out_in_words
from engine.training import memory
from engine.training.batches import Batches

PARTS = Parts((LOG,), (SWEEP, KEPT), ())
ALONE = {"threads": 1, "workers": 1}  # each run: as many runs as there are cores use them better

Progress = Callable[[float], None]
Say = Callable[[str], None]


@dataclass
class OpenSweep:
    """A sweep whose directory is locked by this process until `close`."""

    study: Study
    directory: RunDirectory
    lock: RunLock

    def write(self) -> None:
        """Write the study into its directory. Raises `OSError` if the disk refuses."""
        write_study(self.study, self.directory)

    def close(self) -> None:
        """Let another process have the sweep."""
        self.directory.close()
        self.lock.release()


def new_sweep(
    grid: Grid,
    runs: Sequence[StudyRun],
    directory: Path | None = None,
    *,
    trials: int = 0,
    halvings: int = 0,
    progress: Progress | None = None,
    stdin: BinaryIO | None = None,
    say: Say = lambda sentence: None,
) -> OpenSweep:
    """Begin a sweep of `runs` in `directory`, or under a new readable name among the runs.

    `trials` runs are made later by a search. `say` takes a sentence about the text. Raises `UserError` for settings or
    a text that cannot be used, and for a directory that is not empty; then nothing is created.
    """
    first = grid.first.replace(**ALONE)
    corpus = load_asked(first, progress, stdin=stdin, say=say)
    study = Study(
        path=Path(),
        config=recorded(first, corpus),
        grid=grid.values,
        ranges=grid.ranges,
        runs=tuple(runs),
        trials=trials,
        halvings=halvings,
        text_name=corpus.name,
        text_length=corpus.length,
        fingerprint=corpus.fingerprint,
        program_version=program_version(),
    )
    if must_be_kept(corpus):
        study = dataclasses.replace(study, config=study.config.replace(text=(KEPT,), encoding="utf-8"))
    for run in study.runs or (StudyRun(name="", settings={}),):
        _require(study, run, corpus)
    if corpus.left_out:
        say(f"left out of the text: {len(corpus.left_out):,} files, the first {corpus.left_out[0]}")
    place = held_out_in_words(len(corpus.valid), len(corpus.tested), corpus.blocks)
    if notice := warning(unlikeness(corpus), corpus.blocks, place):
        say(notice)
    with new_directory(directory, ROOT) as path, locked(path, PARTS) as (opened, lock):
        remove_unfinished(opened.descriptor)
        sweep = OpenSweep(dataclasses.replace(study, path=path), opened, lock)
        if must_be_kept(corpus):
            keep(corpus, opened)
        sweep.write()
    return sweep


def _require(study: Study, run: StudyRun, corpus: Corpus) -> None:
    """Raise `UserError` if `run` has no end, or needs more memory or more text than there is."""
    check(study.config, run)
    config = study.config_of(run)
    if config.steps is None:
        raise ConfigError({"steps": "a run of a sweep must have an end; give a number"})
    memory.require(config, len(corpus.vocabulary))
    text = dataclasses.replace(corpus, validation=config.validation, test=config.test, blocks=config.blocks)
    Batches(text.train, config.batch, config.seq, text.train_starts)


def open_sweep(path: Path, progress: Progress | None = None) -> OpenSweep:
    """Open the sweep in `path` to go on with it: runs that are finished or were stopped stay, all others wait.

    A run that has failed is tried again; one that has diverged then ends as before. Raises `UserError` if another
    process conducts the sweep, or its text is not to be found as it was.
    """
    load_text(path, read_study(path), progress)
    path = Path(os.path.abspath(path))
    with writing_into(path), locked(path, PARTS) as (directory, lock):
        study = read_study(path)
        remove_unfinished(directory.descriptor)
        for run in study.runs:
            steps = study.config_of(run).steps or 0
            # Its directory says how far it is, and whether it has diverged.
            if run.state in ("training", "failed") or (run.state == "waiting" and run.steps >= steps):
                study = study.with_run(run.name, state="waiting", reason="", steps=0)
        return OpenSweep(study, directory, lock)


def sweep_named(text: str, root: Path = ROOT) -> Path | None:
    """The directory of the sweep with this name in `root`, or at this path; None if there is none."""
    return next((path for path in (root / text, Path(text)) if is_sweep(path)), None)


def find_sweep(text: str, root: Path = ROOT) -> Path:
    """The directory of the sweep with this name in `root`, or at this path. Raises `UserError` if there is none."""
    if (found := sweep_named(text, root)) is not None:
        return found
    known = sorted(path.name for path in root.iterdir() if is_sweep(path)) if root.is_dir() else []
    hint = f"those in {root}/ are {', '.join(known[:3])}" if known else f"there are none in {root}/"
    raise UserError(f"{text}: there is no such sweep; {hint}")
