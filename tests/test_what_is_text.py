"""What counts as a text: decided by what a name leads to, never by its spelling; nothing is left out unnamed."""

from __future__ import annotations

import io
import os
import shutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import UserError
from engine.text import corpus, files, streams
from engine.text.corpus import Corpus, load_corpus
from tests.finished_run import finish_run

TEXT = "to be or not to be\n" * 40
OLD_RUN = Path(__file__).parent / "data" / "run-0.1.0"


def text_of(loaded: Corpus) -> str:
    return loaded.vocabulary.decode(loaded.codes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finish_run(tmp_path_factory.mktemp("runs") / "run", steps=1)


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with one text, which is the working directory."""
    place = tmp_path / "texts"
    place.mkdir()
    (place / "a.txt").write_text(TEXT)
    monkeypatch.chdir(place)
    return place


# --- what this program writes ------------------------------------------------------------------


def damaged(run: Path) -> None:
    (run / "config.json").write_text("garbage")
    (run / "notes.md").write_text("what happened here?")


def passed_on(run: Path) -> None:
    for file in run.iterdir():
        if file.is_file() and file.name not in ("config.json", "model.safetensors"):
            file.unlink()


def being_made(run: Path) -> None:
    for file in run.iterdir():
        if file.is_file() and file.name != "lock":
            file.unlink()


def annotated(run: Path) -> None:
    (run / "notes.md").write_text("a good one")


def as_it_is(run: Path) -> None:
    pass


@pytest.mark.parametrize("change", [as_it_is, damaged, passed_on, being_made, annotated])
@pytest.mark.parametrize("place", ["runs/a", "deep/er/still", "b.txt"])
def test_a_run_below_a_text_is_no_part_of_it(
    texts: Path, finished: Path, place: str, change: Callable[[Path], None]
) -> None:
    shutil.copytree(finished, texts / place)
    change(texts / place)
    loaded = load_corpus(["."])
    assert text_of(loaded) == TEXT
    assert loaded.left_out == ()


def test_a_run_of_an_earlier_version_is_no_text_either(texts: Path) -> None:
    shutil.copytree(OLD_RUN, texts / "old")
    assert text_of(load_corpus(["."])) == TEXT


def test_links_do_not_make_a_run_a_text(texts: Path, finished: Path) -> None:
    (texts / "run").symlink_to(finished)
    (texts / "losses.jsonl").symlink_to(finished / "metrics.jsonl")
    (texts / "record").symlink_to(texts / "losses.jsonl")
    assert text_of(load_corpus(["."])) == TEXT
    for name in ("run", str(finished), f"{finished}/moments/.."):
        with pytest.raises(UserError, match="is the directory of a run, not a text"):
            load_corpus([name])


def test_encoded_texts_are_no_text(texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "LARGE", 10)
    load_corpus(["a.txt"], cache=texts / "cache")
    (texts / "cache" / "use-of-cores.json").write_text("{}")
    assert text_of(load_corpus(["."], cache=texts / "cache")) == TEXT


def test_a_users_file_named_like_one_of_a_run_is_text(texts: Path) -> None:
    (texts / "conf").mkdir()
    for name in ("config.json", "log.txt", "text.txt", "lock"):
        (texts / "conf" / name).write_text("{}")
    (texts / "conf" / "z").write_text("!")
    assert text_of(load_corpus(["."])) == TEXT + "{}" * 4 + "!"


def test_the_file_of_standard_output_is_no_text(texts: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`train . > log`: the log is left out, and so the directory cannot be read again by another process."""
    kept = os.dup(1)
    with (texts / "log").open("w") as log:
        log.write("step 1\n")
        log.flush()
        os.dup2(log.fileno(), 1)
        try:
            loaded = load_corpus(["."])
        finally:
            os.dup2(kept, 1)
            os.close(kept)
    assert text_of(loaded) == TEXT
    assert loaded.addresses == ("",)


# --- what is left out --------------------------------------------------------------------------


def test_all_that_is_left_out_is_named_with_the_reason(texts: Path) -> None:
    (texts / "b.bin").write_bytes(b"\xff\xfe\x00")
    (texts / "broken").symlink_to("nowhere")
    (texts / "circle").symlink_to("circle")
    (texts / "dir").symlink_to(texts)
    (texts / ".hidden").write_bytes(b"\xff")
    os.mkfifo(texts / "pipe")
    (texts / "deaf").symlink_to("/dev/zero")
    (texts / "link.txt").symlink_to("a.txt")
    server = socket.socket(socket.AF_UNIX)
    server.bind("sock")  # relative, because a socket's path may not be long
    server.close()
    loaded = load_corpus(["."])
    assert text_of(loaded) == TEXT * 2
    assert loaded.left_out == (
        "b.bin (not utf-8 text)",
        "broken (a link to nothing)",
        "circle (a link to nothing)",
        "deaf (a device)",
        "dir (a link to a directory)",
        "pipe (a pipe)",
        "sock (a socket)",
    )


def test_what_cannot_be_read_is_named(texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (texts / "closed").mkdir()
    (texts / "mine.txt").write_text("x")
    scandir, opened = os.scandir, os.open

    def refuse(path: Any, *arguments: Any) -> Any:
        if os.path.basename(path) in ("closed", "mine.txt"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path) if not arguments else opened(path, *arguments)

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(os, "open", refuse)
    assert load_corpus(["."]).left_out == (
        "closed (cannot be listed: Permission denied)",
        "mine.txt (cannot be read: Permission denied)",
    )


def test_a_directory_without_end_is_given_up(texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "bcdef":
        (texts / name).write_text(name)
    monkeypatch.setattr(files, "MOST_ENTRIES", 6)
    assert load_corpus(["."]).length
    (texts / "g").mkdir()
    with pytest.raises(UserError, match="has more than 6 files below it; name a smaller directory"):
        load_corpus(["."])
    with pytest.raises(UserError, match="are too many texts"):
        load_corpus(["a.txt"] * 100_001)


# --- what can be read only once ----------------------------------------------------------------


def piped(text: str = TEXT) -> int:
    reading, writing = os.pipe()
    os.write(writing, text.encode())
    os.close(writing)
    return reading


@pytest.mark.parametrize("spelling", ["/dev/fd/{}", "/proc/self/fd/{}", "link", "link to a link"])
@pytest.mark.parametrize("kind", ["pipe", "file", "deleted file", "socket"])
def test_an_open_file_is_read_once_however_it_is_spelled(texts: Path, spelling: str, kind: str) -> None:
    if kind == "pipe":
        descriptor = piped()
    elif kind == "socket":
        ours, theirs = socket.socketpair()
        theirs.sendall(TEXT.encode())
        theirs.close()
        descriptor = ours.detach()
    else:
        descriptor = os.open(texts / "a.txt", os.O_RDONLY)
        if kind == "deleted file":
            os.unlink(texts / "a.txt")
    name = spelling.format(descriptor)
    if spelling.startswith("link"):
        (texts / "first").symlink_to(f"/dev/fd/{descriptor}")
        (texts / "second").symlink_to("first")
        name = "first" if spelling == "link" else "second"
    try:
        loaded = load_corpus([name])
    finally:
        os.close(descriptor)
    assert text_of(loaded) == TEXT
    assert loaded.addresses == ("",)


def test_a_named_pipe_is_waited_for_with_a_word(texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "QUIET", 0.05)
    os.mkfifo("pipe")
    said: list[str] = []
    writer = threading.Thread(target=lambda: Path("pipe").write_text(TEXT))

    def say(sentence: str) -> None:
        said.append(sentence)
        writer.start()

    loaded = load_corpus(["pipe"], say=say)
    writer.join()
    assert (text_of(loaded), loaded.addresses) == (TEXT, ("",))
    assert said == ["pipe: nothing has come yet; waiting for its writer to write more or to end"]


def test_waiting_can_be_given_up(texts: Path) -> None:
    os.mkfifo("pipe")

    def give_up(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_corpus(["pipe"], progress=give_up)


def test_a_stream_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MOST_BYTES", 1 << 20)
    with open("/dev/zero", "rb") as endless, pytest.raises(UserError, match="has more than 1 MB, or no end"):
        load_corpus(["-"], stdin=endless)


@pytest.mark.skipif(not os.access("/proc/cpuinfo", os.R_OK), reason="there is no /proc")
def test_a_file_that_claims_to_be_empty_is_read() -> None:
    assert text_of(load_corpus(["/proc/self/status"])).startswith("Name:")
    assert load_corpus(["/proc/self/status"]).addresses == ("",)


def test_what_was_recorded_is_never_waited_for(texts: Path) -> None:
    os.mkfifo("pipe")
    for name in ("pipe", "-"):
        with pytest.raises(UserError, match="read only once"):
            load_corpus([name], stdin=io.BytesIO(b"x"), streams=False)


# --- texts that change -------------------------------------------------------------------------


def test_a_log_that_grows_while_it_is_read_is_read_as_far_as_it_was(texts: Path) -> None:
    def write_on(share: float) -> None:
        with open("a.txt", "a") as log:
            log.write("more\n")

    loaded = load_corpus(["a.txt"], progress=write_on)
    assert text_of(loaded) == TEXT
    assert loaded.has_changed()


@pytest.mark.parametrize("change", ["nothing", "grows", "is edited", "is gone", "is replaced"])
def test_a_change_is_noticed(texts: Path, change: str) -> None:
    loaded = load_corpus(["a.txt"])
    before = os.stat("a.txt")
    match change:
        case "grows":
            with open("a.txt", "a") as log:
                log.write("x")
        case "is edited":  # and dated back
            Path("a.txt").write_text(TEXT.swapcase())
            os.utime("a.txt", ns=(before.st_atime_ns, before.st_mtime_ns))
        case "is gone":
            os.unlink("a.txt")
        case "is replaced":
            Path("b.txt").write_text(TEXT)
            os.replace("b.txt", "a.txt")
    assert loaded.has_changed() == (change != "nothing")


def test_a_directory_changes_with_its_files(texts: Path, finished: Path) -> None:
    loaded = load_corpus(["."])
    shutil.copytree(finished, texts / "run")
    assert not loaded.has_changed()
    (texts / "new.txt").write_text("x")
    assert loaded.has_changed()


# --- byte order marks --------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "UTF-16BE", "utf_32_le", "utf-32-be", "utf-7"])
def test_a_byte_order_mark_is_no_character_in_any_file(tmp_path: Path, encoding: str) -> None:
    for name in ("a", "b"):
        mark = "" if encoding == "utf-16" else "\ufeff"  # which writes one itself
        (tmp_path / name).write_bytes((mark + "é\ufeffx").encode(encoding))
    expected = "é\ufeffx" * 2
    assert text_of(load_corpus([str(tmp_path / "a"), str(tmp_path / "b")], encoding)) == expected
    assert text_of(load_corpus([str(tmp_path)], encoding)) == expected


def test_a_byte_order_mark_that_says_otherwise_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("\ufeffabc".encode("utf-16-be"))
    with pytest.raises(UserError, match=r"is not utf-16-le text \(its byte order mark says the other byte order"):
        load_corpus([str(tmp_path / "a")], "utf-16-le")
