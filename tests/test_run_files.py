"""Whose files a run opens: regular ones of this user, through no link; and for whom the ones it makes are open."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.remote.connection import SOCKET, connect
from engine.remote.detach import log_into
from engine.runs import files, kept_weights
from engine.runs.directory import RunDirectory
from engine.runs.files import append, open_file, overwrite, read_file, write_atomically
from engine.runs.lock import RunLock, holder
from engine.runs.reader import RunReader
from engine.runs.status import STATE, Status, read_state
from engine.runs.waiting_weights import BEST
from engine.runs.writer import LOG, METRICS, MODEL, PARTS, RunWriter
from tests.small_run import FINGERPRINT, SMALL, record_of, resume_and_close, train_and_report, trainer_of

ROOT = Path(__file__).parent.parent
CANARY = b"precious\n"
OTHER = 12345  # the id of another user; only root can give a file away

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A directory with a file that nothing may change."""
    place = tmp_path / "elsewhere"
    place.mkdir(mode=0o700)
    (place / "canary").write_bytes(CANARY)
    yield place
    assert (place / "canary").read_bytes() == CANARY
    assert sorted(path.name for path in place.iterdir()) == ["canary"], "nothing was made there"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The directory of a run that was saved, and has ended."""
    writer, trainer = RunWriter.create(record_of(SMALL), tmp_path / "run"), trainer_of(SMALL)
    train_and_report(trainer, writer, 2)
    writer.save_best(trainer.parameters.views, 2, 1.5)
    writer.keep_weights(2, trainer.parameters.views)
    writer.save(*trainer.state())
    writer.log("something")
    train_and_report(trainer, writer, 1)
    writer.close()
    return tmp_path / "run"


def link_it(path: Path, elsewhere: Path) -> None:
    path.symlink_to(elsewhere / "canary")


def dangle_it(path: Path, elsewhere: Path) -> None:
    path.symlink_to(elsewhere / "made")


def link_it_hard(path: Path, elsewhere: Path) -> None:
    path.hardlink_to(elsewhere / "canary")


def pipe_it(path: Path, elsewhere: Path) -> None:
    os.mkfifo(path)


def socket_it(path: Path, elsewhere: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def make_it_a_directory(path: Path, elsewhere: Path) -> None:
    path.mkdir()


def make_it_a_link_to_a_device(path: Path, elsewhere: Path) -> None:
    path.symlink_to("/dev/zero")


Replace = Callable[[Path, Path], None]
NO_FILES: dict[Replace, str] = {
    link_it: "it is a symbolic link, not a file",
    dangle_it: "it is a symbolic link, not a file",
    pipe_it: "it is a pipe, not a file",
    socket_it: "it is a socket, not a file",
    make_it_a_directory: "it is a directory, not a file",
    make_it_a_link_to_a_device: "it is a symbolic link, not a file",
}


@pytest.mark.parametrize(("replace", "reason"), [*NO_FILES.items(), (link_it_hard, "it has a second name")])
def test_what_is_no_file_of_its_own_is_not_opened(
    tmp_path: Path, elsewhere: Path, replace: Replace, reason: str
) -> None:
    path = tmp_path / "it"
    replace(path, elsewhere)
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_CREAT | os.O_APPEND):
        with pytest.raises(OSError, match=reason):
            open_file(path, flags)
    for write in (append, overwrite):
        with pytest.raises(OSError, match=reason):
            write(path, b"!")
    if replace is not link_it_hard:  # which may be read
        with pytest.raises(OSError, match=reason):
            read_file(path, 100)


def test_a_name_that_becomes_a_link_while_it_is_opened(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was opened is looked at, not only what was there before."""
    path = tmp_path / "it"
    path.write_bytes(b"ours")
    before = os.stat(path)
    for replace in (link_it, link_it_hard, pipe_it):
        path.unlink()
        replace(path, elsewhere)
        with monkeypatch.context() as patch:
            patch.setattr(os, "stat", lambda *_, **__: before)
            with pytest.raises(OSError, match=r"symbolic link|second name|a pipe|No such device"):
                open_file(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


@needs_root
def test_a_file_or_device_of_another_user_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "it").write_bytes(b"theirs")
    os.chown(tmp_path / "it", OTHER, OTHER)
    os.mknod(tmp_path / "device", 0o20600, os.makedev(1, 5))
    for name, reason in {"it": "it belongs to another user", "device": "it is a device"}.items():
        for flags in (os.O_RDONLY, os.O_WRONLY):
            with pytest.raises(OSError, match=reason):
                open_file(tmp_path / name, flags)


