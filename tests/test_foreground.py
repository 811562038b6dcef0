"""The run under the dashboard, in this process."""

from __future__ import annotations

from pathlib import Path

from engine.config import Config
from engine.messages import MomentRecorded, SampleFinished, Stop
from engine.start import new_session, resumed_session
from engine.stored_run import StoredRun
from tests.finished_run import finish_run
from tests.waiting import wait_for
from tui.cli.background import Foreground


def test_a_run_that_is_taken_up_again_brings_its_past(tmp_path: Path) -> None:
    text = tmp_path / "fox.txt"
    text.write_text("the quick brown fox (jumps) over the lazy dog\n" * 60)
    config = Config(text=(str(text),), hidden=8, embedding=4, batch=2, seq=10, threads=1, steps=60)
    new_session(config, tmp_path / "calm-fox").run()

    foreground = Foreground()
    link = foreground.begin(resumed_session(tmp_path / "calm-fox", steps=70))
    try:
        events = link.events()
        recorded = [event.flow.step for event in events if isinstance(event, MomentRecorded)]
        assert {0, 1, 2, 5, 10, 20, 50} <= set(recorded)
        assert any(isinstance(event, SampleFinished) and event.sample.step <= 60 for event in events)
        wait_for(lambda: (snapshot := link.take()) is not None and snapshot.state == "finished")
    finally:
        foreground.end()


def test_a_finished_run_goes_on_without_an_end(tmp_path: Path) -> None:
    run = finish_run(tmp_path / "calm-fox", steps=20)
    foreground = Foreground()
    link = foreground.take_up(run)
    wait_for(lambda: (snapshot := link.take()) is not None and snapshot.step > 20)
    foreground.end()
    assert StoredRun(run).state == "stopped"
    assert StoredRun(run).config.steps is None
    assert StoredRun(run).pid is None


def test_a_stopped_run_goes_on_to_its_end(tmp_path: Path) -> None:
    run = finish_run(tmp_path / "calm-fox", steps=20)
    stopped = resumed_session(run, 40)
    stopped.send(Stop())
    assert stopped.run() == "stopped"
    foreground = Foreground()
    link = foreground.take_up(run)
    wait_for(lambda: (snapshot := link.take()) is not None and snapshot.state == "finished")
    foreground.end()
    assert StoredRun(run).status["step"] == StoredRun(run).config.steps == 40
