"""Viewers of one real run, here and over its socket: each of them shows and turns what holds in the run itself."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.config import Config
from engine.errors import UserError
from engine.remote.client import RemoteLink
from engine.runs.reader import RunReader
from engine.session.messages import Link, Pause, Resume, SamplingSettings, SetSampling, Snapshot, Stop
from engine.session.session import Session
from engine.session.start import new_session, resumed_session
from tests.finished_run import TEXT
from tests.tui.on_screen import text_of, until, watching
from tests.waiting import snapshot_where, wait_for
from tui.app.app import CharrnnApp
from tui.app.foreground import Foreground
from tui.panes.samples import SamplesPane

LR = 1e-3


@pytest.fixture
def session(tmp_path: Path) -> Session:
    text = tmp_path / "fox.txt"
    text.write_text(TEXT * 60)
    config = Config(text=(str(text),), lr=LR, hidden=8, embedding=4, batch=2, seq=10, threads=1)
    return new_session(config, tmp_path / "calm-fox")


@pytest.fixture
def link(foreground: Foreground, session: Session) -> Link:
    """The link of the dashboard in the run's own process. The run is paused, and the processor free for the screen."""
    link = foreground.begin(session)
    link.send(Pause())
    return link


@pytest.fixture
def run(link: Link, session: Session) -> Iterator[Callable[[], Snapshot]]:
    """What the run itself says."""
    observer = session.connect()
    yield lambda: now(observer)
    observer.close()


def now(link: Link) -> Snapshot:
    """A snapshot made after this call: after the one that may lie there already."""
    link.take()
    wait_for(link.take)
    return wait_for(link.take)


@pytest.fixture
def attached(link: Link, session: Session) -> Iterator[RemoteLink]:
    """A link to the same run over its socket."""
    with contextlib.closing(RemoteLink(session.directory)) as remote:
        yield remote


async def test_a_key_in_one_viewer_leaves_what_another_one_set(
    link: Link, attached: RemoteLink, run: Callable[[], Snapshot]
) -> None:
    async with watching(link) as (one, pilot):
        await pilot.press("p", *"the fox", "escape", "2")
        samples = one.dashboard.panes["samples"]
        assert isinstance(samples, SamplesPane)
        await until(pilot, lambda: samples._typed == "the fox")
        await pilot.press("P", "w", "w", "e")
        await until(pilot, lambda: not one.viewer.is_waiting)
        assert run().sampling == SamplingSettings(0.8, 20, 0.98, "the fox")
    async with watching(attached) as (other, pilot):
        await pilot.press("}", "2", "T")
        await until(pilot, lambda: not other.viewer.is_waiting)
        assert run().sampling == SamplingSettings(1.0, 20, 0.98, "the fox")
        assert "T 1 · top-k 20 · top-p 0.98" in text_of(other)


async def test_both_viewers_show_what_holds(link: Link, attached: RemoteLink) -> None:
    link.send(SetSampling(top_k=5))
    async with watching(attached) as (app, pilot):
        await until(pilot, lambda: "top-k 5 " in text_of(app))
        link.send(SetSampling(top_p=0.5))
        await until(pilot, lambda: "top-k 5 · top-p 0.5" in text_of(app))


class SlowLink(RemoteLink):
    """A link whose snapshots are on their way until `has_come`."""

    has_come = False

    def take(self) -> Snapshot | None:
        return super().take() if self.has_come else None


async def test_the_rate_is_scaled_from_where_it_is_before_the_viewer_has_seen_it(
    link: Link, session: Session, run: Callable[[], Snapshot]
) -> None:
    async with watching(link) as (app, pilot):
        await pilot.press("[", "[")
        await until(pilot, lambda: not app.viewer.is_waiting)
        assert run().lr == pytest.approx(LR * 0.64)

        attached = SlowLink(session.directory)
        late = CharrnnApp(attached, fps=50)
        async with late.run_test(size=(120, 36)) as second:
            await second.press("[")
            await second.pause()
            assert late.viewer.latest is None
            attached.has_come = True
            await until(second, lambda: late.viewer.latest is not None and not late.viewer.is_waiting)
            assert run().lr == pytest.approx(LR * 0.512)
            assert late.viewer.latest is not None
            assert late.viewer.latest.lr == run().lr
        attached.close()


async def test_a_run_that_is_detached_samples_as_before(
    link: Link, foreground: Foreground, run: Callable[[], Snapshot]
) -> None:
    async with watching(link, detach=foreground.hand_over) as (app, pilot):
        await pilot.press("2", "w", "[")
        app.send(SetSampling(prompt="the dog", length=20))
        await until(pilot, lambda: not app.viewer.is_waiting)
        asked = run()
        await pilot.press("d")
        # A process of its own begins.
        await until(pilot, lambda: app.viewer.link is not link and app.viewer.latest is not None, seconds=100)
        detached = app.viewer.latest
        assert detached is not None
        assert (detached.sampling, detached.lr) == (asked.sampling, asked.lr)
        assert detached.sampling == SamplingSettings(top_k=50, prompt="the dog", length=20)
        assert "T 0.8 · top-k 50 · top-p 1" in text_of(app)
        await until(pilot, lambda: app.viewer.latest is not None and app.viewer.latest.sample is not None)
        assert app.viewer.latest is not None
        assert app.viewer.latest.sample is not None
        assert app.viewer.latest.sample.prompt == "the dog"
        app.viewer.send(Stop())
        await until(pilot, lambda: app.viewer.is_over)
        app.viewer.link.close()