def test_a_file_is_read_up_to_its_greatest_size(tmp_path: Path) -> None:
    (tmp_path / "it").write_bytes(b"12345")
    assert read_file(tmp_path / "it", 5) == b"12345"
    os.truncate(tmp_path / "it", 1 << 40)  # a sparse file
    with pytest.raises(OSError, match="more than 5 bytes") as raised:
        read_file(tmp_path / "it", 5)
    assert raised.value.errno == errno.EFBIG


def test_a_file_is_read_to_its_end_although_it_grows() -> None:
    growing = Path("/proc/self/status")  # which the system gives a size of 0, whatever is in it
    if not growing.exists():
        pytest.skip("this system has no /proc")
    assert len(read_file(growing, 1 << 20)) > 100
    with pytest.raises(OSError, match="more than 5 bytes"):
        read_file(growing, 5)


# --- the files of a run ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "replace"),
    [
        *((name, replace) for name in (*PARTS.growing, *PARTS.replaced) for replace in NO_FILES),
        *((name, link_it_hard) for name in PARTS.growing),  # the others are replaced: what was linked stays as it was
    ],
)
def test_a_run_with_a_file_that_is_none_is_not_resumed(run: Path, elsewhere: Path, name: str, replace: Replace) -> None:
    """One sentence that names the file, and nothing has been changed."""
    (run / name).unlink()
    replace(run / name, elsewhere)
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file() and path.name != name}
    with pytest.raises(UserError, match=rf"{name}: cannot be (written|read) .it (is|has) a .*; "):
        RunWriter.resume(run, FINGERPRINT)
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file() and path.name != name} == before


@pytest.mark.parametrize("name", [METRICS, STATE, MODEL, BEST, "config.json", "lock"])
@pytest.mark.parametrize("replace", NO_FILES)
def test_a_reader_opens_only_files(run: Path, elsewhere: Path, name: str, replace: Replace) -> None:
    """A sentence, or what stands there if the file is missing; never an exception of another kind, never a wait."""
    (run / name).unlink()
    replace(run / name, elsewhere)
    attempts: dict[str, Callable[[], object]] = {
        METRICS: lambda: RunReader(run).metrics(),
        MODEL: lambda: RunReader(run).weights(),
        BEST: lambda: RunReader(run).weights("best"),
        "config.json": lambda: RunReader(run),
    }
    if name in attempts:
        with pytest.raises(UserError, match=rf"{name}: cannot be read .it is a"):
            attempts[name]()
    else:
        assert (read_state(run) == Status()) == (name == STATE)
        assert holder(run) is None


def test_files_that_become_links_while_the_run_goes_on(tmp_path: Path, elsewhere: Path) -> None:
    """What grows is refused, what is replaced replaces the link; nothing is written through one."""
    writer, trainer = RunWriter.create(record_of(SMALL), tmp_path / "run"), trainer_of(SMALL)
    for name in PARTS.replaced:
        (writer.path / name).unlink(missing_ok=True)
        link_it(writer.path / name, elsewhere)
    train_and_report(trainer, writer, 1)
    writer.save_best(trainer.parameters.views, 1, 1.0)
    writer.save(*trainer.state())
    writer.describe(writer.record)
    assert not [name for name in PARTS.replaced if (writer.path / name).is_symlink()]
    for name in (METRICS, LOG):
        (writer.path / name).unlink(missing_ok=True)
        link_it(writer.path / name, elsewhere)
    with pytest.raises(OSError, match="symbolic link"):
        train_and_report(trainer, writer, 1)
    with pytest.raises(OSError, match="symbolic link"):
        writer.log("something")
    with pytest.raises(OSError, match="symbolic link"):
        log_into(writer.path)
    (writer.path / "lock").unlink()
    link_it(writer.path / "lock", elsewhere)
    with pytest.raises(OSError, match="symbolic link"):
        writer.save(*trainer.state())
    (writer.path / METRICS).unlink()
    (writer.path / "lock").unlink()
    writer.save(*trainer.state())
    assert len((writer.path / METRICS).read_bytes().splitlines()) == 1, "the line that had waited"


