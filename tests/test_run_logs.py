"""A damaged line of a log costs that line: whatever it is, neither a reader nor a writer loses its neighbours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.runs import logs
from engine.runs.directory import RunDirectory
from engine.runs.logs import JsonLines, read_rows

DAMAGED = {
    "no JSON": b"garbage",
    "no UTF-8": b"\xff\xfe\x00",
    "empty": b"",
    "a list": b"[1, 2]",
    "a number": b"7",
    "no step": b'{"loss": 1.0}',
    "a text for a step": b'{"step": "3"}',
    "true for a step": b'{"step": true}',
    "a negative step": b'{"step": -3}',
    "a step of 400 digits": b'{"step": 1' + b"0" * 400 + b"}",
    "a number of 5000 digits": b'{"step": 3, "loss": 1' + b"0" * 5000 + b"}",
    "deeply nested": b'{"step": 3, "loss": ' + b"[" * 100_000,
    "NUL bytes": b"\0" * 5000,
    "half a line": b'{"step": 3, "lo',
    "too long": b'{"step": 3, "loss": ' + b" " * 5000 + b"1}",
}


def log_of(directory: Path, *lines: bytes) -> JsonLines:
    (directory / "log").write_bytes(b"\n".join(lines))
    return JsonLines(RunDirectory(directory), "log")


def line(step: int) -> bytes:
    return b'{"step": %d}' % step


def steps(directory: Path) -> list[int]:
    return [row["step"] for row in read_rows(directory / "log")]


@pytest.fixture(autouse=True)
def short_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LONGEST", 4000)


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_line_costs_only_itself(tmp_path: Path, damaged: bytes) -> None:
    log = log_of(tmp_path, line(1), line(2), damaged, line(4), line(5), b"")
    assert steps(tmp_path) == [1, 2, 4, 5]
    log.forget_after(4)
    assert steps(tmp_path) == [1, 2, 4]
    for step in (5, 6):
        log.append({"step": step})
    assert steps(tmp_path) == [1, 2, 4, 5, 6]


def test_a_damaged_line_stays_for_whoever_can_read_it(tmp_path: Path) -> None:
    """What the reader passes over, the writer does not delete; lines after the step go, with the damaged ones there."""
    log_of(tmp_path, line(1), b"one", line(2), line(9), b"nine", line(3), b"three", b"").forget_after(3)
    assert (tmp_path / "log").read_bytes().splitlines() == [line(1), b"one", line(2), line(3), b"three"]


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
def test_half_a_line_at_the_end_does_not_cost_the_next_one(tmp_path: Path, damaged: bytes) -> None:
    """Neither after a resume, nor if the file was cut by someone else while the run goes on."""
    log = log_of(tmp_path, line(1), damaged)
    log.append({"step": 2})
    assert steps(tmp_path) == [1, 2]
    log = log_of(tmp_path, line(1), damaged)
    log.forget_after(7)
    log.append({"step": 2})
    assert steps(tmp_path) == [1, 2]


def test_a_whole_last_line_without_an_end_is_a_line(tmp_path: Path) -> None:
    """As an editor may leave it."""
    log = log_of(tmp_path, line(1), line(2))
    assert steps(tmp_path) == [1, 2]
    log.forget_after(2)
    log.append({"step": 3})
    assert steps(tmp_path) == [1, 2, 3]


def test_nul_bytes_before_a_line_do_not_cost_it(tmp_path: Path) -> None:
    """A power cut may leave a hole in a file, and the next process writes after it."""
    log_of(tmp_path, line(1), b"\0" * 300 + line(2), line(3) + b"\0\0", b"")
    assert steps(tmp_path) == [1, 2, 3]


def test_lines_that_stand_there_twice_are_read_once(tmp_path: Path) -> None:
    log_of(tmp_path, line(1), line(2), line(1), line(2), line(3), b"")
    assert steps(tmp_path) == [1, 2, 3]


def test_a_line_may_not_be_too_long_nor_a_log_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sparse file of many gigabytes, which is one line of NUL bytes, needs no memory."""
    log_of(tmp_path, line(1), b"\0" * 100_000, line(2), b"")
    assert [len(found.data) for found in logs._lines(tmp_path / "log")] == [12, 0, 12]
    assert sum(found.size for found in logs._lines(tmp_path / "log")) == (tmp_path / "log").stat().st_size
    monkeypatch.setattr(logs, "LARGEST", 1000)
    with pytest.raises(UserError, match=r"log: cannot be read .it has more than 1,000 bytes.; restore the file"):
        read_rows(tmp_path / "log")


def test_forgetting_is_made_up_for_when_the_disk_refuses(tmp_path: Path) -> None:
    """Lines that were to be dropped do not come back as neighbours of new ones."""
    log = log_of(tmp_path, line(1), line(5), line(2), line(6), b"")
    tmp_path.chmod(0o700)
    (tmp_path / "log").rename(tmp_path / "kept")
    (tmp_path / "log").symlink_to("kept")
    with pytest.raises(OSError, match="symbolic link"):
        log.forget_after(3)
    with pytest.raises(OSError, match="symbolic link"):
        log.append({"step": 3})
    (tmp_path / "kept").replace(tmp_path / "log")
    log.append({"step": 4})
    assert [json.loads(found)["step"] for found in (tmp_path / "log").read_bytes().splitlines()] == [1, 2, 3, 4]
