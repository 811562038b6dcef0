"""A run and its viewers in other processes: they see the same, and none of them can harm it."""

import contextlib
import dataclasses
import errno
import os
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

from engine.config import Config
from engine.errors import UserError
from engine.remote import client, codec, connected, connection, served, server
from engine.remote.client import RemoteLink
from engine.remote.codec import Frames
from engine.remote.server import RunServer
from engine.runs.lock import RunLock
from engine.runs.record import RunRecord
from engine.runs.writer import RunWriter
from engine.session.local_link import MOST_WAITING, LocalLink
from engine.session.messages import (
    Command,
    Event,
    Notice,
    Pause,
    SampleFinished,
    Save,
    ScaleLearningRate,
    SetView,
    Snapshot,
    StateChanged,
    Stop,
    View,
)
from tests.example_messages import COMMANDS, EVENTS, FLOW, REPORTS, SAMPLE, SNAPSHOT, is_equal
from tests.waiting import wait_for

RECORD = RunRecord(
    config=Config(), vocabulary=("a", "b"), text_name="ab", text_length=100, fingerprint="0", parameters=74_882
)  # fmt: skip


class Attach(Protocol):
    """What the fixture `attach` gives."""

    def __call__(self, *, past: bool = True) -> RemoteLink: ...


class FakeSession:
    """A run that trains nothing, and steps whenever a test says so."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.run = RunWriter.create(RECORD, directory)
        self.info = RECORD.info(directory)
        self.links: list[LocalLink] = []
        self.commands: list[tuple[LocalLink, Command]] = []
        self.step = 0
        self.busy = False  # then commands wait
        self.is_over = False

    def serve(self, directory: Path | None = None) -> RunServer:
        return RunServer(self, directory or self.directory)  # type: ignore[arg-type] # as much of a session as a server asks for

    def connect(self) -> LocalLink:
        link = LocalLink(lambda: self.info, self._obey, self.links.remove)
        self.links.append(link)
        return link

    def _obey(self, link: LocalLink, command: Command) -> None:
        if not self.busy:
            link.obeyed += 1
            link.urgent = True
        self.commands.append((link, command))  # last: a test that waits for it finds all the rest done

    def obey_all(self) -> None:
        for link in self.links:
            link.obeyed = sum(by is link for by, _ in self.commands)

    def advance(self, *events: Event, **changes: Any) -> None:
        """One step: a snapshot for every viewer that took its last one, and events for all."""
        self.step += 1
        for link in tuple(self.links):
            for event in events:
                link.queue(event)
            if link.wants(float("inf")):
                link.offer(snapshot_of(self.step, **{"obeyed": link.obeyed} | changes), 0.0)


def snapshot_of(step: int, **changes: Any) -> Snapshot:
    return dataclasses.replace(SNAPSHOT, step=step, **changes)


def events_of(link: RemoteLink, count: int) -> list[Event]:
    """The next `count` events."""
    arrived: list[Event] = []
    while len(arrived) < count:
        arrived += wait_for(link.events)
    return arrived


def greeted(directory: Path) -> socket.socket:
    """A bare viewer that has said hello and heard which run it is."""
    viewer = connection.connect(directory)
    viewer.sendall(codec.encode(codec.Hello()))
    frames = codec.Frames(codec.REPORT_LIMIT)
    heard: list[bytes] = []
    while len(heard) < 2:
        heard += frames.feed(viewer.recv(1 << 16))
    return viewer


@pytest.fixture
def session(tmp_path: Path) -> Iterator[FakeSession]:
    session = FakeSession(tmp_path / "brisk-otter")
    yield session
    session.run.close()


@pytest.fixture
def serving(session: FakeSession) -> Iterator[FakeSession]:
    with contextlib.closing(session.serve()):
        yield session


@pytest.fixture
def attach(serving: FakeSession) -> Iterator[Attach]:
    """Opens viewers of the served run, and closes them."""
    with contextlib.ExitStack() as stack:
        yield lambda past=True: stack.enter_context(contextlib.closing(RemoteLink(serving.directory, past=past)))


def test_a_viewer_sees_what_the_run_says(serving: FakeSession, attach: Attach) -> None:
    link = attach()
    assert link.info == serving.info
    assert link.is_remote  # it goes on when the viewer leaves
    wait_for(lambda: serving.links)
    serving.advance(*EVENTS)
    snapshot = wait_for(link.take)
    assert is_equal(snapshot, snapshot_of(1, obeyed=0))
    assert is_equal(events_of(link, len(EVENTS)), EVENTS)


def test_commands_arrive_in_order(serving: FakeSession, attach: Attach) -> None:
    link = attach()
    for command in COMMANDS:
        link.send(command)
    wait_for(lambda: len(serving.commands) == len(COMMANDS))
    assert [command for _, command in serving.commands] == COMMANDS


def test_parts_that_stay_keep_their_identity(serving: FakeSession, attach: Attach) -> None:
    link = attach()
    wait_for(lambda: serving.links)
    serving.advance()
    first = wait_for(link.take)
    serving.advance(sample=None)
    second = wait_for(link.take)
    assert second.step == 2
    assert second.connectivity is first.connectivity
    assert second.sample is None


def test_a_snapshot_from_before_a_command_is_not_the_answer(serving: FakeSession, attach: Attach) -> None:
    link = attach()
    wait_for(lambda: serving.links)
    serving.advance()
    assert link.send(SetView(View(prompt="new"))) == 1
    wait_for(lambda: serving.commands)
    serving.advance(obeyed=0)  # as if it was made before the run obeyed
    (local,) = serving.links
    wait_for(lambda: local.is_taken)
    serving.advance()
    answer = wait_for(link.take)
    assert (answer.step, answer.obeyed) == (3, 1)


def test_each_viewer_has_its_own_link(serving: FakeSession, attach: Attach) -> None:
    one, two = attach(), attach()
    one.send(SetView(View(prompt="one")))
    two.send(SetView(View(prompt="two")))
    wait_for(lambda: len(serving.commands) == 2)
    links = {command.view.prompt: link for link, command in serving.commands if isinstance(command, SetView)}
    assert links["one"] is not links["two"]
    one.close()
    wait_for(lambda: serving.links == [links["two"]])
    serving.advance()
    assert wait_for(two.take).step == 1


def test_the_past_comes_first_and_once(serving: FakeSession, attach: Attach) -> None:
    serving.run.add_sample(SAMPLE)
    link = attach()
    wait_for(lambda: serving.links)
    serving.advance(SampleFinished(SAMPLE), Notice("now"))
    sample, notice = events_of(link, 2)
    assert isinstance(sample, SampleFinished)
    assert sample.sample.text == SAMPLE.text
    assert notice == Notice("now")


def test_a_viewer_that_has_seen_the_past_goes_on(serving: FakeSession, attach: Attach) -> None:
    serving.run.add_sample(SAMPLE)
    link = attach(past=False)
    wait_for(lambda: serving.links)
    serving.advance(Notice("now"))
    assert wait_for(link.events) == [Notice("now")]


# --- the end -----------------------------------------------------------------------------------


def test_what_happened_last_arrives(session: FakeSession) -> None:
    run_server = session.serve()
    link = RemoteLink(session.directory)
    wait_for(lambda: session.links)
    session.advance()
    wait_for(link.take)
    session.run.set_state("stopped", 7, "asked to")
    for each in session.links:
        each.queue(StateChanged("stopped", 7, "asked to"))
    session.run.close()
    run_server.close()
    last = wait_for(link.take)
    assert (last.state, last.reason, last.step) == ("stopped", "asked to", 7)
    assert link.events() == [StateChanged("stopped", 7, "asked to")]
    assert not (session.directory / connection.SOCKET).exists()
    assert session.links == []
    link.send(Pause())
    link.close()


def test_a_run_that_ended_without_a_word_has_crashed(session: FakeSession) -> None:
    run_server = session.serve()
    link = RemoteLink(session.directory)
    session.run.report({"step": 40, "epoch": 0.5, "time": 1.0, "loss": 2.25, "lr": 1e-3, "grad_norm": 1.0})
    session.run.set_state("training", 40)
    session.run.close()
    run_server.close()
    last = wait_for(link.take)
    assert (last.state, last.step, last.loss) == ("crashed", 40, 2.25)
    assert "its last save is kept" in last.reason
    assert link.events() == [StateChanged("crashed", 40, last.reason)]
    link.close()


def test_a_diverged_run_whose_process_ends_is_not_alive_any_more(session: FakeSession) -> None:
    run_server = session.serve()
    with contextlib.closing(RemoteLink(session.directory)) as link:
        session.run.set_state("diverged", 40, "the loss is not a number any more")
        session.advance(state="diverged")
        assert wait_for(link.take).live
        session.run.close()
        run_server.close()
        last = wait_for(link.take)
        assert (last.state, last.live) == ("diverged", False)
        assert last.reason == "the loss is not a number any more"


def test_a_lost_connection_is_made_again(session: FakeSession) -> None:
    run_server = session.serve()
    link = RemoteLink(session.directory)
    link.send(SetView(View(prompt="x")))
    wait_for(lambda: session.commands)
    run_server.close()
    with contextlib.closing(session.serve()):
        wait_for(lambda: len(session.commands) == 2)
        assert session.commands[1][1] == SetView(View(prompt="x"))
        session.advance()
        snapshot = wait_for(link.take)
        assert (snapshot.step, snapshot.obeyed) == (1, 2)
        assert link.send(Pause()) == 3  # numbers go on where the connection before ended
        assert link.events() == [Notice(connected.RECONNECTED, "warning")]
        link.close()


def test_a_run_that_is_taken_up_again_is_watched_again(session: FakeSession) -> None:
    run_server = session.serve()
    with contextlib.closing(RemoteLink(session.directory)) as link:
        session.run.close()
        run_server.close()
        assert wait_for(link.take).state == "crashed"
        link.send(Stop())  # to a run that has ended
        lock = RunLock(session.directory)
        with contextlib.closing(session.serve()):
            wait_for(lambda: session.links)
            wait_for(lambda: Notice in map(type, link.events()))
            link.send(Pause())
            wait_for(lambda: [command for _, command in session.commands] == [Pause()])
            session.advance()
            assert wait_for(link.take).state == "training"
        lock.release()


def test_a_process_that_does_not_answer_any_more(session: FakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TRIES", 2)
    run_server = session.serve()
    with contextlib.closing(RemoteLink(session.directory)) as link:
        run_server.close()
        (notice,) = events_of(link, 1)
        assert isinstance(notice, Notice)
        assert "no process answers" in notice.text
        last = wait_for(link.take)
        assert last.is_out_of_touch
        assert last.reason == notice.text


@pytest.mark.parametrize("server_is_there", [False, True])
def test_where_no_run_answers_a_sentence_says_so(session: FakeSession, server_is_there: bool) -> None:
    if server_is_there:
        session.serve().close()
    with pytest.raises(UserError, match="no process answers"):
        RemoteLink(session.directory)


@pytest.mark.parametrize(
    "answer",
    [codec.encode(codec.Hello(protocol=99)), codec.encode(Pause()), b"HTTP/1.1 400 Bad Request\r\n\r\n", b""],
)
def test_another_program_at_the_socket_is_not_understood(session: FakeSession, answer: bytes) -> None:
    with contextlib.closing(connection.listen(session.directory)) as listener:
        listener.setblocking(True)

        def reply() -> None:
            peer, _ = listener.accept()
            peer.sendall(answer)
            peer.close()

        thread = threading.Thread(target=reply)
        thread.start()
        with pytest.raises(UserError, match="another version"):
            RemoteLink(session.directory)
        thread.join()


# --- strangers and slow ones -------------------------------------------------------------------


def test_the_socket_is_for_its_owner_only(serving: FakeSession) -> None:
    mode = stat.S_IMODE((serving.directory / connection.SOCKET).stat().st_mode)
    assert mode == 0o600
    assert stat.S_IMODE(serving.directory.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": -(2**62)},
        {"epoch": float("nan")},
        {"seconds": float("inf")},
        {"chars_per_second": -1.0},
        {"lr": float("inf")},
    ],
    ids=str,
)
def test_numbers_that_no_run_has_are_not_shown(serving: FakeSession, attach: Attach, changes: dict[str, float]) -> None:
    link = attach()
    wait_for(lambda: serving.links)
    assert link.take() is None  # it asks for the next one
    serving.advance(**changes)
    (notice,) = events_of(link, 1)
    assert isinstance(notice, Notice)
    assert "numbers that no run has" in notice.text
    assert not wait_for(link.take).live


def test_another_user_is_disconnected(serving: FakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "peer_uid", lambda peer: os.geteuid() + 1)
    with contextlib.closing(connection.connect(serving.directory)) as stranger:
        assert stranger.recv(100) == b""
    assert serving.links == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_process_of_another_user_cannot_attach(serving: FakeSession) -> None:
    serving.directory.parent.chmod(0o755)
    code = (
        "import os, sys, pathlib; from engine.remote import connection; from engine.errors import UserError\n"
        "directory = pathlib.Path(sys.argv[1]); os.setuid(65534)\n"
        "try: connection.connect(directory)\n"
        "except UserError as error: print(error)\n"
        "else: sys.exit('connected')\n"
        "sys.exit(os.access(directory, os.R_OK | os.X_OK))"
    )
    done = subprocess.run([sys.executable, "-c", code, serving.directory], capture_output=True, text=True, check=True)
    assert "another user" in done.stdout


def test_the_peer_of_a_socket_is_known() -> None:
    one, two = socket.socketpair()
    assert connection.peer_uid(one) == os.geteuid()
    one.close()
    two.close()


def malformed(rng: np.random.Generator) -> tuple[bytes, bool]:
    """Bytes that a viewer must not send, and whether it says hello before."""
    valid = [codec.encode(command) for command in COMMANDS]
    frame = bytearray(valid[rng.integers(len(valid))])
    match rng.integers(7):
        case 0:
            return rng.bytes(int(rng.integers(1, 2000))), bool(rng.integers(2))
        case 1:
            return struct.pack(">I", rng.integers(codec.COMMAND_LIMIT + 1, 2**32)) + bytes(100), True
        case 2:
            return bytes(frame[: rng.integers(1, len(frame))]), True
        case 3:
            for _ in range(8):
                frame[rng.integers(8, len(frame))] = rng.integers(128, 256)
            return bytes(frame), True
        case 4:
            frame[4:8] = rng.bytes(4)
            return bytes(frame), True
        case 5:
            reports = [*REPORTS, codec.Hello()]
            return codec.encode(reports[rng.integers(len(reports))]), True
        case _:
            return bytes(frame), False


def test_a_thousand_bad_messages_do_no_harm(serving: FakeSession, attach: Attach) -> None:
    rng = np.random.default_rng(4)
    link = attach()
    before = threading.active_count()
    for _ in range(1000):
        data, hello = malformed(rng)
        viewer = greeted(serving.directory) if hello else connection.connect(serving.directory)
        with contextlib.closing(viewer), contextlib.suppress(ConnectionError):
            viewer.sendall(data)
            viewer.shutdown(socket.SHUT_WR)
            while viewer.recv(1 << 16):
                pass
    assert serving.commands == []
    assert threading.active_count() <= before  # one of an earlier test may end meanwhile
    serving.advance()
    assert wait_for(link.take).step == 1
    link.send(Pause())
    wait_for(lambda: serving.commands)
    wait_for(lambda: len(serving.links) == 1)


def test_half_a_message_waits_without_harm(serving: FakeSession, attach: Attach) -> None:
    frame = codec.encode(ScaleLearningRate(0.5))
    with contextlib.closing(greeted(serving.directory)) as slow:
        slow.sendall(frame[:10])
        link = attach()
        link.send(Pause())
        wait_for(lambda: [command for _, command in serving.commands] == [Pause()])
        slow.sendall(frame[10:])
        wait_for(lambda: [command for _, command in serving.commands] == [Pause(), ScaleLearningRate(0.5)])


def test_who_asks_but_does_not_read_gets_one_snapshot(serving: FakeSession, attach: Attach) -> None:
    large = dataclasses.replace(FLOW, norms=np.zeros(1 << 18))
    with contextlib.closing(greeted(serving.directory)) as stuck:
        (stuck_link,) = serving.links
        link = attach()
        tracemalloc.start()
        for step in range(1, 41):
            stuck.sendall(codec.encode(codec.Take()) * 10)
            serving.advance(Notice("x"), gradients=large)
            assert wait_for(link.take).step == step
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        # Two viewers with one snapshot of 2 MB each, in the making and on its way.
        assert peak < 20e6
        assert stuck_link.take() is not None


def test_who_never_reads_is_disconnected_at_last(
    serving: FakeSession, attach: Attach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "BACKLOG_LIMIT", 1 << 16)
    with contextlib.closing(greeted(serving.directory)):
        link = attach()
        wait_for(lambda: len(serving.links) == 2)
        for _ in range(200):
            serving.advance(Notice("x" * 10_000))
            assert events_of(link, 1) == [Notice("x" * 10_000)]
            if len(serving.links) == 1:
                break
        assert len(serving.links) == 1


def test_a_viewer_too_many_is_told_why(serving: FakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_VIEWERS", 2)
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(contextlib.closing(greeted(serving.directory)))
        with pytest.raises(UserError, match=r"brisk-otter: 64 viewers look at this run already; close one of them$"):
            RemoteLink(serving.directory)
        assert len(serving.links) == 2


def test_a_viewer_that_has_been_silent_for_very_long_makes_room(
    serving: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_VIEWERS", 2)
    with contextlib.ExitStack() as stack:
        silent, talking = (stack.enter_context(contextlib.closing(greeted(serving.directory))) for _ in range(2))
        monkeypatch.setattr(server, "SILENT_SECONDS", 0.05)
        time.sleep(0.1)
        talking.sendall(codec.encode(Pause()))
        wait_for(lambda: serving.commands)
        stack.enter_context(contextlib.closing(greeted(serving.directory)))
        assert silent.recv(100) == b""
        assert len(serving.links) == 2


def test_silent_connections_lock_no_one_out(
    serving: FakeSession, attach: Attach, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(contextlib.closing(connection.connect(serving.directory))) for _ in range(100)]
        attach().send(Pause())
        wait_for(lambda: serving.commands)
        monkeypatch.setattr(server, "HELLO_SECONDS", 0.1)

        def is_disconnected() -> bool:
            try:
                silent[-1].send(b"\0")  # a byte at a time is no greeting either, and this one never ends
            except ConnectionError:
                return True
            return False

        silent[-1].send(struct.pack(">I", codec.COMMAND_LIMIT))
        wait_for(is_disconnected)
        assert len(serving.links) == 1


def test_a_flood_waits_in_the_socket_and_no_one_else_waits_for_it(serving: FakeSession, attach: Attach) -> None:
    flood = codec.encode(Save()) * 100_000
    with contextlib.closing(greeted(serving.directory)) as flooding:
        serving.busy = True  # with a step that takes long
        flooding.setblocking(False)
        link = attach()
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while sent < len(flood):
                sent += flooding.send(flood[sent:])
        wait_for(lambda: len(serving.commands) == MOST_WAITING)
        time.sleep(0.2)
        assert len(serving.commands) == MOST_WAITING  # the run's queue does not grow beyond it
        link.send(Pause())
        wait_for(lambda: serving.commands[-1][1] == Pause())
        serving.obey_all()
        wait_for(lambda: len(serving.commands) > MOST_WAITING + 1)


def test_a_flood_takes_little_time_from_the_run(serving: FakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """However fast messages arrive, so few are read between two rests that it costs the interpreter a few per cent."""
    done: list[int] = []  # bytes that were read at a look; 0 for a rest
    feed, sleep = Frames.feed, time.sleep

    def noted(frames: Frames, data: bytes) -> Any:
        if threading.current_thread().name == "viewers":
            done.append(len(data))
        return feed(frames, data)

    def rested(seconds: float) -> None:
        if threading.current_thread().name == "viewers" and seconds == server.REST_SECONDS:
            done.append(0)
        sleep(seconds)

    with contextlib.closing(greeted(serving.directory)) as flooding:
        monkeypatch.setattr(Frames, "feed", noted)
        monkeypatch.setattr(time, "sleep", rested)
        flooding.sendall(codec.encode(codec.Take()) * 10_000)
        wait_for(lambda: len(done) > 20)
    reads, rests = done[:20:2], done[1:20:2]
    assert rests == [0] * 10
    assert 0 < max(reads) <= 4096


@pytest.mark.parametrize("side", ["viewer", "run"])
def test_both_sides_talk_to_processes_of_this_user_only(
    serving: FakeSession, monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    place: Any = connection if side == "viewer" else server
    monkeypatch.setattr(place, "peer_uid", lambda peer: os.geteuid() + 1)
    with pytest.raises(UserError, match="another user"):
        RemoteLink(serving.directory)
    assert serving.links == []


def test_where_the_run_lies_is_not_for_the_other_side_to_say(session: FakeSession, tmp_path: Path) -> None:
    session.info = dataclasses.replace(session.info, directory=str(tmp_path / "elsewhere"))
    with contextlib.closing(session.serve()), contextlib.closing(RemoteLink(session.directory)) as link:
        assert link.info.directory == str(session.directory)


def test_where_no_descriptor_or_thread_is_free_a_sentence_says_so(
    session: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    def refuse_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    for name in ("socket", "socketpair"):
        with monkeypatch.context() as patched:
            patched.setattr(socket, name, refuse)
            with pytest.raises(UserError, match=r"Too many open files"):
                session.serve()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse_thread)
        with pytest.raises(UserError, match="can't start new thread"):
            session.serve()
    with contextlib.closing(session.serve()), monkeypatch.context() as patched:
        patched.setattr(socket, "socket", refuse)
        with pytest.raises(UserError, match=r"cannot be watched .Too many open files.; raise the system's limits"):
            RemoteLink(session.directory)


# --- places ------------------------------------------------------------------------------------


def test_a_directory_deeper_than_a_socket_address(tmp_path: Path) -> None:
    session = FakeSession(tmp_path / "/".join(["a-rather-long-name-for-a-directory"] * 6))
    assert len(os.fsencode(session.directory)) > 200
    with contextlib.closing(session.serve()):
        before = set(os.listdir("/proc/self/fd"))
        with contextlib.closing(RemoteLink(session.directory)) as link:
            link.send(Pause())
            wait_for(lambda: session.commands)
            assert stat.S_IMODE((session.directory / connection.SOCKET).stat().st_mode) == 0o600
        wait_for(lambda: len(os.listdir("/proc/self/fd")) <= len(before))
    session.run.close()


def test_a_socket_left_by_a_crash_is_no_obstacle(session: FakeSession) -> None:
    left = connection.listen(session.directory)
    left.close()
    assert (session.directory / connection.SOCKET).exists()
    with contextlib.closing(session.serve()):
        RemoteLink(session.directory).close()


def test_where_no_socket_can_be_made_a_sentence_says_so(session: FakeSession, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no socket can be made there .*; choose another place"):
        session.serve(tmp_path / "nowhere")