def recording(show: Callable[..., None], steps: list[int]) -> Callable[..., None]:
    """`show`, which also notes the step of every snapshot."""

    def shown(snapshot: Snapshot, **options: bool) -> None:
        steps.append(snapshot.step)
        show(snapshot, **options)

    return shown


@pytest.mark.usefixtures("keys_wait_for_no_idle_process")
async def test_the_screen_says_what_is_while_a_run_moves_and_after_that_failed(
    link: Link, foreground: Foreground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never "training" while nothing trains; a refusal is said, and `d` may be pressed again."""
    asked, answer = threading.Event(), threading.Event()

    def refuse(*_: object, **__: object) -> None:
        asked.set()
        assert answer.wait(120)
        raise UserError("no socket can be made there")

    monkeypatch.setattr("tui.app.foreground.spawn_detached", refuse)
    link.send(Resume())
    async with watching(link, detach=foreground.hand_over, start=foreground.begin_new) as (app, pilot):
        steps: list[int] = []
        monkeypatch.setattr(app.dashboard, "show", recording(app.dashboard.show, steps))
        for _ in range(2):
            await until(pilot, lambda: "▶ training" in text_of(app))
            await pilot.press("d", "d")
            await until(pilot, asked.is_set)
            await pilot.press("d", "3", "n", "g", "[", "v")  # keys that ask for something meanwhile
            await pilot.pause(0.1)
            assert "· detaching" in text_of(app)
            assert not any(key in text_of(app) for key in ("▶ training", "d detach", "n new"))
            asked.clear()
            answer.set()
            await until(pilot, lambda: "Not detached: no socket can be made there" in text_of(app))
            answer.clear()
            await until(pilot, lambda: "▶ training" in text_of(app) and "d detach" in text_of(app))
            seen = len(steps)
            await until(pilot, lambda seen=seen: len(steps) > seen + 2)  # type: ignore[misc]
            assert not asked.is_set()  # of several presses, one counted
            app.clear_notifications()
            await pilot.pause(0.05)
        assert app.viewer.latest is not None
        assert app.viewer.latest.lr == pytest.approx(LR * 0.64)  # what was asked meanwhile was obeyed
        await pilot.press("q")
        await until(pilot, lambda: "The run ends with the program" in text_of(app))
        await pilot.press("d")
        await until(pilot, asked.is_set)
        await pilot.press("q")
        await until(pilot, lambda: "The run goes on without this screen" in text_of(app))
        await pilot.press("escape")
        answer.set()
        await until(pilot, lambda: "Not detached" in text_of(app))
        await until(pilot, lambda: "▶ training" in text_of(app))
        assert app.is_running


async def test_a_run_of_another_terminal_is_not_called_detached(link: Link, attached: RemoteLink) -> None:
    async with watching(attached, size=(120, 36)) as (app, pilot):
        assert "calm-fox (in another process)" in text_of(app)
        await pilot.press("q")
        await until(pilot, lambda: "The run goes on without this screen" in text_of(app))


async def test_a_run_that_another_viewer_stops_is_said_to_have_stopped(
    link: Link, attached: RemoteLink, foreground: Foreground, session: Session
) -> None:
    """In the terminal it trains in, and in others. It answers from its files, and can go on."""
    third = RemoteLink(session.directory)
    async with watching(link, resume=foreground.take_up) as (app, pilot):
        link.send(Resume())
        await until(pilot, lambda: "▶ training" in text_of(app))
        attached.send(Stop())
        await until(pilot, lambda: "■ stopped" in text_of(app) and "g go on" in text_of(app))
        assert not snapshot_where(third, lambda s: s.state == "stopped").is_out_of_touch
        await until(pilot, lambda: app.viewer.link is not link)
        await pilot.press("p", *"the fox")
        await until(pilot, lambda: "logit" in text_of(app) and "waiting for an answer" not in text_of(app))
        await pilot.press("escape", "g")
        await until(pilot, lambda: "▶ training" in text_of(app))
        snapshot_where(third, lambda s: s.state == "training" and s.live)
    third.close()


def test_a_run_that_is_resumed_samples_as_before(link: Link, session: Session) -> None:
    number = link.send(SetSampling(temperature=0.1, prompt="the lazy"))
    wait_for(lambda: (snapshot := link.take()) is not None and snapshot.obeyed >= number)
    link.send(Stop())
    assert session.join(120)
    stored = RunReader(session.directory)
    before = stored.status.step
    assert resumed_session(session.directory, before + 20).run() == "finished"
    (sample,) = (sample for sample in stored.samples() if sample.step > before)  # of the last validation
    assert (sample.temperature, sample.prompt) == (0.1, "the lazy")
