"""A run can be watched for as long as it trains: its socket is made again, and who has left takes no place."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from engine.config import Config
from engine.errors import UserError
from engine.remote import codec, connection, server
from engine.remote.client import RemoteLink
from engine.runs import lock
from engine.runs.writer import RunWriter
from engine.session.local_link import MOST_WAITING
from engine.session.messages import Save, Stop
from engine.session.start import new_session
from tests.example_messages import EVENTS, is_equal
from tests.small_run import SMALL, trainer_of
from tests.test_attach import RECORD, FakeSession, events_of, greeted
from tests.waiting import wait_for

LONG = 1000.0  # seconds: no test waits for so long


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSession]:
    monkeypatch.setattr(server, "SOCKET_SECONDS", 0.02)
    session = FakeSession(tmp_path / "brisk-otter")
    with contextlib.closing(session.serve()):
        yield session
    session.run.close()


def delete_the_socket(session: FakeSession) -> None:
    (session.directory / connection.SOCKET).unlink()


def delete_the_directory(session: FakeSession) -> None:
    shutil.rmtree(session.directory)
    trainer = trainer_of(SMALL)
    session.run.save(*trainer.state())  # which makes it again


class Looks(selectors.DefaultSelector):
    """Notes how long its thread is ready to sleep, and whether it does."""

    waited: ClassVar[list[float | None]] = []
    is_asleep = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.waited.append(timeout)
        Looks.is_asleep = True
        try:
            return super().select(timeout)
        finally:
            Looks.is_asleep = False


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> type[Looks]:
    """The looks of all servers that are made from now on."""
    monkeypatch.setattr(server, "SOCKET_SECONDS", LONG)
    monkeypatch.setattr(selectors, "DefaultSelector", Looks)
    monkeypatch.setattr(Looks, "waited", [])
    return Looks


def test_its_thread_sleeps_until_something_is_new(looks: type[Looks], tmp_path: Path) -> None:
    session = FakeSession(tmp_path / "brisk-otter")
    with contextlib.closing(session.serve()), contextlib.closing(RemoteLink(session.directory)) as viewer:
        wait_for(lambda: session.links)
        for event in EVENTS:
            session.advance(event)
            assert is_equal(events_of(viewer, 1)[0], event)
        assert wait_for(viewer.take).step <= session.step  # which asks for another one
        viewer.send(Save())
        wait_for(lambda: session.commands)  # so that the question has been heard, too
        session.advance()
        assert wait_for(viewer.take).step == session.step
    session.run.close()
    assert set(looks.waited) == {LONG}


def test_its_thread_ends_with_the_run(looks: type[Looks], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.txt").write_text("a road by the sea and a hill\n" * 60)
    run = new_session(Config(text=(str(tmp_path / "text.txt"),), hidden=4, threads=1), tmp_path / "run")
    monkeypatch.setattr(run.viewers, "say_last", lambda loop: wait_for(lambda: looks.is_asleep))
    with contextlib.closing(server.RunServer(run, run.directory)) as serving:
        with contextlib.closing(RemoteLink(run.directory)) as viewer:
            wait_for(lambda: run.is_watched)
            viewer.send(Stop())
            run.run()
            wait_for(lambda: not serving._thread.is_alive())
        assert not (run.directory / connection.SOCKET).exists()


@pytest.mark.parametrize("delete", [delete_the_socket, delete_the_directory])
def test_a_socket_that_was_deleted_is_made_again(session: FakeSession, delete: Callable[[FakeSession], None]) -> None:
    with contextlib.closing(greeted(session.directory)) as viewer:
        descriptors = len(os.listdir("/proc/self/fd"))
        delete(session)
        wait_for((session.directory / connection.SOCKET).exists)
        with contextlib.closing(greeted(session.directory)):
            wait_for(lambda: len(session.links) == 2)
        wait_for(lambda: len(session.links) == 1)
        viewer.sendall(codec.encode(Save()))  # who looked at it before still does
        wait_for(lambda: session.commands)
    assert len(os.listdir("/proc/self/fd")) <= descriptors


def test_one_who_has_left_before_it_is_looked_at_disturbs_no_others(
    session: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some systems do not say any more whose the other end was."""
    found = connection.peer_uid
    looked: list[socket.socket] = []

    def peer_uid(connected: socket.socket) -> int:
        looked.append(connected)
        if len(looked) == 1:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        return found(connected)

    monkeypatch.setattr(server, "peer_uid", peer_uid)
    connection.connect(session.directory).close()
    wait_for(lambda: looked)
    greeted(session.directory).close()
    wait_for(lambda: looked[0].fileno() < 0)


def test_no_socket_is_made_in_a_directory_of_another_run(session: FakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Path] = []

    def holder(place: Path) -> int | None:
        looks.append(place)
        return lock.holder(place)

    monkeypatch.setattr(server, "holder", holder)
    other = session.directory.with_name("other")
    RunWriter.create(RECORD, other).close()  # elsewhere: as long as it is written, this process has its lock, too
    session.directory.rename(session.directory.with_name("away"))
    other.rename(session.directory)
    wait_for(lambda: len(looks) > 2)
    assert not (session.directory / connection.SOCKET).exists()


def test_viewers_that_have_left_take_no_place(session: FakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_VIEWERS", 2)
    monkeypatch.setattr(server, "FULL", "no room")
    session.busy = True  # so what they sent is not read to its end
    for count in range(1, 7):
        with contextlib.closing(greeted(session.directory)) as viewer:
            viewer.sendall(codec.encode(Save()) * (MOST_WAITING + 9))
        wait_for(lambda: session.commands)
        assert len(session.links) <= min(count, 2 * server.MAX_VIEWERS), "those that have left do not pile up"
    staying = [greeted(session.directory) for _ in range(2)]
    with pytest.raises(UserError, match="no room"):
        RemoteLink(session.directory)
    for viewer in staying:
        viewer.close()
