"""A damaged line of a log costs that line: whatever it is, neither a reader nor a writer loses its neighbours."""

from __future__ import annotations

import json
import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import UserError
from engine.runs import logs
from engine.runs.directory import RunDirectory
from engine.runs.logs import JsonLines, read_rows, rows_in
from engine.runs.rows import BLOCK, COLUMNS, columns, reports

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


@pytest.mark.parametrize("last", [1, 12, 13, 14, 25, 26, 39])
def test_of_a_long_log_only_the_newest_lines_are_read(tmp_path: Path, last: int) -> None:
    """Those that begin within the last bytes. Each line here has 13 bytes."""
    log_of(tmp_path, *map(line, range(10, 15)), b"")
    found = [row["step"] for row in rows_in(tmp_path / "log", last=last)]
    assert found == list(range(15 - last // 13, 15))


def test_of_many_short_lines_the_last_are_read_and_no_writer_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "NEWEST_LINES", 3)
    monkeypatch.setattr(logs, "MOST_LINES", 10)
    log = log_of(tmp_path, *map(line, range(10, 20)), b"")
    assert [row["step"] for row in rows_in(tmp_path / "log", last=1000)] == [17, 18, 19]
    assert [row["step"] for row in rows_in(tmp_path / "log", last=60)] == [17, 18, 19]
    log.forget_after(18)
    log.append({"step": 19})
    log.append({"step": 20})
    with pytest.raises(OSError, match="more than 10 lines"):
        log.forget_after(15)
    assert len((tmp_path / "log").read_bytes().splitlines()) == 11  # nothing was lost


def test_a_long_log_is_never_whole_in_memory(tmp_path: Path) -> None:
    """Not even if a line in its middle has to go."""
    blanks = b" " * 3000
    lines = [b'{"step": %d, "x": "%s"}' % (step, blanks) for step in [1] * 2000 + [9] + [1] * 2000]
    log = log_of(tmp_path, *lines, b"")
    tracemalloc.start()
    try:
        log.forget_after(5)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 4_000_000 < (tmp_path / "log").stat().st_size
    assert (tmp_path / "log").read_bytes() == b"\n".join([*lines[:2000], *lines[2001:], b""])


ROW: dict[str, Any] = {"step": 3, "epoch": 0.5, "loss": 1.5, "lr": 1, "val_loss": None}


@pytest.mark.parametrize(
    "change",
    [{}, {"loss": 7}, {"loss": None}, {"loss": float("nan")}, {"loss": float("inf")}, {"loss": 1e201}, {"loss": True},
     {"loss": "1.5"}, {"loss": [1.5]}, {"loss": 10**400}, {"reach": {}}, {"step": True}, {"step": 1.0}, {"step": -1},
     {"step": 10**16}, {"step": None}, {"surplus": []}],
    ids=repr,
)  # fmt: skip
def test_columns_have_what_each_row_alone_has(change: dict[str, Any]) -> None:
    rows = [ROW, ROW | change, ROW | {"step": 4, "reach": 2.5}]
    expected = list(reports(rows))
    found = columns(rows)
    assert found["step"].tolist() == [row.step for row in expected]
    for name in COLUMNS:
        values = [math.nan if getattr(row, name) is None else getattr(row, name) for row in expected]
        np.testing.assert_array_equal(found[name], np.array(values, np.float64))


def test_columns_of_many_rows_and_of_none() -> None:
    rows: list[dict[str, Any]] = [{"step": step, "loss": step / 2} for step in range(2 * BLOCK + 1)]
    rows[BLOCK] = {"step": "damaged"}
    found = columns(rows)
    assert found["step"].tolist() == [step for step in range(2 * BLOCK + 1) if step != BLOCK]
    assert found["loss"].tolist() == [row["loss"] for row in rows if "loss" in row]
    assert {name: len(column) for name, column in columns([]).items()} == dict.fromkeys(["step", *COLUMNS], 0)