def test_the_directory_of_kept_weights_may_be_no_link(run: Path, elsewhere: Path) -> None:
    shutil.copy(run / kept_weights.DIRECTORY / "2.safetensors", run / "copy")
    shutil.rmtree(run / kept_weights.DIRECTORY)
    (run / kept_weights.DIRECTORY).symlink_to(elsewhere)
    assert kept_weights.steps(run) == []
    with pytest.raises(UserError, match=rf"{kept_weights.DIRECTORY}: cannot be written .it is a symbolic link"):
        RunWriter.resume(run, FINGERPRINT)
    directory = RunDirectory(run)
    with pytest.raises(OSError, match="symbolic link"):
        kept_weights.keep(directory, 3, {})
    with pytest.raises(OSError, match="symbolic link"):
        kept_weights.forget_after(directory, 0)


def test_kept_weights_that_are_a_link_are_not_read(run: Path, elsewhere: Path) -> None:
    path = run / kept_weights.DIRECTORY / "2.safetensors"
    path.unlink()
    link_it(path, elsewhere)
    with pytest.raises(UserError, match=r"2\.safetensors: cannot be read .it is a symbolic link"):
        RunReader(run).weights(2)


def test_a_socket_that_is_a_link_is_not_connected_to(run: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "other"))
        listener.listen()
        (run / SOCKET).symlink_to(tmp_path / "other")
        with pytest.raises(UserError, match="no process answers for this run"):
            connect(run)


def test_the_log_of_a_background_run_has_room_from_the_start(run: Path) -> None:
    """Its first line is there at once: on a disk that is full later, the file's block takes a few lines more."""
    code = (
        "import sys; from pathlib import Path; from engine.remote.detach import log_into; log_into(Path(sys.argv[1]))"
    )
    (run / LOG).unlink()
    subprocess.run([sys.executable, "-c", f"{code}; print('more')", str(run)], check=True, cwd=ROOT)
    first, second = (run / LOG).read_text().splitlines()
    assert first.endswith("goes on in the background")
    assert second == "more"


# --- the directory ---------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777, 0o720])
def test_a_directory_that_others_may_write_into_is_not_written(run: Path, mode: int) -> None:
    """They could put anything there, while the run is being written."""
    run.chmod(mode)
    before = {path: path.stat().st_mtime_ns for path in run.iterdir()}
    with pytest.raises(UserError, match=r"run: other users may write into this directory; take .* .chmod go-w."):
        RunWriter.resume(run, FINGERPRINT)
    assert {path: path.stat().st_mtime_ns for path in run.iterdir()} == before
    run.chmod(0o755)
    RunWriter.resume(run, FINGERPRINT)[0].close()


