"""Opens, reads and writes the files of a run: regular files of this user, for this user only, reached through no link.

A run's directory may come from somebody else. Whatever is opened below it goes through `open_file`: a link could lead
to another file of the user, a pipe or a device could hold up the program.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from engine.errors import UserError, closed_on_failure

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700
CHUNK = 1 << 24  # bytes given to the system at a time
INTERRUPTIONS = 100  # by signals, after each of which a file is renamed again
UNFINISHED = ".tmp"  # the end of a name under which a file is written, before it takes its own name

KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a directory",
    stat.S_IFREG: "a file",
}


def open_file(path: Path | str, flags: int, *, dir_fd: int | None = None) -> int:
    """A descriptor of the regular file `path`, opened with these `flags` of `os.open`.

    With `dir_fd`, the descriptor of a directory, `path` is relative to that. With `os.O_CREAT` a file that is not there
    is made, and the file is from then on for its owner only. Cut it with `os.ftruncate`, not with a flag.

    Raises `OSError` if it is no regular file of this user, or, where it is to be written, has a second name (a hard
    link); `strerror` says so, as "it is a symbolic link".
    """
    assert not flags & os.O_TRUNC, "the file is not known yet"
    writes = bool(flags & (os.O_WRONLY | os.O_RDWR))
    try:  # before it is opened, because opening alone can have an effect on a device
        require_own(path, os.stat(path, dir_fd=dir_fd, follow_symlinks=False), stat.S_IFREG, alone=writes)
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            raise
    careful = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(path, flags | careful, PRIVATE_FILE, dir_fd=dir_fd)
    with closed_on_failure(partial(os.close, descriptor)):
        status = os.fstat(descriptor)  # of what was opened: the name may lead to another file since
        require_own(path, status, stat.S_IFREG, alone=writes)
        if flags & os.O_CREAT and stat.S_IMODE(status.st_mode) != PRIVATE_FILE:  # the umask has a say in the mode
            os.fchmod(descriptor, PRIVATE_FILE)
    return descriptor


def open_directory(path: Path | str, *, dir_fd: int | None = None) -> int:
    """A descriptor of the directory `path`; with `dir_fd` it is relative to that, and may be no link.

    Raises `OSError` if it is no directory, or, with `dir_fd`, a link or another user's.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    if dir_fd is None:
        return os.open(path, flags)
    require_own(path, os.stat(path, dir_fd=dir_fd, follow_symlinks=False), stat.S_IFDIR)
    return os.open(path, flags | os.O_NOFOLLOW, dir_fd=dir_fd)


def make_directory(path: Path | str, *, dir_fd: int | None = None) -> None:
    """Make a directory for its owner only, whose name survives a power cut. Raises `OSError`."""
    os.mkdir(path, PRIVATE_DIRECTORY, dir_fd=dir_fd)
    os.chmod(path, PRIVATE_DIRECTORY, dir_fd=dir_fd)  # the umask may have taken even the owner's rights away
    sync_directory(Path(path).parent, dir_fd=dir_fd)


def require_own(path: Path | str, status: os.stat_result, kind: int, *, alone: bool = False) -> None:
    """Raise `OSError` unless `path` is of this `kind` (as `stat.S_IFREG`), this user's, and, if `alone`, linked once.

    `status` comes from `os.fstat`, or from `os.stat` without following links.
    """
    found = stat.S_IFMT(status.st_mode)
    if found != kind:
        code = errno.ELOOP if found == stat.S_IFLNK else errno.EINVAL
        raise OSError(code, f"it is {KINDS.get(found, 'something else')}, not {KINDS[kind]}", os.fspath(path))
    if status.st_uid != os.geteuid():
        raise OSError(errno.EPERM, "it belongs to another user", os.fspath(path))
    if alone and status.st_nlink > 1:
        raise OSError(errno.EMLINK, "it has a second name, a hard link", os.fspath(path))


