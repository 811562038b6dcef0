"""What was typed last is there again when a run is opened, attached or resumed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.remote.archive import ArchiveLink
from engine.runs.lock import RunLock
from engine.runs.prompts import LARGEST, PROMPTS, Prompts, keep_prompts, read_prompts
from engine.session.local_link import LocalLink
from engine.session.messages import LONGEST_PROMPT, SetSampling, SetView, Stop, View
from engine.session.session import Session
from engine.session.start import resumed_session
from tests.finished_run import finish_run
from tests.waiting import snapshot_where, wait_for


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that has made its last step."""
    return finish_run(tmp_path / "run")


@contextlib.contextmanager
def alive(session: Session) -> Iterator[LocalLink]:
    """A viewer's end of `session`, which then saves and ends."""
    link = session.connect()
    session.start()
    try:
        yield link
    finally:
        link.send(Stop(save=True))
        assert session.join(60)


def type_into(link: LocalLink | ArchiveLink, typed: str, sample: str) -> None:
    """Type a prompt, have samples begin with another one, and wait until both have come there."""
    snapshot_where(link, lambda snapshot: snapshot.sampling)
    link.send(SetView(View(prompt=typed)))
    number = link.send(SetSampling(prompt=sample))
    snapshot_where(link, lambda snapshot: snapshot.obeyed == number)


def test_a_run_on_disk_keeps_what_was_typed_into_it(run: Path) -> None:
    with contextlib.closing(ArchiveLink(run)) as link:
        assert link.info.prompt == ""
        type_into(link, "the lazy ünd \ud800", "the quick")
    with contextlib.closing(ArchiveLink(run)) as link:
        assert link.info.prompt == "the lazy ünd \ud800"
        shown = snapshot_where(link, lambda snapshot: snapshot.sampling)
        assert shown.sampling is not None
        assert shown.sampling.prompt == "the quick"


def test_a_resumed_run_has_them_too_and_keeps_those_that_follow(run: Path) -> None:
    with contextlib.closing(ArchiveLink(run)) as link:
        type_into(link, "the lazy", "the quick")
    with alive(resumed_session(run)) as link:
        assert link.info.prompt == "the lazy"
        shown = snapshot_where(link, lambda snapshot: snapshot.sampling)
        assert shown.sampling is not None
        assert shown.sampling.prompt == "the quick"
        type_into(link, "fox", "")
    assert read_prompts(run) == Prompts("fox", "")


def test_the_viewer_who_typed_last_counts_and_not_one_who_only_looks(run: Path) -> None:
    session = resumed_session(run)
    with alive(session) as link:
        other = session.connect()
        type_into(other, "over", "")
        type_into(link, "jumps", "")
        number = other.send(SetView(View(prompt="over", cells_layer=1)))
        other.send(SetView(View()))
        snapshot_where(other, lambda snapshot: snapshot.obeyed > number)
        assert session.connect().info.prompt == "jumps"


def test_a_long_prompt_is_kept_as_far_as_it_is_answered(run: Path) -> None:
    with contextlib.closing(ArchiveLink(run)) as link:
        type_into(link, "\x01" * LONGEST_PROMPT + "\U0001f98a" * LONGEST_PROMPT, "\x01" * 2 * LONGEST_PROMPT)
    assert read_prompts(run) == Prompts("\U0001f98a" * LONGEST_PROMPT, "\x01" * LONGEST_PROMPT)


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"typed": 3}', b'{"typed": "a", "sample": []}', b"[" * 9999, b" " * (LARGEST + 1)]
)
def test_a_damaged_file_is_as_good_as_none(run: Path, content: bytes) -> None:
    (run / PROMPTS).write_bytes(content)
    assert read_prompts(run) == Prompts()
    with contextlib.closing(ArchiveLink(run)) as link:
        assert wait_for(link.take).state == "finished"
        assert link.info.prompt == ""


def test_nothing_is_written_where_others_may_write_too_or_another_process_has_the_run(run: Path) -> None:
    (run / PROMPTS).symlink_to(run / "elsewhere")
    assert read_prompts(run) == Prompts()
    run.chmod(0o777)
    keep_prompts(run, Prompts("a"))
    assert os.path.islink(run / PROMPTS)
    run.chmod(0o700)
    keep_prompts(run, Prompts("a"))
    assert read_prompts(run) == Prompts("a")
    assert not (run / "elsewhere").exists()
    lock = RunLock(run)
    with contextlib.closing(ArchiveLink(run)) as link:
        type_into(link, "b", "")
    lock.release()
    assert read_prompts(run) == Prompts("a")
    keep_prompts(run / "gone", Prompts("a"))
