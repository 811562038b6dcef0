"""The run under the dashboard, in this process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine.config import Config
from engine.errors import UserError
from engine.runs.reader import RunReader
from engine.session.messages import Notice, SampleFinished, Stop
from engine.session.session import Session
from engine.session.start import new_session, resumed_session
from engine.text import streams
from tests.finished_run import finish_run
from tests.waiting import snapshot_where
from tui.app.foreground import Foreground


def test_a_run_that_is_taken_up_again_brings_its_past(tmp_path: Path) -> None:
    text = tmp_path / "fox.txt"
    text.write_text("the quick brown fox (jumps) over the lazy dog\n" * 60)
    config = Config(text=(str(text),), hidden=8, embedding=4, batch=2, seq=10, threads=1, steps=60)
    new_session(config, tmp_path / "calm-fox").run()

    foreground = Foreground()
    link = foreground.begin(resumed_session(tmp_path / "calm-fox", steps=70))
    try:
        events = link.events()
        assert any(isinstance(event, SampleFinished) and event.sample.step <= 60 for event in events)
        snapshot = snapshot_where(link, lambda snapshot: snapshot.state == "finished")
        assert snapshot.moments == (0, 1, 2, 5, 10, 20, 50)
    finally:
        foreground.end()


def test_a_new_run_names_the_files_that_it_leaves_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "fox.txt").write_text("the quick brown fox (jumps) over the lazy dog\n" * 60)
    (texts / "fox.png").write_bytes(b"\xff\xfe\x00")
    foreground = Foreground()
    link = foreground.begin_new(Config(text=(str(texts),), hidden=8, embedding=4, batch=2, seq=10, threads=1, steps=1))
    notices = [event for event in link.events() if isinstance(event, Notice)]
    foreground.end()
    assert notices == [Notice(f"left out of the text: {texts}/fox.png (not utf-8 text)", "warning")]


def test_a_new_run_says_what_it_waits_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(streams, "QUIET", 0.01)
    os.mkfifo(tmp_path / "pipe")
    foreground, said = Foreground(), list[str]()

    def write(sentence: str) -> None:
        said.append(sentence)
        threading.Thread(target=(tmp_path / "pipe").write_text, args=["the quick brown fox\n" * 60]).start()

    foreground.say = write
    foreground.begin_new(Config(text=("pipe",), hidden=8, embedding=4, batch=2, seq=10, threads=1, steps=1))
    foreground.end()
    assert said == ["pipe: nothing has come yet; waiting for its writer to write more or to end"]


def test_a_finished_run_goes_on_without_an_end(tmp_path: Path) -> None:
    run = finish_run(tmp_path / "calm-fox", steps=20)
    foreground = Foreground()
    link = foreground.take_up(run)
    snapshot_where(link, lambda snapshot: snapshot.step > 20)
    foreground.end()
    assert RunReader(run).state == "stopped"
    assert RunReader(run).config.steps is None
    assert RunReader(run).pid is None


def test_a_stopped_run_goes_on_to_its_end(tmp_path: Path) -> None:
    run = finish_run(tmp_path / "calm-fox", steps=20)
    stopped = resumed_session(run, 40)
    stopped.send(Stop())
    assert stopped.run() == "stopped"
    foreground = Foreground()
    link = foreground.take_up(run)
    snapshot_where(link, lambda snapshot: snapshot.state == "finished")
    foreground.end()
    assert RunReader(run).status.step == RunReader(run).config.steps == 40


class Opening:
    """Has `foreground` open a run in a thread that stops at `moment`, until `go` is set."""

    def __init__(
        self, foreground: Foreground, run: Path, what: str, moment: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.moment, self.reached, self.go = moment, threading.Event(), threading.Event()
        monkeypatch.setattr("tui.app.foreground.new_session", self._slowly(new_session))
        monkeypatch.setattr("tui.app.foreground.resumed_session", self._slowly(resumed_session))
        config = RunReader(run).config.replace(steps=None)
        self._open = partial(foreground.take_up, run) if what == "go on" else partial(foreground.begin_new, config)
        self.refusal = ""
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        assert self.reached.wait(120)

    def _slowly(self, open_session: Callable[..., Session]) -> Callable[..., Session]:
        def opened(*arguments: Any, **options: Any) -> Session:
            self._arrive("unread")
            session = open_session(*arguments, **options)
            self._arrive("open")
            return session

        return opened

    def _arrive(self, moment: str) -> None:
        if moment == self.moment:
            self.reached.set()
            assert self.go.wait(120)

    def _work(self) -> None:
        try:
            self._open()
        except UserError as error:
            self.refusal = str(error)

    def finish(self) -> None:
        self.go.set()
        self._thread.join(120)


@pytest.mark.parametrize("moment", ["unread", "open"])
@pytest.mark.parametrize("what", ["new", "go on"])
def test_a_run_that_is_opened_too_late_does_not_begin(
    what: str, moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    run = finish_run(tmp_path / "runs" / "calm-fox", steps=20)
    foreground = Foreground()
    opening = Opening(foreground, run, what, moment, monkeypatch)
    foreground.end(patience=0)
    opening.finish()
    # If the process ended now, this would be what it leaves behind.
    left = {path.name: RunReader(path) for path in (tmp_path / "runs").iterdir() if path.is_dir()}
    assert [each.pid for each in left.values()] == [None] * len(left)
    expected = {"calm-fox": "finished" if what == "new" or moment == "unread" else "stopped"}
    if (what, moment) == ("new", "open"):
        expected |= {name: "stopped" for name in left if name != "calm-fox"}
        assert len(expected) == 2
    assert {name: each.state for name, each in left.items()} == expected
    assert "being left" in opening.refusal


def test_leaving_waits_for_a_run_that_is_being_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = finish_run(tmp_path / "calm-fox", steps=20)
    foreground = Foreground()
    opening = Opening(foreground, run, "go on", "open", monkeypatch)
    leaving = threading.Thread(target=foreground.end, args=(20,))
    leaving.start()
    opening.go.set()
    leaving.join(120)
    assert (RunReader(run).pid, RunReader(run).state) == (None, "stopped")
    opening.finish()