@contextlib.contextmanager
def writing_into(directory: Path) -> Iterator[None]:
    """Makes an `OSError` in the `with` block a `UserError` that names the file and the reason."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{directory / (error.filename or '')}: cannot be written ({error.strerror}); "
            "remove what stands in the way, or check the permissions and the room on the disk"
        ) from None


def read_file(path: Path | str, limit: int, *, dir_fd: int | None = None) -> bytes:
    """All bytes of the file, at most `limit`. Raises `OSError` as `open_file` does, or if there are more."""
    descriptor = open_file(path, os.O_RDONLY, dir_fd=dir_fd)
    with open(descriptor, "rb") as file:
        size = os.fstat(descriptor).st_size
        require_size(size, limit)
        data = file.read(size + 1)  # asked for `limit`, Python makes room for so many bytes first
        if len(data) > size:  # it has grown
            data += file.read(limit + 1 - len(data))
        require_size(len(data), limit)
    return data


def require_size(size: int, limit: int) -> None:
    """Raise `OSError` if a file of `size` bytes has more than `limit`."""
    if size > limit:
        raise OSError(errno.EFBIG, f"it has more than {limit:,} bytes")


def overwrite(path: Path | str, data: bytes, *, dir_fd: int | None = None) -> None:
    """Write `data` over the beginning of the file, and blanks over the rest: on a full disk this needs no new room.

    Only for a few hundred bytes, which the system writes in one step. Raises `OSError` as `open_file` does.
    """
    descriptor = open_file(path, os.O_WRONLY, dir_fd=dir_fd)
    try:
        write_all(descriptor, data.ljust(os.fstat(descriptor).st_size))
    finally:
        os.close(descriptor)


def append(path: Path | str, data: bytes, *, dir_fd: int | None = None) -> None:
    """Add `data` at the end of the file, which is made if it is not there. Raises `OSError` as `open_file` does."""
    descriptor = open_file(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, dir_fd=dir_fd)
    try:
        write_all(descriptor, data)
    finally:
        os.close(descriptor)


def write_atomically(
    path: Path | str, data: bytes | Iterable[bytes], *, durable: bool = True, dir_fd: int | None = None
) -> None:
    """Make `data`, whole or in pieces, the content of `path`: a reader finds the old content or the new, never both.

    With `durable` this also holds after a power cut. With `dir_fd` the path is relative to that directory. A link is
    replaced; what it leads to stays as it was. Raises `OSError` if the disk refuses; the old content then stays.
    """
    make = partial(open_file, flags=os.O_WRONLY | os.O_CREAT | os.O_EXCL, dir_fd=dir_fd)
    path = Path(path)
    _replace(path, f".{path.name}.", data, make, durable=durable, dir_fd=dir_fd)


def write_where_told(path: Path | str, data: bytes) -> None:
    """Write `data` into the file, not of a run, that the user has named: through links, and with the mode that it has.

    If the disk refuses, the old content stays, as with `write_atomically`. Only what cannot be replaced is written in
    place: a pipe or a device, another user's file, one with a second name, one in a directory that takes no new file.
    Raises `OSError`.
    """
    place = Path(os.path.realpath(path))
    try:
        status = os.stat(path)
    except FileNotFoundError:
        status = None
    if status is not None and not _is_replaceable(Path(path), place, status):
        with open(path, "wb") as file:
            file.write(data)
        return

    def make(temporary: Path) -> int:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        if status is not None:
            os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
        return descriptor

    _replace(place, ".", data, make, durable=True)  # its own name may be as long as names can be


def _is_replaceable(path: Path, place: Path, status: os.stat_result) -> bool:
    """Whether a new file may take the name of the one that is there, at `place` once links are followed."""
    is_ordinary = stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_uid == os.geteuid()
    is_stream = path.is_relative_to("/dev") or path.is_relative_to("/proc")  # /dev/stdout: others write on there
    return is_ordinary and not is_stream and os.access(place.parent, os.W_OK | os.X_OK) and os.access(place, os.W_OK)


def _replace(
    path: Path,
    prefix: str,
    data: bytes | Iterable[bytes],
    make: Callable[[Path], int],
    *,
    durable: bool,
    dir_fd: int | None = None,
) -> None:
    """Write a file that `make` opens, under a name with this `prefix` that nobody can foresee; then rename it."""
    temporary = path.with_name(f"{prefix}{secrets.token_hex(8)}{UNFINISHED}")
    try:
        descriptor = make(temporary)
        try:
            for piece in [data] if isinstance(data, bytes) else data:
                write_all(descriptor, piece)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        _rename(temporary, path, dir_fd)
    except BaseException as error:
        with contextlib.suppress(OSError):  # a full disk needs the space back
            os.unlink(temporary, dir_fd=dir_fd)
        if isinstance(error, OSError):
            error.filename, error.filename2 = os.fspath(path), None  # the temporary name tells a user nothing
        raise
    if durable:
        sync_directory(path.parent, dir_fd=dir_fd)


def _rename(old: Path, new: Path, dir_fd: int | None) -> None:
    """Rename a file, again if a signal interrupts it: Python does so for open, write and fsync, but not here."""
    for _ in range(INTERRUPTIONS):
        with contextlib.suppress(InterruptedError):
            os.replace(old, new, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
            return
    os.replace(old, new, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)


def sync_directory(path: Path | str = ".", *, dir_fd: int | None = None) -> None:
    """Have the names in a directory survive a power cut. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems cannot do this
            raise
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`, although the system may take only a part of it at a time. Raises `OSError`."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest[:CHUNK]) :]


def stamp(*paths: Path) -> tuple[int, ...]:
    """Inode, bytes and time of each file, so what changes when one is written or replaced; empty if none is there."""
    found: list[int] = []
    for path in paths:
        with contextlib.suppress(OSError):
            status = os.lstat(path)
            found += [status.st_ino, status.st_size, status.st_mtime_ns]
    return tuple(found)


def is_unfinished(name: str) -> bool:
    """Whether a file of this name was being written, see `write_atomically`."""
    return name.startswith(".") and name.endswith(UNFINISHED)


def remove_unfinished(dir_fd: int) -> None:
    """Remove what processes that died while writing have left in a directory. Call it only with the run's lock."""
    for name in os.listdir(dir_fd):
        if is_unfinished(name):
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=dir_fd)
