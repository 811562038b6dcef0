"""The list of runs: what it shows, that it stays where the reader is, and what becomes of the run under the cursor."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.widgets import DataTable

from engine.config import Config
from engine.remote.archive import ArchiveLink
from engine.remote.client import RemoteLink
from engine.remote.server import RunServer
from engine.runs.directory import RunDirectory
from engine.runs.lock import RunLock
from engine.runs.reader import RunReader
from engine.session.messages import Pause, Resume, Stop
from engine.session.session import Session
from engine.session.start import new_session
from tests.finished_run import TEXT, finish_run
from tests.test_sweep_board import sweep as _sweep
from tests.tui.on_screen import lines_of, text_of, until
from tui.app import other_runs, runs_app
from tui.app.app import CharrnnApp
from tui.app.foreground import Foreground
from tui.app.other_runs import lay_over
from tui.app.runs_app import Opened, RunsApp, browse, open_run
from tui.app.sweep_app import Left
from tui.panes.loss import LossPane
from tui.rendering.numbers import age
from tui.screens import runs as runs_screen
from tui.screens import runs_table

STEPS = 30
sweep = _sweep


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finish_run(tmp_path_factory.mktemp("one") / "calm-fox", cell="lstm", layers=2, steps=STEPS)


@pytest.fixture
def runs(one: Path, tmp_path: Path) -> Path:
    """A directory with three runs, the newest first: wild-hen, shy-mole, calm-fox."""
    directory = tmp_path / "runs"
    for place, name in enumerate(["calm-fox", "shy-mole", "wild-hen"]):
        shutil.copytree(one, directory / name)
        record = json.loads((directory / name / "config.json").read_text())
        created = f"2020-01-01T00:00:0{place}+00:00"
        (directory / name / "config.json").write_text(json.dumps(record | {"created": created}))
    return directory


@pytest.fixture
def live(runs: Path) -> Iterator[Session]:
    """A run behind its socket. It is paused, for the pilot waits for a program at rest."""
    text = runs.parent / "fox.txt"
    text.write_text(TEXT * 60)
    config = Config(text=(str(text),), hidden=8, embedding=4, batch=2, seq=10, threads=1)
    session = new_session(config, runs / "busy-bee")
    session.send(Pause())
    session.start()
    with contextlib.ExitStack() as stack:
        stack.callback(session.join, 20)
        stack.callback(session.send, Stop())
        stack.callback(RunServer(session, runs / "busy-bee").close)
        yield session


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs_screen, "SECONDS_BETWEEN_LOOKS", 0.15)


@asynccontextmanager
async def listed(
    directory: Path, *, size: tuple[int, int] = (80, 24), at: Path | None = None, marked: Sequence[Path] = ()
) -> AsyncIterator[tuple[RunsApp, Pilot[Opened | Path]]]:
    app = RunsApp(directory, at=at, marked=marked)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: "charrnn-tui" in text_of(app))
        await until(pilot, lambda: bool(app.list.current) or "No runs" in text_of(app))
        yield app, pilot


async def ended(app: RunsApp, pilot: Pilot[Opened | Path]) -> Opened | None:
    """The run that the user has chosen, when the list is left; None if there is none."""
    await until(pilot, lambda: not app.is_running)
    assert not isinstance(app.return_value, Path)
    return app.return_value


def rows(app: RunsApp) -> list[list[str]]:
    return [line.replace("◆", " ").split() for line in lines_of(app)[2:] if "×" in line]


def names(app: RunsApp) -> list[str]:
    return [row[0] for row in rows(app)]


def current(app: RunsApp) -> str:
    assert app.list.current is not None
    return app.list.current.name


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_everything_about_a_run_is_in_its_row(size: tuple[int, int], runs: Path, one: Path) -> None:
    run = RunReader(one)
    metrics = run.metrics()
    async with listed(runs, size=size) as (app, pilot):
        assert names(app) == ["wild-hen", "shy-mole", "calm-fox"]
        row = rows(app)[-1]
        assert row[:4] == ["calm-fox", "✓", "finished", str(STEPS)]
        assert row[4:6] == [f"{metrics['loss'][-1]:.3f}", f"{metrics['val_loss'][-1]:.3f}"]
        assert row[6:9] == ["lstm", "2×8", "fox.txt"]
        assert row[9].endswith("y")
        more = ["speed", "left"] if size[0] > 100 else []
        assert lines_of(app)[1].split() == ["run", "state", "step", "loss", "best", *more, "cell", "text", "age"]
        assert f"3 runs · {str(runs)[:20]}" in lines_of(app)[0]
        assert all(key in text_of(app) for key in ("open", "c compare", "? help", "q quit"))
        await until(pilot, lambda: "x stop" not in text_of(app))  # the keys follow the rows


async def test_a_run_that_cannot_be_opened_says_why_and_the_others_are_untouched(runs: Path) -> None:
    config = runs / "wild-hen" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"hidden": [8]}))
    async with listed(runs, size=(120, 36), at=runs / "wild-hen") as (app, pilot):
        assert names(app) == ["shy-mole", "calm-fox"]
        (row,) = [line for line in lines_of(app)[2:] if "wild-hen" in line]
        assert row.split()[1:6] == ["✗", "damaged", "config.json:", "is", "damaged"]
        await until(pilot, lambda: current(app) == "wild-hen")
        await pilot.press("enter")
        sentence = "config.json: is damaged (hidden: [8] is not a whole number)"
        await until(pilot, lambda: any(sentence in each.message for each in app._notifications))
        assert app.is_running


async def test_a_long_list_has_all_its_columns_too(runs: Path, one: Path) -> None:
    for number in range(30):
        shutil.copytree(one, runs / f"copy-{number}")
    async with listed(runs, size=(80, 24)) as (app, _):
        table = app.list.query_one(DataTable)
        assert table.show_vertical_scrollbar
        assert table.max_scroll_x == 0
        assert lines_of(app)[1].split() == ["run", "state", "step", "loss", "best", "cell", "text", "age"]


async def test_names_and_texts_cannot_steer_the_terminal_or_break_the_columns(runs: Path) -> None:
    (runs / "calm-fox").rename(runs / "a\x1b[2J[b]漢字 and a very long name for a run")
    record = json.loads((runs / "shy-mole" / "config.json").read_text())
    (runs / "shy-mole" / "config.json").write_text(json.dumps(record | {"text_name": "\x1b[31mevil[/]\n.txt"}))
    async with listed(runs) as (app, _):
        assert "\x1b" not in text_of(app)
        assert "a␛[2J[b]漢" in text_of(app)
        assert "␛[31mevil" in text_of(app)
        ends = {cell_len(line.rstrip()) for line in lines_of(app)[1:5]}
        assert len(ends) == 1  # the ages stand in one column


async def test_what_is_new_appears_and_the_cursor_stays_on_its_run(runs: Path, one: Path) -> None:
    async with listed(runs) as (app, pilot):
        await pilot.press("down")
        assert current(app) == "shy-mole"
        shutil.copytree(one, runs / "young-elk")  # of today: the newest
        await until(pilot, lambda: names(app)[0] == "young-elk")
        assert current(app) == "shy-mole"
        shutil.rmtree(runs / "wild-hen")
        await until(pilot, lambda: names(app) == ["young-elk", "shy-mole", "calm-fox"])
        assert current(app) == "shy-mole"
        shutil.rmtree(runs / "shy-mole")
        await until(pilot, lambda: names(app) == ["young-elk", "calm-fox"])
        assert current(app) == "calm-fox"


async def test_numbers_move_without_the_table_being_filled_again(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with listed(runs) as (app, pilot):
        fillings: list[object] = []
        monkeypatch.setattr(app.list, "_fill", lambda drawn, at: fillings.append(drawn))
        state = runs / "shy-mole" / "state.json"
        state.write_text(json.dumps(json.loads(state.read_text()) | {"step": 1_234_567, "loss": 1.25}))
        await until(pilot, lambda: rows(app)[1][3:5] == ["1,234,567", "1.250"])
        assert fillings == []


async def test_a_run_that_was_killed_is_called_crashed(runs: Path) -> None:
    state = runs / "shy-mole" / "state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"state": "training"}))
    async with listed(runs) as (app, _):
        assert rows(app)[1][1:3] == ["✗", "crashed"]


async def test_an_empty_directory_says_how_to_begin(tmp_path: Path) -> None:
    async with listed(tmp_path / "runs") as (app, pilot):
        assert "`charrnn-tui train` begins one" in text_of(app)
        await pilot.press("enter", "c", "x")  # there is nothing that they could do
        assert app.is_running


async def test_enter_opens_the_run_with_the_marked_ones_beside_it(runs: Path) -> None:
    async with listed(runs) as (app, pilot):
        await pilot.press("c", "down", "c", "down", "c", "c")
        assert [line.split()[1] for line in lines_of(app) if line.startswith("◆")] == ["wild-hen", "shy-mole"]
        assert "2 marked" in lines_of(app)[0]
        await pilot.press("up", "enter")
        opened = await ended(app, pilot)
    assert opened is not None
    with contextlib.closing(opened.link):
        assert isinstance(opened.link, ArchiveLink)
        assert opened.path == runs / "shy-mole"
        assert list(opened.others) == ["wild-hen"]


async def test_the_list_comes_back_as_it_was_left(runs: Path) -> None:
    async with listed(runs, at=runs / "calm-fox", marked=[runs / "shy-mole", runs / "gone"]) as (app, pilot):
        assert current(app) == "calm-fox"
        assert app.list.marked == [runs / "shy-mole"]
        await pilot.resize_terminal(120, 36)
        await pilot.pause(0.1)
        assert current(app) == "calm-fox"


async def test_a_run_that_cannot_be_opened_leaves_the_list_there(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with listed(runs) as (app, pilot):
        (runs / "wild-hen" / "config.json").write_text("{")
        await pilot.press("enter")
        await until(pilot, lambda: any("is damaged" in each.message for each in app._notifications))
        assert app.is_running


async def test_help_says_what_the_list_is_and_what_its_keys_do(runs: Path) -> None:
    async with listed(runs) as (app, pilot):
        await pilot.press("question_mark")
        await until(pilot, lambda: "the newest first" in text_of(app))
        keys = str(app.screen.query_one(".keys").render())
        assert all(words in keys for words in ("Open this run", "Draw this run's curves", "Save this live run"))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.list)
        assert app.is_running


async def test_q_leaves(runs: Path) -> None:
    async with listed(runs) as (app, pilot):
        await pilot.press("q")
        assert await ended(app, pilot) is None


async def test_a_live_run_is_watched_where_it_lives(runs: Path, live: Session) -> None:
    live.send(Resume())
    async with listed(runs) as (app, pilot):
        await until(pilot, lambda: rows(app)[0][:3] == ["busy-bee", "▶", "live"])
        assert "1 live" in lines_of(app)[0]
        await pilot.press("enter")
        opened = await ended(app, pilot)
    assert opened is not None
    with contextlib.closing(opened.link):
        assert isinstance(opened.link, RemoteLink)
        assert opened.link.is_remote  # leaving it does not stop it


async def test_a_live_run_is_stopped_after_a_question(runs: Path, live: Session) -> None:
    async with listed(runs) as (app, pilot):
        await until(pilot, lambda: rows(app)[0][1:3] == ["‖", "paused"])
        await until(pilot, lambda: "x stop" in text_of(app))
        await pilot.press("x")
        await until(pilot, lambda: "Stop busy-bee?" in text_of(app))
        for harmless in ("escape", "enter"):
            await pilot.press(harmless)
            await until(pilot, lambda: app.screen is app.list)
            await pilot.press("x")
            await until(pilot, lambda: app.screen is not app.list)
        before = live.state
        await pilot.press("x")
        await until(pilot, lambda: rows(app)[0][1:3] == ["■", "stopped"])
        await until(pilot, lambda: "x stop" not in text_of(app))  # the keys follow the rows
    assert (before, live.state) == ("paused", "stopped")


async def test_a_run_that_was_asked_to_stop_is_called_stopping_until_it_has_ended(
    runs: Path, live: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_table, "stop", lambda path: None)  # it takes its time
    async with listed(runs) as (app, pilot):
        await until(pilot, lambda: rows(app)[0][1:3] == ["‖", "paused"])
        await pilot.press("x")
        await until(pilot, lambda: "Stop busy-bee?" in text_of(app))
        await pilot.press("x")
        await until(pilot, lambda: rows(app)[0][1:3] == ["■", "stopping"])
        await until(pilot, lambda: "x stop" not in text_of(app))
        live.send(Stop())
        await until(pilot, lambda: rows(app)[0][1:3] == ["■", "stopped"])


async def test_curves_of_others_are_laid_over(runs: Path) -> None:
    opened = open_run(runs / "calm-fox", [runs / "shy-mole", runs / "gone"])
    assert list(opened.others) == ["shy-mole"]
    app = CharrnnApp(opened.link, ready=partial(lay_over, opened.others))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "shy-mole" in text_of(app))
        seen = [name for name, pane in app.dashboard.panes.items() if pane.is_on_screen]
        assert seen == ["loss"]  # the curves have the whole screen


async def test_curves_of_others_are_gone_when_another_run_is_on_the_screen(runs: Path, foreground: Foreground) -> None:
    opened = open_run(runs / "calm-fox", [runs / "shy-mole"])
    app = CharrnnApp(opened.link, resume=foreground.take_up, ready=partial(lay_over, opened.others))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "shy-mole" in text_of(app))
        await pilot.press("g")
        await until(pilot, lambda: app.viewer.latest is not None and app.viewer.latest.step > STEPS)
        await until(pilot, lambda: "first report" not in text_of(app))
        assert "shy-mole" not in text_of(app)


def test_after_a_visit_the_list_is_there_again(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[RunsApp] = []
    visits: list[CharrnnApp] = []
    answers = [runs / "shy-mole", runs / "wild-hen", None]

    def choose(app: RunsApp) -> Opened | None:
        shown.append(app)
        path = answers[len(shown) - 1]
        return Opened(path, ArchiveLink(path), {}) if path else None

    def visit(app: CharrnnApp) -> int:
        visits.append(app)
        app.viewer.link.close()
        return 0

    monkeypatch.setattr(runs_app.RunsApp, "run", choose)
    monkeypatch.setattr(CharrnnApp, "run_until_left", visit)
    assert browse(runs) == 0
    assert [each.viewer.link.info.name for each in visits] == ["shy-mole", "wild-hen"]
    assert [each.list._at for each in shown] == [None, runs / "shy-mole", runs / "wild-hen"]
    # A signal that ends the dashboard ends the program.
    shown.clear()
    monkeypatch.setattr(CharrnnApp, "interrupted", True)
    assert browse(runs) == 0
    assert len(shown) == 1


async def test_a_signal_in_a_visit_is_remembered(runs: Path) -> None:
    app = CharrnnApp(ArchiveLink(runs / "calm-fox"))
    async with app.run_test() as pilot:
        await pilot.pause()
        app.end_at_once()
        await until(pilot, lambda: not app.is_running)
    assert app.interrupted


def test_ages_are_short() -> None:
    assert [age(seconds) for seconds in (0, 59, 60, 7200, 86400 * 30, 1e8)] == ["0s", "59s", "1m", "2h", "30d", "3y"]


async def test_a_filter_is_typed_and_a_mistake_in_it_is_said_beside_it(runs: Path) -> None:
    async with listed(runs, size=(120, 36)) as (app, pilot):
        await pilot.press("slash", *"hen")
        await until(pilot, lambda: names(app) == ["wild-hen"])
        assert "1 of 3 runs" in lines_of(app)[0]
        await pilot.press(*" colour=1")
        await until(pilot, lambda: "there is no such column" in text_of(app))
        await pilot.press("enter")
        assert "there is no such column" in text_of(app)  # it cannot be left like that
        await pilot.press("escape")
        await until(pilot, lambda: len(names(app)) == 3)
        await pilot.press("slash", *"cell=gru", "enter")
        await until(pilot, lambda: "No run is like that: cell=gru" in text_of(app))
        await pilot.press("q")
        await ended(app, pilot)


async def test_a_sweep_is_one_line_and_enter_opens_its_own_screen(
    runs: Path, sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (runs / "which-cell").symlink_to(sweep)
    stopped: list[Path] = []
    monkeypatch.setattr(runs_table, "stop", stopped.append)
    async with listed(runs, size=(120, 36)) as (app, pilot):
        await until(pilot, lambda: len(app.list.runs) == 4)
        (line,) = [line for line in lines_of(app) if "which-cell" in line]
        assert line.split()[:4] == ["which-cell", "✓", "finished", "240"]  # four runs of 60 steps
        assert "4 runs" in line
        await pilot.press("slash", *"which", "enter")
        await until(pilot, lambda: current(app) == "which-cell")
        assert not any(app.list.check_action(action, ()) for action in ("stop", "remove", "rename", "mark"))
        with contextlib.closing(RunDirectory(sweep)) as directory:
            lock = RunLock(sweep, dir_fd=directory.descriptor)
            await until(pilot, lambda: "x stop" in text_of(app))
            await pilot.press("x")
            await until(pilot, lambda: "Stop which-cell?" in text_of(app))
            await pilot.press("x")
            await until(pilot, lambda: stopped)
            lock.release()
        assert stopped == [runs / "which-cell"]
        await until(pilot, lambda: app.screen is app.list)
        await pilot.press("enter")
        await until(pilot, lambda: not app.is_running)
        assert app.return_value == runs / "which-cell"
    chosen = [sweep, None]
    watched: list[Path] = []
    monkeypatch.setattr(runs_app.RunsApp, "run", lambda app: chosen.pop(0))

    def watch(path: Path) -> Left:
        watched.append(path)
        return Left(0, detaches=False, interrupted=False)

    monkeypatch.setattr(runs_app, "watch_sweep", watch)
    assert browse(runs) == 0
    assert (watched, chosen) == ([sweep], [])


async def test_columns_are_sorted_by_one_after_the_other(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, loss in (("calm-fox", 1.0), ("shy-mole", 3.0), ("wild-hen", 2.0)):
        state = runs / name / "state.json"
        state.write_text(json.dumps(json.loads(state.read_text()) | {"loss": loss}))
    async with listed(runs) as (app, pilot):
        fillings: list[object] = []
        monkeypatch.setattr(app.list, "_fill", lambda drawn, at: fillings.append(drawn))
        while app.list.by != "loss":
            await pilot.press("s")
        await until(pilot, lambda: names(app) == ["calm-fox", "wild-hen", "shy-mole"])
        assert "↑loss" in lines_of(app)[1]
        await pilot.press("S")
        await until(pilot, lambda: names(app) == ["shy-mole", "wild-hen", "calm-fox"])
        assert "↓loss" in lines_of(app)[1]
        assert current(app) == "wild-hen"  # where the cursor was, wherever its row is now
        assert fillings == []  # rows only move
        await pilot.press("end")
        await until(pilot, lambda: current(app) == "calm-fox")
        await pilot.press("home")
        await until(pilot, lambda: current(app) == "shy-mole")


async def test_a_run_is_renamed_and_removed_after_two_questions(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs_screen, "SECONDS_BETWEEN_LOOKS", 3600.0)  # the list says at once what was done
    async with listed(runs) as (app, pilot):
        await pilot.press("R", "home", *"very-", "enter")
        await until(pilot, lambda: names(app) == ["very-wild-hen", "shy-mole", "calm-fox"])
        assert current(app) == "very-wild-hen"
        await pilot.press("D")
        await until(pilot, lambda: "Remove very-wild-hen" in text_of(app))
        await pilot.press("x")
        await until(pilot, lambda: "Really? very-wild-hen" in text_of(app))
        await pilot.press("escape")
        await until(pilot, lambda: "Really?" not in text_of(app))
        assert (runs / "very-wild-hen").is_dir()
        await pilot.press("D", "x")
        await until(pilot, lambda: "Really? very-wild-hen" in text_of(app))
        await pilot.press("x")
        await until(pilot, lambda: names(app) == ["shy-mole", "calm-fox"])
        assert not (runs / "very-wild-hen").exists()


async def test_curves_of_others_grow_and_say_how_they_differ(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other_runs, "SECONDS_BETWEEN_LOOKS", 0.05)
    other = runs / "shy-mole"
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"lr": 0.5, "fingerprint": "0" * 32, "text_name": "b.txt"}))
    opened = open_run(runs / "calm-fox", [other])
    assert list(opened.others) == ["lr 0.5 b.txt (other text)"]
    app = CharrnnApp(opened.link, ready=partial(lay_over, opened.others))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "lr 0.5 b" in text_of(app))
        pane = app.dashboard.panes["loss"]
        assert isinstance(pane, LossPane)
        with (other / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"step": 7000, "loss": 1.0}) + "\n")
        await until(pilot, lambda: pane._overlays["lr 0.5 b.txt (other text)"][0][-1] == 7000)
