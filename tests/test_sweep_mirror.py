"""A run's directory as it grows elsewhere: what is new arrives once, in order, and at the end all of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from engine.config import Config
from engine.errors import UserError
from engine.runs.lock import holder
from engine.runs.reader import RunReader
from engine.session.start import new_session, resumed_session
from engine.sweep.mirror import Growth, Mirror, files_of
from tests.small_sweep import losses, write_text


def contents(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and path.name != "lock"
    }


def small(tmp_path: Path) -> Config:
    return Config(text=(str(write_text(tmp_path)),), hidden=8, embedding=4, batch=2, seq=10, threads=1, steps=60)


def test_a_run_grows_here_as_it_grows_there(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    session = new_session(small(tmp_path), there)
    growth, mirror = Growth(there), Mirror(here)
    seen: list[int] = []

    def carry(row: dict[str, Any]) -> None:
        if message := growth.news():
            mirror.take(message)
        seen.append(len(losses(here)))
        assert losses(here) == losses(there)
        assert RunReader(here).state in ("starting", "training")  # not "crashed": this process has its lock

    session.run(on_report=carry)
    assert seen == [1, 2, 3, 4, 5, 6]
    mirror.replace(files_of(there))
    mirror.close()
    assert contents(here) == contents(there)
    assert holder(here) is None
    resumed_session(here, 70).run()  # all is there to go on
    assert len(losses(here)) == 7


def test_another_attempt_begins_anew_and_the_earlier_one_is_not_heard_any_more(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    new_session(small(tmp_path), there).run()
    first, second, mirror = Growth(there), Growth(there), Mirror(here)
    one = first.news()
    assert one
    mirror.take(one)
    (there / "metrics.jsonl").write_text('{"step": 5, "loss": 1}\n')
    two = second.news()
    assert two
    mirror.take(two)
    assert [row["step"] for row in losses(here)] == [5]
    mirror.take(one)
    assert [row["step"] for row in losses(here)] == [5]
    assert first.news()  # a log that was made anew is sent from its beginning
    assert second.news() is None


def test_what_comes_after_a_gap_waits_for_the_end_and_no_other_name_is_written(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "here")
    files = {"metrics.jsonl": (0, b'{"step": 1}\n'), "../x": (0, b"x"), "lock": (0, b"x"), "moments/1": (0, b"")}
    mirror.take({"attempt": "a", "files": files})
    mirror.take({"attempt": "a", "files": {"metrics.jsonl": (99, b'{"step": 9}\n')}})
    assert [row["step"] for row in losses(tmp_path / "here")] == [1]
    assert sorted(os.listdir(tmp_path / "here")) == ["lock", "metrics.jsonl"]
    with pytest.raises(UserError, match="process"):
        Mirror(tmp_path / "here")
    mirror.replace({"moments/../../x": b"", "metrics.jsonl": b""})
    assert sorted(os.listdir(tmp_path)) == ["here"]


def test_what_a_killed_process_has_begun_is_cleared(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "here")
    mirror.take({"attempt": "a", "files": {"metrics.jsonl": (0, b'{"step": 1}\n')}})
    mirror.close()
    Mirror(tmp_path / "here").close()
    assert os.listdir(tmp_path / "here") == ["lock"]
