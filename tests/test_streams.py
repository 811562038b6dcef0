"""What is printed is printable and can be encoded; a full stream waits or raises, and nothing fails later."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.full_pipe import fill
from tui.terminal import streams
from tui.terminal.streams import Descriptor, Output, OutputError, escapes, has_room


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The ends of a pipe, to read and to write."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def output(number: int, encoding: str = "utf-8", *, lossy: bool = False) -> Output:
    return Output(Descriptor(number, lossy=lossy), encoding)


@pytest.mark.parametrize(
    ("encoding", "printed"),
    [
        ("utf-8", "é 漢 ␛[31m \ufffd\n"),
        ("latin-1", "é \\u6f22 \\u241b[31m \\ufffd\n"),
        ("ascii", "\\xe9 \\u6f22 \\u241b[31m \\ufffd\n"),
    ],
)
def test_any_text_can_be_printed_in_any_encoding(pipe: tuple[int, int], encoding: str, printed: str) -> None:
    print("é 漢 \x1b[31m \udcff", file=output(pipe[1], encoding))
    assert os.read(pipe[0], 100).decode(encoding) == printed


def test_escape_sequences_of_our_own_have_a_way_around(pipe: tuple[int, int]) -> None:
    stream = output(pipe[1])
    print("\x1b[31mred", file=escapes(stream))
    print("\x1b[31mred", file=stream)
    assert os.read(pipe[0], 100).decode() == "\x1b[31mred\n␛[31mred\n"


def test_all_is_written_to_a_pipe_that_does_not_block(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    before = fill(writer)
    text = "a line\n" * 50_000
    read: list[bytes] = []

    def drain() -> None:
        time.sleep(0.05)
        while sum(map(len, read)) < before + len(text):
            read.append(os.read(reader, 65536))

    thread = threading.Thread(target=drain)
    thread.start()
    output(writer).write(text)
    thread.join()
    assert b"".join(read)[before:].decode() == text


def test_a_lossy_stream_drops_what_nobody_reads_and_comes_back(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "PATIENCE", 0.01)
    reader, writer = pipe
    stream = output(writer, lossy=True)
    before = fill(writer)
    os.set_blocking(writer, True)
    print("dropped", file=stream)
    assert not has_room(writer, 0.0)
    assert len(os.read(reader, before)) == before
    print("shown", file=stream)
    assert os.read(reader, 100) == b"shown\n"


def test_a_full_device_is_an_error_once_and_leaves_nothing_behind() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        stream = output(full)
        with pytest.raises(OutputError, match="No space left") as raised:
            print("text", file=stream)
        assert not raised.value.reader_is_gone
        stream.flush()
        stream.close()
        print("text", file=output(full, lossy=True))
    finally:
        os.close(full)


def test_a_terminal_that_was_closed_is_told_from_a_broken_disk(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both refuse with EIO; only the terminal's reader has gone."""
    terminal, own = os.openpty()
    streams_of = {"terminal": output(own), "disk": output(pipe[1])}
    os.close(terminal)

    def broken(number: int, data: bytes) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(streams, "has_room", lambda number, seconds: True)
    with pytest.raises(OutputError) as of_terminal:
        print("text", file=streams_of["terminal"])
    monkeypatch.setattr(os, "write", broken)
    with pytest.raises(OutputError) as of_disk:
        print("text", file=streams_of["disk"])
    os.close(own)
    assert (of_terminal.value.errno, of_terminal.value.reader_is_gone) == (errno.EIO, True)
    assert (of_disk.value.errno, of_disk.value.reader_is_gone) == (errno.EIO, False)


def test_a_reader_that_has_gone_is_told_from_a_full_sink(pipe: tuple[int, int]) -> None:
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, pipe[0])  # closes the pipe's reader
    os.close(nowhere)
    with pytest.raises(OutputError) as raised:
        print("text", file=output(pipe[1]))
    assert raised.value.errno == errno.EPIPE
    assert raised.value.reader_is_gone
    print("text", file=output(pipe[1], lossy=True))


def test_a_descriptor_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    number = os.open(tmp_path / "file", os.O_RDONLY)
    try:
        with pytest.raises(OutputError, match="Bad file descriptor"):
            print("text", file=output(number))
    finally:
        os.close(number)