def test_a_disk_without_modes_can_be_written(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There every file seems to be open to everybody."""
    run.chmod(0o777)
    monkeypatch.setattr(os, "fchmod", lambda *_: None)
    monkeypatch.setattr(files, "PRIVATE_FILE", 0o666)
    mask = os.umask(0)
    try:
        RunWriter.resume(run, FINGERPRINT)[0].close()
    finally:
        os.umask(mask)


@needs_root
def test_a_directory_of_another_user_is_not_written(run: Path) -> None:
    os.chown(run, OTHER, OTHER)
    with pytest.raises(UserError, match="run: this directory belongs to another user; copy it to one of your own"):
        RunWriter.resume(run, FINGERPRINT)


MAKE_A_RUN = """
import os, sys
from pathlib import Path
from engine.remote.detach import log_into
from engine.runs.lock import RunLock
from engine.runs.writer import RunWriter
from tests.small_run import FINGERPRINT, SMALL, record_of, train_and_report, trainer_of
os.umask(int(sys.argv[2], 8))
os.chdir(sys.argv[1])
trainer, run = trainer_of(SMALL), RunWriter.create(record_of(SMALL), Path("a/b/run"))
for _ in range(2):
    train_and_report(trainer, run, 2)
    run.save_best(trainer.parameters.views, trainer.steps, 1.5)
    run.keep_weights(trainer.steps, trainer.parameters.views)
    run.save(*trainer.state())
    log_into(run.path)
    run.log("something")
run.close()
named = RunWriter.create(record_of(SMALL))
named.close()
RunWriter.resume(run.path, FINGERPRINT)[0].close()
"""


@pytest.mark.parametrize("umask", ["000", "777", "077", "022"])
def test_nothing_is_open_to_others_whatever_the_umask_is(tmp_path: Path, umask: str) -> None:
    """Nor closed to its owner, even one who is not root."""
    command = [sys.executable, "-c", MAKE_A_RUN, str(tmp_path), umask]
    if os.geteuid() == 0 and shutil.which("setpriv"):  # root otherwise opens what is closed to everybody
        rights = "-dac_override,-dac_read_search"
        command = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}", *command]
    done = subprocess.run(command, cwd="/", env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = [path for path in tmp_path.rglob("*") if not path.is_symlink()]
    assert len(made) > 15
    for path in made:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_the_names_of_a_new_run_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run's directory, `runs` and what is above it, when they are made: else a power cut takes all of it."""
    synced: list[Path] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        fsync(descriptor)
        synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")))

    monkeypatch.setattr(os, "fsync", note)
    run = RunWriter.create(record_of(SMALL), root=tmp_path / "a" / "runs")
    places = [place for place in synced if place.is_dir()]
    assert places[:3] == [tmp_path, tmp_path / "a", tmp_path / "a" / "runs"]
    assert places[-1] == run.path


def test_a_directory_that_cannot_be_synced_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some network file systems refuse it."""
    fsync = os.fsync

    def refuse(descriptor: int) -> None:
        if Path(os.readlink(f"/proc/self/fd/{descriptor}")).is_dir():
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    write_atomically(tmp_path / "it", b"new")
    assert (tmp_path / "it").read_bytes() == b"new"


def test_what_a_dead_process_left_is_removed(run: Path) -> None:
    left = [run / ".checkpoint.safetensors.0123.tmp", run / ".state.json.tmp", run / "moments" / ".9.safetensors.4.tmp"]
    for path in left:
        path.write_bytes(b"half")
    resume_and_close(run)
    assert not [path for path in left if path.exists()]


def test_a_run_begins_where_a_process_was_killed_before_its_run_had_begun(tmp_path: Path) -> None:
    place = tmp_path / "it"
    place.mkdir(mode=0o700)
    lock = RunLock(place)
    half = place / ".config.json.0123456789abcdef.tmp"
    half.write_bytes(b"{")
    with pytest.raises(UserError, match="process"):  # that process still lives
        RunWriter.create(record_of(SMALL), place)
    lock.release()
    RunWriter.create(record_of(SMALL), place).close()
    assert not half.exists()
    with pytest.raises(UserError, match="is not empty"):
        RunWriter.create(record_of(SMALL), place)


def test_the_lock_of_a_resumed_run_says_whose_it_is(run: Path) -> None:
    writer, _, _ = RunWriter.resume(run, FINGERPRINT)
    assert holder(run) == os.getpid()
    with pytest.raises(UserError, match=f"process {os.getpid()} is writing this run"):
        RunLock(run)
    writer.close()
    assert holder(run) is None
