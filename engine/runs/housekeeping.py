"""Removes runs, and gives them other names."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from engine.errors import UserError
from engine.runs import kept_weights
from engine.runs.directory import private_directory, require_directory
from engine.runs.files import UNFINISHED, is_unfinished, open_directory, sync_directory
from engine.runs.kept_text import EARLIER, KEPT
from engine.runs.lock import NAME as LOCK
from engine.runs.lock import RunLock, holder
from engine.runs.pictures import is_picture
from engine.runs.prompts import PROMPTS
from engine.runs.record import CONFIG
from engine.runs.writer import PARTS

# All files of a run, those too that the rooms above write.
OF_A_RUN = {"gradients.jsonl", *PARTS.growing, *PARTS.replaced, PROMPTS, KEPT, EARLIER, "screen.log", "run.sock"}


def remove_run(path: Path) -> list[str]:
    """Remove the run in the directory `path`, and the directory unless there is more in it than the run.

    Returns the names of what was left: nothing is removed that the program did not write, and no link is followed.
    Raises `UserError` if `path` is a link, a process writes the run, or something cannot be removed; what makes it a
    run goes last.
    """
    require_directory(path)
    try:
        with contextlib.ExitStack() as stack:
            directory = stack.enter_context(private_directory(path))
            if (pid := holder(path)) is not None:
                raise UserError(f"{path}: process {pid} is writing this run; stop it first")
            lock = RunLock(path, dir_fd=directory.descriptor)
            stack.callback(lock.release)
            for name in os.listdir(directory.descriptor):
                if name in OF_A_RUN - {CONFIG} or is_picture(name) or is_unfinished(name):
                    _unlink(name, directory.descriptor)
            _remove_kept_weights(directory.descriptor)
            for name in (CONFIG, LOCK):
                _unlink(name, directory.descriptor)
            left = sorted(os.listdir(directory.descriptor))
            if not left:
                os.rmdir(path)
                sync_directory(path.parent)
            return left
    except OSError as error:
        raise UserError(f"{path}: cannot be removed ({error.strerror}); check the permissions") from None


def _unlink(name: str, dir_fd: int) -> None:
    """Remove a file, or a link by itself; a directory of that name stays."""
    try:
        os.unlink(name, dir_fd=dir_fd)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EISDIR, errno.EPERM):
            raise


def _remove_kept_weights(dir_fd: int) -> None:
    with contextlib.suppress(OSError):  # it is missing, or something else
        descriptor = open_directory(kept_weights.DIRECTORY, dir_fd=dir_fd)
        try:
            for name in os.listdir(descriptor):
                if name.endswith((kept_weights.SUFFIX, UNFINISHED)):
                    _unlink(name, descriptor)
        finally:
            os.close(descriptor)
        os.rmdir(kept_weights.DIRECTORY, dir_fd=dir_fd)


def rename_run(path: Path, name: str) -> Path:
    """Give the run in the directory `path` another name; its new path. A process that trains it finds it again.

    Raises `UserError` if the name is no name for a directory, is taken, or the system refuses.
    """
    if name in ("", ".", "..") or "/" in name or "\0" in name or name.startswith("-"):
        raise UserError(f"{name}: is no name for a run; take letters and digits, without / and not beginning with -")
    new = path.with_name(name)
    if os.path.lexists(new):
        raise UserError(f"{new}: is there already; choose another name")
    try:
        os.rename(path, new)
        sync_directory(new.parent)
    except OSError as error:
        raise UserError(f"{path}: cannot be renamed ({error.strerror}); check the permissions") from None
    return new
