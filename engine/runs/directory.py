"""A run's directory, held open: it stays the same directory when it, or one above it, is renamed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.errors import UserError
from engine.runs import files

WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class RunDirectory:
    """The directory at `path`. Its files are opened relative to `descriptor`, never by their paths.

    Raises `OSError` if there is no such directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path  # where it was found last
        self.descriptor = files.open_directory(path)

    def close(self) -> None:
        """Let go of it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def reopen(self) -> None:
        """Open it again, after `close`, where it was then. Raises `OSError` if it is not there."""
        self.close()
        self.descriptor = files.open_directory(self.path)

    # --- its files ---------------------------------------------------------------------------

    def open(self, name: str, flags: int) -> int:
        """A descriptor of the file `name`, see `engine.runs.files.open_file`."""
        return files.open_file(name, flags, dir_fd=self.descriptor)

    def write(self, name: str, data: bytes | Iterable[bytes], *, durable: bool = True) -> None:
        """Make `data` the content of the file `name`, see `engine.runs.files.write_atomically`."""
        files.write_atomically(name, data, durable=durable, dir_fd=self.descriptor)

    def has(self, name: str) -> bool:
        """Whether there is anything of this name in it."""
        try:
            os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except OSError:
            return False
        return True

    def require_own(self, name: str, kind: int, *, alone: bool = False) -> None:
        """Raise `OSError` if there is something else of this name, see `engine.runs.files.require_own`."""
        with contextlib.suppress(FileNotFoundError):
            status = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
            files.require_own(name, status, kind, alone=alone)

    # --- where it is -------------------------------------------------------------------------

    def find(self) -> bool:
        """Look where it is now, and set `path`; return False if it was deleted, or its disk was taken away."""
        try:
            held = os.fstat(self.descriptor)
        except OSError:  # a network disk that has dropped it
            return False
        for path in (self.path, self._present_path()):
            with contextlib.suppress(OSError):
                if path is not None and os.path.samestat(os.stat(path), held):
                    self.path = path
                    return True
        return held.st_nlink > 0  # it is out of sight, but takes files

    def _present_path(self) -> Path | None:
        """What the system says of where the directory is. Of one that was deleted that is wrong."""
        with contextlib.suppress(OSError):
            if hasattr(fcntl, "F_GETPATH"):  # macOS
                return Path(os.fsdecode(fcntl.fcntl(self.descriptor, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0")))
            return Path(os.readlink(f"/proc/self/fd/{self.descriptor}"))
        return None

    def make_again(self) -> None:
        """Make it anew after it was deleted; under another name if there is something else at `path` by now.

        Raises `OSError` or `UserError` if that cannot be.
        """
        number = 1
        path = self.path
        while not _make_or_take(path):
            number += 1
            path = self.path.with_name(f"{self.path.name}-{number}")
        descriptor = files.open_directory(path)
        self.close()
        self.path, self.descriptor = path, descriptor

    # --- whose it is -------------------------------------------------------------------------

    def require_private(self) -> None:
        """Raise `UserError` if another user owns the directory, or may write into it."""
        status = os.fstat(self.descriptor)
        if status.st_uid != os.geteuid():
            raise UserError(f"{self.path}: this directory belongs to another user; copy it to one of your own")
        if is_open_to_others(status) and self._keeps_modes():
            raise UserError(
                f"{self.path}: other users may write into this directory; take that right from them first (chmod go-w)"
            )

    def _keeps_modes(self) -> bool:
        """Whether the file system has modes at all. On some disks every file is open to everybody, for want of them."""
        name = f".{secrets.token_hex(8)}{files.UNFINISHED}"
        descriptor = self.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            return not os.fstat(descriptor).st_mode & WRITABLE_BY_OTHERS
        finally:
            os.close(descriptor)
            os.unlink(name, dir_fd=self.descriptor)


@contextlib.contextmanager
def private_directory(path: Path) -> Iterator[RunDirectory]:
    """The directory at `path`, held open during a `with` block, into which only this user may write.

    Raises `UserError` if others may, `OSError` if there is none.
    """
    directory = RunDirectory(path)
    try:
        directory.require_private()
        yield directory
    finally:
        directory.close()


def require_directory(path: Path) -> None:
    """Raise `UserError` if there is something at `path` that is no directory of this user: a link may lead anywhere."""
    try:
        files.require_own(path, os.lstat(path), stat.S_IFDIR)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise UserError(f"{path}: cannot be a run of yours ({error.strerror}); remove it, or name another") from None


def is_open_to_others(status: os.stat_result) -> bool:
    """Whether users other than the owner may add files to the directory with this `status`, and replace those in it."""
    return bool(status.st_mode & WRITABLE_BY_OTHERS) and not status.st_mode & stat.S_ISVTX


def _make_or_take(path: Path) -> bool:
    """Make the directory `path`, or use the empty one that is there; False if something else is there."""
    for parent in reversed(path.parents):
        if not parent.is_dir():
            files.make_directory(parent)
    try:
        files.make_directory(path)
    except FileExistsError:
        if path.is_symlink() or not path.is_dir() or any(path.iterdir()):
            return False
        path.chmod(files.PRIVATE_DIRECTORY)
    return True
