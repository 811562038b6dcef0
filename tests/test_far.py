"""A run on another host: over a line that may be cut, and that nothing is left of at either end."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
import subprocess
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.remote import codec, connected, far, relay
from engine.remote.codec import Hello
from engine.remote.far import FarLink
from engine.remote.relay import GREETING
from engine.remote.ssh import Address, NoProgramError, parse_address
from engine.session.messages import (
    Command,
    Event,
    Notice,
    Pause,
    SampleFinished,
    SetView,
    Snapshot,
    View,
)
from tests.example_messages import COMMANDS, EVENTS, SAMPLE, SNAPSHOT, is_equal
from tests.far_host import THERE, cut, fake_ssh, relays
from tests.far_host import far as address_of
from tests.test_attach import FakeSession, snapshot_of
from tests.waiting import snapshot_where, wait_for
from tui.cli import attach, main
from tui.cli.attach import RELAY

# In place of ssh, for a host that only lets a user in who answers a question.
REFUSES_TO_ASK = (
    'case "$*" in *BatchMode*) echo tried >>tries; echo "Permission denied (password)." >&2; exit 255; esac'
)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[FakeSession]:
    session = FakeSession(tmp_path / "brisk-otter")
    with contextlib.closing(session.serve()):
        yield session
    session.run.close()


def view_of(session: FakeSession) -> View:
    return [command for _, command in session.commands if isinstance(command, SetView)][-1].view


# --- addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("far:otter", ("far", "otter")),
        ("far:", ("far", "")),
        ("me@far.example.org:work/runs/otter", ("me@far.example.org", "work/runs/otter")),
        ("[::1]:otter", ("[::1]", "otter")),
        ("me@[fe80::1]:a:b", ("me@[fe80::1]", "a:b")),
        ("otter", None),
        ("./far:otter", None),
        ("runs/far:otter", None),
        ("a b:otter", None),
        (":otter", None),
        ("", None),
    ],
)
def test_a_host_stands_before_a_colon(text: str, address: tuple[str, str] | None) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["-oProxyCommand=x:otter", "me@-far:otter", "[-far]:otter", "-l@far:otter"])
def test_a_host_is_never_an_option_of_ssh(text: str) -> None:
    with pytest.raises(UserError, match="dash"):
        parse_address(text)


def test_a_run_reaches_the_host_as_one_word(tmp_path: Path) -> None:
    run = 'it\'s $HOME; `x` "y" *'
    command = Address("far", run, fake_ssh(tmp_path), "printf '%s\\n'", RELAY).command(asks=False)
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.splitlines()[1:] == ["attach", "--relay", "--", run]
    assert command[command.index("--") + 1] == "far"


def test_a_run_here_is_meant_before_one_on_a_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    session = FakeSession(tmp_path / "runs" / "far:otter")
    session.run.close()
    here = attach._far(Namespace(run="far:otter", ssh=None, remote_command=None))
    there = attach._far(Namespace(run="far:hare", ssh="ssh -p 22", remote_command=None))
    assert here is None
    assert there == Address("far", "hare", ("ssh", "-p", "22"), relay=RELAY)


# --- the line ------------------------------------------------------------------------------------


def test_a_far_viewer_sees_and_says_what_a_near_one_does(session: FakeSession, tmp_path: Path) -> None:
    session.run.add_sample(SAMPLE)
    with contextlib.closing(FarLink(address_of(tmp_path, session.directory))) as link:
        assert link.is_remote
        assert (link.info.name, link.info.directory) == ("far:brisk-otter", "")
        assert link.info.config == session.info.config
        assert link.directory == str(session.directory)
        for command in COMMANDS:
            link.send(command)
        wait_for(lambda: len(session.commands) == len(COMMANDS))
        assert [command for _, command in session.commands] == COMMANDS
        arrived: list[Event] = []
        arrived += wait_for(link.events)
        assert isinstance(arrived[0], SampleFinished)  # the one on the host's disk
        assert arrived[0].sample.text == SAMPLE.text
        session.advance(*EVENTS)
        snapshot = snapshot_where(link, lambda snapshot: snapshot.obeyed == len(COMMANDS))
        assert is_equal(snapshot, dataclasses.replace(SNAPSHOT, step=1, obeyed=len(COMMANDS)))
        known = len(arrived)
        while len(arrived) - known < len(EVENTS) - 1:  # but for the sample, which came before
            arrived += wait_for(link.events)
        process = link._line._process
    assert process.poll() is not None
    wait_for(lambda: not relays(session.directory))
    wait_for(lambda: not session.links)


def test_a_line_that_is_cut_is_made_again(
    session: FakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(far, "FIRST_PAUSE", 0.01)
    with contextlib.closing(FarLink(address_of(tmp_path, session.directory))) as link:
        link.send(SetView(View(prompt="before")))
        wait_for(lambda: session.commands)
        session.advance()
        wait_for(link.take)
        cut(session.directory)
        lost = snapshot_where(link, lambda snapshot: snapshot.is_out_of_touch)
        assert lost.reason == far.CUT.format("far")
        assert lost.step == 1
        link.send(SetView(View(prompt="meanwhile")))
        wait_for(lambda: Notice(connected.RECONNECTED, "warning") in link.events())
        wait_for(lambda: view_of(session).prompt == "meanwhile")
        wait_for(lambda: len(session.links) == 1)  # the viewer that the line was cut from has left
        session.advance()
        again = snapshot_where(link, lambda snapshot: snapshot.live)
        assert again.step == 2
        assert link.send(Pause()) == again.obeyed + 1
        wait_for(lambda: session.commands[-1][1] == Pause())


def test_a_line_that_says_nothing_counts_as_cut(
    session: FakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(far, "LINE_SECONDS", 0.2)  # the relay's signs of life are rarer
    with contextlib.closing(FarLink(address_of(tmp_path, session.directory))) as link:
        assert snapshot_where(link, lambda snapshot: not snapshot.live).reason == far.CUT.format("far")


def test_signs_of_life_keep_a_silent_line(
    session: FakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[object] = []
    monkeypatch.setattr(FarLink, "_hear", lambda link, event: heard.append(event))
    program = f"{THERE.split(' ')[0]} {shlex.quote(THERE.split(' ')[1])} -c " + shlex.quote(
        "import sys; from engine.remote import relay; relay.BEAT_SECONDS = 0.01; from tui.cli import main;"
        "sys.exit(main(sys.argv[1:]))"
    )
    with contextlib.closing(FarLink(address_of(tmp_path, session.directory, program=program))):
        wait_for(lambda: heard.count(Hello()) > 2)


def test_the_user_is_asked_for_nothing_while_the_screen_shows(
    session: FakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(far, "FIRST_PAUSE", 0.01)
    monkeypatch.chdir(tmp_path)
    with contextlib.closing(FarLink(address_of(tmp_path, session.directory, REFUSES_TO_ASK))) as link:
        cut(session.directory)
        refused = snapshot_where(link, lambda snapshot: "Permission denied" in snapshot.reason)
        assert far.AGAIN in refused.reason
    assert Path("tries").read_text() == "tried\n"


def test_what_ssh_says_while_it_waits_is_passed_on(session: FakeSession, tmp_path: Path) -> None:
    said: list[str] = []
    waits = 'echo "touch the key" >&2\nwhile [ ! -e touched ]; do sleep 0.01; done'

    def say(line: str) -> None:
        said.append(line)
        (tmp_path / "touched").touch()

    with contextlib.chdir(tmp_path):
        FarLink(address_of(tmp_path, session.directory, waits), say).close()
    assert said == ["touch the key"]


def test_a_run_that_has_ended_answers_every_command(session: FakeSession, tmp_path: Path) -> None:
    ended = FakeSession(tmp_path / "ended")
    ended.run.set_state("stopped", 7, "asked to")
    ended.run.close()
    with contextlib.closing(FarLink(address_of(tmp_path, ended.directory))) as link:
        commands: list[Command] = [SetView(View(prompt="a")), Pause(), Pause()]
        for count, command in enumerate(commands, start=1):
            assert link.send(command) == count
            snapshot = snapshot_where(link, lambda snapshot, count=count: snapshot.obeyed == count)  # type: ignore[misc]
            assert (snapshot.state, snapshot.reason) == ("stopped", "asked to")


class ManySamples:
    """A link with many samples."""

    def __init__(self) -> None:
        self.events_left: list[Event] = [
            SampleFinished(dataclasses.replace(SAMPLE, step=step)) for step in range(relay.MOST_PAST + 5)
        ]

    def events(self) -> list[Event]:
        events, self.events_left = self.events_left, []
        return events

    def take(self) -> Snapshot | None:
        return snapshot_of(1)

    def send(self, command: Command) -> int:
        return 0


def test_of_the_past_only_the_last_samples_go_over_the_line() -> None:
    link = relay._Relayed(ManySamples())  # type: ignore[arg-type] # as much of a link as is asked for
    events = link.events()
    assert [event.sample.step for event in events if isinstance(event, SampleFinished)] == [
        *range(5, relay.MOST_PAST + 5)
    ]


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "sentence"),
    [
        ("exit 127", f"far: the shell there does not find `{THERE}`"),
        (
            "echo 'ssh: connect to host far port 22: Connection refused' >&2; exit 255",
            "far port 22: Connection refused",
        ),
        ("echo 'Host key verification failed.' >&2; exit 255", "Host key verification failed"),
        ("echo 'charrnn-tui: unrecognized arguments: --relay' >&2; exit 2", "far: an older version is installed"),
        ("echo 'charrnn-tui: x: there is no such run' >&2; exit 2", "far: x: there is no such run"),
        ("exit 0", "does not answer there as it should (exit code 0)"),
        ("exec cat /dev/zero", "does not answer there as it should"),
    ],
)
def test_what_keeps_a_run_from_being_reached_is_said(tmp_path: Path, before: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        FarLink(address_of(tmp_path, "x", before))
    assert sentence in str(caught.value)
    assert isinstance(caught.value, NoProgramError) == ("127" in before)


def test_another_protocol_is_named(tmp_path: Path) -> None:
    (tmp_path / "words").write_bytes(GREETING + codec.encode(Hello(protocol=99)))
    with pytest.raises(UserError, match=f"far:x: .*speaks protocol 99, this program {codec.PROTOCOL}"):
        FarLink(address_of(tmp_path, "x", f"exec cat {tmp_path / 'words'} -"))


def test_ssh_that_is_not_there_is_said() -> None:
    with pytest.raises(UserError, match="no-such-ssh: cannot be started"):
        FarLink(Address("far", "x", ("no-such-ssh",)))


def test_the_command_line_says_how_to_name_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(attach, "require_terminal", lambda otherwise: None)
    (ssh,) = fake_ssh(tmp_path)
    assert main(["attach", "far:x", "--ssh", ssh, "--remote-command", "no-such-program"]) == 2
    assert "--remote-command .venv/bin/charrnn-tui" in capsys.readouterr().err
    assert main(["attach", "x", "--ssh", ssh]) == 2
    assert "name it as HOST:RUN" in capsys.readouterr().err
