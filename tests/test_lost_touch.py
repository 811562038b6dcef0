"""A viewer of a run in another process says when it does not know any more what the run does, and why."""

from __future__ import annotations

import contextlib
import dataclasses
import resource
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.remote import client, codec, connected, connection, past
from engine.remote.archive import ArchiveLink
from engine.remote.client import RemoteLink, open_link
from engine.runs.lock import RunLock
from engine.runs.writer import RunWriter
from engine.session.messages import Event, Notice, Pause, SampleFinished, Snapshot
from tests.example_messages import NO_HISTORY, SAMPLE
from tests.test_attach import RECORD, FakeSession, snapshot_of
from tests.tui.on_screen import lines_of, text_of, until, watching
from tests.waiting import snapshot_where, wait_for


@pytest.fixture
def session(tmp_path: Path) -> Iterator[FakeSession]:
    session = FakeSession(tmp_path / "brisk-otter")
    yield session
    session.run.close()


@contextlib.contextmanager
def answering(directory: Path, *frames: bytes) -> Iterator[None]:
    """Stand in for the run in `directory`: say `frames` to each viewer."""
    listener = connection.listen(directory)
    listener.settimeout(0.02)
    ended = threading.Event()

    def serve() -> None:
        with contextlib.ExitStack() as peers:
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    peer, _ = listener.accept()
                    peers.enter_context(peer).sendall(b"".join(frames))

    thread = threading.Thread(target=serve)
    thread.start()
    with listener:
        try:
            yield
        finally:
            ended.set()
            thread.join()


def greeting(session: FakeSession) -> tuple[bytes, bytes]:
    return codec.encode(codec.Hello()), codec.encode(session.info)


def lost(link: RemoteLink) -> Snapshot:
    """The snapshot that says that the link has lost touch. The run may be anything by now."""
    snapshot = snapshot_where(link, lambda s: s.is_out_of_touch)
    assert snapshot.is_over  # so no key is offered that would do nothing
    assert [event for event in link.events() if event == Notice(snapshot.reason, "error")]
    return snapshot


@pytest.mark.parametrize("seen", [False, True])
def test_a_message_that_is_not_understood(session: FakeSession, seen: bool) -> None:
    frames = [codec.encode(snapshot_of(7))] if seen else []
    answers = (*greeting(session), *frames, codec.encode(Pause()))
    with answering(session.directory, *answers), contextlib.closing(RemoteLink(session.directory)) as link:
        last = lost(link)
        assert (last.step, last.state) == ((7, "training") if seen else (0, "starting"))
        assert "does not understand" in last.reason
        assert "open the run again with the version of the program that trains it" in last.reason
        link.send(Pause())
        assert link.take() is None


