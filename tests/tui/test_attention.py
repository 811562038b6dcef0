"""What a terminal is sent beside the screen, byte for byte: titles and notifications; none where they would show."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from engine.session.messages import Event, Notice, Plateau, StateChanged
from tests.hostile_name import HOSTILE, steers
from tests.tui.fake_run import FakeLink
from tests.tui.on_screen import dashboard, text_of, until
from tui.app import notifications
from tui.terminal import driver
from tui.terminal.attention import TITLE_SECONDS, Title, notification

XTERM = {"TERM": "xterm-256color"}
TMUX = {"TERM": "screen-256color", "TMUX": "/tmp/tmux-0/default,1,0"}


def test_a_notification_is_a_bell_and_osc_9() -> None:
    assert notification("run: finished", XTERM) == "\a\x1b]9;run: finished\a"


@pytest.mark.parametrize("environment", [TMUX, {"TERM": "tmux-256color"}], ids=["here", "at the other end of ssh"])
def test_tmux_gets_it_in_an_envelope(environment: dict[str, str]) -> None:
    assert notification("run: finished", environment) == "\a\x1bPtmux;\x1b\x1b]9;run: finished\a\x1b\\"


def test_the_console_only_rings_and_a_dumb_terminal_gets_nothing() -> None:
    assert notification("run: finished", {"TERM": "linux"}) == "\a"
    assert notification("run: finished", {"TERM": "dumb"}) == notification("run: finished", {}) == ""


def test_nothing_in_a_name_steers_the_terminal() -> None:
    sent = list[str]()
    title = Title(sent.append, XTERM)
    title.begin()
    title.say(HOSTILE)
    for sequence, begins in ((notification(HOSTILE, XTERM), "\a\x1b]9;"), (sent[1], "\x1b]2;")):
        assert sequence.startswith(begins)
        assert not steers(sequence.removeprefix(begins).removesuffix("\a"))


def test_a_title_comes_seldom_and_only_when_it_changes_and_the_old_one_comes_back() -> None:
    now, sent = [0.0], list[str]()
    title = Title(sent.append, XTERM, lambda: now[0])
    title.say("too early")
    title.begin()
    for text, later in (("a", 0.0), ("b", 0.0), ("b", TITLE_SECONDS / 2), ("c", TITLE_SECONDS), ("c", TITLE_SECONDS)):
        now[0] += later
        title.say(text)
    title.end()
    title.end()
    assert sent == ["\x1b[22;0t", "\x1b]2;a\a", "\x1b]2;c\a", "\x1b[23;0t"]
    title.begin()  # after ctrl+z, at once
    title.say("c")
    assert sent[4:] == ["\x1b[22;0t", "\x1b]2;c\a"]


@pytest.mark.parametrize("terminal", ["", "dumb", "linux"])
def test_there_are_terminals_without_a_title(terminal: str) -> None:
    sent = list[str]()
    title = Title(sent.append, {"TERM": terminal})
    title.begin()
    title.say("a")
    title.end()
    assert sent == []


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (StateChanged("finished", 5000), "otter: finished at step 5,000"),
        (StateChanged("diverged", 7, "the loss is inf"), "otter: diverged at step 7: the loss is inf"),
        (
            Plateau(9000, 5, 1.4321),
            "otter: the validation loss has not fallen for 5 validations; the best one was 1.432 nats",
        ),
        (StateChanged("paused", 7), ""),
        (StateChanged("training", 7), ""),
        (Notice("saved"), ""),
    ],
)
def test_what_is_worth_a_notification(event: Event, said: str) -> None:
    assert notifications.sentence("otter", event) == said


def test_the_title_says_the_run_its_mean_loss_and_a_state_other_than_training() -> None:
    link = FakeLink()
    snapshot = link.snapshot()
    loss = f"{snapshot.history.smoothed[-1]:.3f}"
    assert notifications.title("otter", snapshot) == f"otter · loss {loss}"
    link.finish()
    assert notifications.title("otter", link.snapshot()) == f"otter · loss {loss} · finished"
    nothing = dataclasses.replace(snapshot.history, smoothed=np.array([]))
    assert notifications.title("otter", dataclasses.replace(snapshot, history=nothing)) == "otter · loss –"
    assert not math.isnan(snapshot.history.smoothed[-1])


async def test_the_title_says_the_end_although_nothing_new_comes_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now, sent = [0.0], list[str]()
    title = Title(sent.append, XTERM, lambda: now[0])
    title.begin()
    monkeypatch.setattr(driver, "say_title", lambda app, text: title.say(text))
    async with dashboard() as (app, link, pilot):
        await until(pilot, lambda: len(sent) == 2)
        link.finish()
        await until(pilot, lambda: "✓ finished" in text_of(app))
        assert len(sent) == 2  # so soon after the one before no other is sent
        now[0] = TITLE_SECONDS
        await until(pilot, lambda: sent[-1].endswith("finished\a"))


async def test_plateaus_of_a_noisy_loss_do_not_cover_the_panes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of batch one finds a new best and a new plateau every few seconds."""
    async with dashboard() as (app, _, _):
        told = list[str]()
        monkeypatch.setattr(app, "notify", lambda text, **how: told.append(text))
        for step, best in [(1000, 3.0), (1500, 2.9), (1900, 2.8), (2000, 2.7), (3000, 2.6), (4500, 2.5)]:
            app._announce(Plateau(step, 5, best))
        assert [text.split()[-2] for text in told] == ["3.000", "2.700", "2.500"]


async def test_a_key_turns_notifications_on_and_off(monkeypatch: pytest.MonkeyPatch) -> None:
    called = list[str]()
    monkeypatch.setattr(driver, "call_attention", lambda app, text: called.append(text))
    async with dashboard() as (app, link, pilot):
        link.queue(Plateau(1, 5, 1.0))
        await until(pilot, lambda: "has not fallen for 5" in text_of(app))
        assert called == []
        await pilot.press("A")
        await until(pilot, lambda: "The terminal rings" in text_of(app))
        link.queue(Plateau(2, 5, 1.0))
        await until(pilot, lambda: called)
        link.diverge()
        await until(pilot, lambda: len(called) == 2)
        assert called[1].startswith("brisk-otter: diverged at step 1,200: the loss is not a number")
        await pilot.press("A")
        await until(pilot, lambda: "No notifications" in text_of(app))
        link.finish()
        await until(pilot, lambda: "✓ finished" in text_of(app))
        assert len(called) == 2