def test_another_version_takes_the_run_up(session: FakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TRIES", 2)
    server = session.serve()
    with contextlib.closing(RemoteLink(session.directory)) as link:
        wait_for(lambda: session.links)
        session.advance()
        wait_for(link.take)
        server.close()
        assert "no process answers" in lost(link).reason
        with answering(session.directory, codec.encode(codec.Hello(protocol=99))):
            last = snapshot_where(link, lambda s: s.is_out_of_touch and "it speaks protocol 99" in s.reason)
        assert last.step == 1
        with contextlib.closing(session.serve()):  # and if one comes that it understands, it is back
            wait_for(lambda: session.links)
            session.advance()
            assert snapshot_where(link, lambda s: s.live).step == 2


@pytest.mark.parametrize("how", ["renamed", "deleted"])
def test_the_directory_of_a_run_that_ended_is_gone(session: FakeSession, how: str) -> None:
    server = session.serve()
    with contextlib.closing(RemoteLink(session.directory)) as link:
        wait_for(lambda: session.links)
        session.advance()
        wait_for(link.take)
        away = session.directory.with_name("away")
        session.directory.rename(away)
        session.run.close()
        server.close()
        if how == "deleted":
            shutil.rmtree(away)
        assert "renamed" in lost(link).reason
        if how == "renamed":
            away.rename(session.directory)
            assert snapshot_where(link, lambda s: not s.is_out_of_touch).state == "crashed"


@pytest.mark.parametrize("is_live", [False, True])
def test_another_run_that_has_the_name_by_now_is_not_taken_for_this_one(session: FakeSession, is_live: bool) -> None:
    server = session.serve()
    with contextlib.closing(RemoteLink(session.directory)) as link:
        wait_for(lambda: session.links)
        session.advance()
        wait_for(link.take)
        away = session.directory.with_name("away")
        session.directory.rename(away)
        other = RunWriter.create(dataclasses.replace(RECORD, created="2001-02-03T04:05:06"), session.directory)
        if not is_live:
            other.close()
        session.run.close()
        server.close()
        assert client.REPLACED in lost(link).reason
        other.close()
        shutil.rmtree(session.directory)
        away.rename(session.directory)
        assert snapshot_where(link, lambda s: not s.is_out_of_touch).state == "crashed"


def test_a_run_that_is_silent(session: FakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connected, "SILENCE_SECONDS", 0.1)
    with contextlib.closing(session.serve()), contextlib.closing(RemoteLink(session.directory)) as link:
        wait_for(lambda: session.links)
        session.advance(warning="")
        assert wait_for(link.take).warning == ""
        assert snapshot_where(link, lambda s: s.warning).warning == connected.SILENT
        session.advance(warning="")
        assert snapshot_where(link, lambda s: s.step == 2).warning == ""


def test_what_fails_in_the_viewer_itself(session: FakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError("no more")

    server = session.serve()
    with contextlib.closing(RemoteLink(session.directory)) as link:
        wait_for(lambda: session.links)
        monkeypatch.setattr(RemoteLink, "_receive", fail)
        session.advance(Notice("x"))
        assert "MemoryError: no more" in lost(link).reason
    server.close()


def samples(events: list[Event]) -> list[int]:
    return [event.sample.step for event in events if isinstance(event, SampleFinished)]


def until_notice(link: RemoteLink) -> list[Event]:
    """The events up to a notice, with those that came together with it."""
    events: list[Event] = []
    while not any(isinstance(event, Notice) for event in events):
        events += wait_for(link.events)
    return events


def test_what_happened_between_two_connections_is_read_from_disk(session: FakeSession) -> None:
    session.run.add_sample(SAMPLE)
    server = session.serve()
    with contextlib.closing(RemoteLink(session.directory)) as link:
        assert samples(link.events()) == [SAMPLE.step]
        server.close()
        meanwhile = dataclasses.replace(SAMPLE, step=SAMPLE.step + 1)
        session.run.add_sample(meanwhile)
        with contextlib.closing(session.serve()):
            wait_for(lambda: session.links)
            events = until_notice(link)
            session.advance(SampleFinished(meanwhile))  # it comes over the socket, too
            session.advance(Notice("last"))
            events += until_notice(link)
            assert samples(events) == [meanwhile.step]


def test_what_happened_before_the_end_is_read_from_disk(session: FakeSession) -> None:
    server = session.serve()
    with contextlib.closing(RemoteLink(session.directory)) as link:
        session.run.add_sample(SAMPLE)
        session.run.set_state("stopped", 7)
        session.run.close()
        server.close()
        snapshot_where(link, lambda s: s.state == "stopped")
        assert samples(link.events()) == [SAMPLE.step]


def test_another_sample_of_the_same_step_after_a_roll_back_arrives(session: FakeSession) -> None:
    session.run.add_sample(SAMPLE)
    with contextlib.closing(session.serve()), contextlib.closing(RemoteLink(session.directory)) as link:
        wait_for(lambda: session.links)
        again = dataclasses.replace(SAMPLE, text=SAMPLE.text[::-1])
        session.advance(SampleFinished(SAMPLE), SampleFinished(again), SampleFinished(again), Notice("last"))
        texts = [event.sample.text for event in until_notice(link) if isinstance(event, SampleFinished)]
        assert texts == [SAMPLE.text, again.text]


def test_the_socket_of_a_process_that_died(session: FakeSession) -> None:
    connection.listen(session.directory).close()
    session.run.close()
    with contextlib.closing(open_link(session.directory)) as link:
        assert isinstance(link, ArchiveLink)
        assert wait_for(link.take).state == "crashed"


async def test_the_screen_says_that_it_is_out_of_touch(session: FakeSession) -> None:
    """And offers only what still does something."""
    blank = snapshot_of(7, sample=None, gradients=None, connectivity=None, cells=None, history=NO_HISTORY)
    answers = (*greeting(session), codec.encode(blank), codec.encode(Pause()))
    with answering(session.directory, *answers):
        async with watching(RemoteLink(session.directory), resume=ArchiveLink) as (app, pilot):
            await until(pilot, lambda: "? out of touch" in lines_of(app)[0])
            words = " ".join(text_of(app).split())
            assert "Out of touch since step 7: the run sent a message that this viewer does not understand" in words
            assert "training" not in lines_of(app)[0]
            assert not any(offer in words for offer in ("g go on", "s save", "space pause", "d detach"))
            await pilot.press("q")  # nothing is lost by it
            await until(pilot, lambda: not app.is_running)


def test_no_snapshot_from_before_the_end_comes_after_it(session: FakeSession) -> None:
    server = session.serve()
    with contextlib.closing(RemoteLink(session.directory)) as link:
        link.send(Pause())
        wait_for(lambda: session.commands)
        session.advance()  # a snapshot that the viewer does not take before the end
        wait_for(lambda: not link.is_taken)
        session.run.close()
        server.close()
        wait_for(lambda: link._archive)
        assert wait_for(link.take).state == "crashed"
        lock = RunLock(session.directory)
        with contextlib.closing(session.serve()):
            wait_for(lambda: session.links)
            wait_for(lambda: Notice(connected.RECONNECTED, "warning") in link.events())
            session.step = 100
            session.advance()
            assert wait_for(link.take).step == 101
        lock.release()


def test_a_viewer_of_many_weeks_remembers_only_the_last_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "MOST_SEEN", 3)
    seen = past.Seen()
    samples = [SampleFinished(dataclasses.replace(SAMPLE, step=step)) for step in range(10)]
    assert all(seen.add(sample) for sample in samples)
    assert [seen.add(sample) for sample in samples[7:]] == [False] * 3
    assert [seen.add(Notice("again")) for _ in range(2)] == [True] * 2
    assert len(seen) == 3


def test_a_viewer_waits_where_no_other_file_may_be_opened(session: FakeSession) -> None:
    """It would otherwise take the run for lost, and look for it again without end."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as closed:
        one, other = map(closed.enter_context, socket.socketpair())
        waiting = connection.Connection(one, 1000)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
        closed.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        with pytest.raises(OSError, match="Too many open files"):
            socket.socketpair()
        waiting.wait(0.0, other)
        other.send(codec.encode(Pause()))
        waiting.wait(30.0, other)
        assert len(list(waiting.receive())) == 1
