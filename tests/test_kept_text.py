"""What was read at the start is what the run has: it goes on when its text moves, changes, or came through a pipe."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from engine.config import Config
from engine.errors import UserError
from engine.runs import kept_text
from engine.runs.kept_text import EARLIER, KEPT, load_text
from engine.runs.reader import RunReader
from engine.session.messages import Notice, Save
from engine.session.session import Session
from engine.session.start import new_session, resumed_session
from tui.cli import main

TEXT = "the quick brown fox (jumps) over the lazy dog\n" * 40
SMALL = Config(hidden=8, embedding=4, batch=2, seq=10, threads=1, steps=10)


def session_on(text: str | Path, run: Path, **options: Any) -> Session:
    return new_session(SMALL.replace(text=(str(text),)), run, **options)


def losses(run: Path) -> list[float]:
    return [*map(float, RunReader(run).metrics()["loss"])]


def resume(*arguments: object) -> int:
    return main(["train", *map(str, arguments), "--headless", "--steps", "20"])


@pytest.fixture
def straight(tmp_path: Path) -> list[float]:
    """The losses of 20 steps that nothing interrupts."""
    new_session(SMALL.replace(text=("-",), steps=20), tmp_path / "straight", stdin=io.BytesIO(TEXT.encode())).run()
    return losses(tmp_path / "straight")


@pytest.fixture
def text(tmp_path: Path) -> Path:
    (tmp_path / "fox.txt").write_text(TEXT)
    return tmp_path / "fox.txt"


def test_a_text_that_is_read_once_goes_with_the_run(tmp_path: Path, straight: list[float]) -> None:
    session = session_on("-", tmp_path / "run", stdin=io.BytesIO(TEXT.encode()))
    assert session.info.config["text"] == [str(tmp_path / "run" / KEPT)]  # for the next run, from anywhere
    session.run()
    assert json.loads((tmp_path / "run" / "config.json").read_text())["text"] == [KEPT]
    assert (tmp_path / "run" / KEPT).stat().st_mode & 0o777 == 0o600
    os.rename(tmp_path / "run", tmp_path / "renamed")
    resumed_session(tmp_path / "renamed", 20).run()
    assert losses(tmp_path / "renamed") == straight


def test_a_run_of_an_earlier_version_with_its_own_text_may_be_renamed(tmp_path: Path, straight: list[float]) -> None:
    session_on("-", tmp_path / "run", stdin=io.BytesIO(TEXT.encode())).run()
    os.rename(tmp_path / "run" / KEPT, tmp_path / "run" / EARLIER)
    config = tmp_path / "run" / "config.json"
    config.write_text(config.read_text().replace(KEPT, str(tmp_path / "run" / EARLIER)))
    os.rename(tmp_path / "run", tmp_path / "renamed")
    resumed_session(tmp_path / "renamed", 20).run()
    assert losses(tmp_path / "renamed") == straight


@pytest.mark.parametrize("change", ["grows", "is replaced", "is gone"])
@pytest.mark.parametrize("place", ["a file", "a directory"])
def test_a_text_that_changes_while_the_run_is_there_is_kept(
    tmp_path: Path, text: Path, straight: list[float], place: str, change: str
) -> None:
    session = session_on(text if place == "a file" else text.parent, tmp_path / "run")
    if place == "a file":
        assert not (tmp_path / "run" / KEPT).exists()
    match change:
        case "grows":
            with text.open("a") as log:
                log.write("more")
        case "is replaced":
            text.write_text("another")
        case "is gone":
            text.unlink()
    session.run()
    resumed_session(tmp_path / "run", 20).run()
    assert losses(tmp_path / "run") == straight


def test_a_log_that_grows_can_be_handed_over(tmp_path: Path, text: Path, straight: list[float]) -> None:
    """`close` is what a new run is left with before the process in the background takes it up."""
    session = session_on(text, tmp_path / "run")
    with text.open("a") as log:
        log.write("more")
    session.close()
    resumed_session(tmp_path / "run", 20).run()
    assert losses(tmp_path / "run") == straight


def test_viewers_are_told_that_the_text_is_kept_or_cannot_be(
    tmp_path: Path, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_on(text, tmp_path / "run")
    link = session.connect()
    text.write_text("another")
    keep = kept_text.keep

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    def notices() -> list[str]:
        session.loop.apply(Save())
        session.loop.settle()
        return [event.text for event in link.events() if isinstance(event, Notice)]

    monkeypatch.setattr(kept_text, "keep", full)
    (said,) = notices()
    assert said.startswith("cannot keep the text, which has changed: No space left on device")
    assert notices() == []  # once
    monkeypatch.setattr(kept_text, "keep", keep)
    assert notices() == ["the text has changed since it was read; the run keeps it as it was"]
    assert notices() == []
    session.close()


def test_a_large_directory_is_kept_only_when_it_changes(
    tmp_path: Path, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for module in ("engine.text.corpus", "engine.runs.kept_text"):
        monkeypatch.setattr(f"{module}.LARGE", 100)
    (tmp_path / "texts").mkdir()
    os.rename(text, tmp_path / "texts" / "fox.txt")
    session_on(tmp_path / "texts", tmp_path / "a").run()
    assert not (tmp_path / "a" / KEPT).exists()
    session = session_on(tmp_path / "texts", tmp_path / "b")
    (tmp_path / "texts" / "new.txt").write_text("more")
    session.run()
    assert load_text(tmp_path / "b", session.record).length == len(TEXT)


@pytest.mark.parametrize("harm", ["damaged", "missing", "link", "pipe", "directory"])
def test_a_kept_text_that_is_not_one_is_passed_over(tmp_path: Path, text: Path, harm: str) -> None:
    """It is looked for where it was read, too, and nothing in a run's directory is opened through a link."""
    session_on(text.parent, tmp_path / "run").run()
    kept = tmp_path / "run" / KEPT
    content = kept.read_text()
    kept.unlink()
    match harm:
        case "damaged":
            kept.write_text(content.swapcase())
        case "link":
            (tmp_path / "run" / ".elsewhere").write_text(content)
            kept.symlink_to(".elsewhere")
        case "pipe":
            os.mkfifo(kept)
        case "directory":
            kept.mkdir()
    record = RunReader(tmp_path / "run").record
    assert load_text(tmp_path / "run", record).addresses == (str(text.parent),)
    text.write_text("another")
    with pytest.raises(UserError, match=r"has changed since the run began \(1,840 characters then, 7 now\)"):
        load_text(tmp_path / "run", record)


def test_a_text_that_begins_with_a_mark_is_kept_as_it_is(tmp_path: Path) -> None:
    text = ("\ufeff\ufeff" + TEXT).encode()  # one is dropped, one is text
    session_on("-", tmp_path / "run", stdin=io.BytesIO(text)).run()
    assert resumed_session(tmp_path / "run", 20).run() == "finished"


def test_a_moved_text_is_named_anew(
    tmp_path: Path, text: Path, straight: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    session_on(text, run).run()
    (tmp_path / "new place").mkdir()
    moved = tmp_path / "new place" / "renard.txt"
    os.rename(text, moved)
    assert resume("--resume", run) == 2
    assert "its text cannot be read as it was" in capsys.readouterr().err
    (tmp_path / "another").write_text(TEXT[:-1])
    assert resume(tmp_path / "another", "--resume", run) == 2
    assert "was trained on another text than this" in capsys.readouterr().err
    assert resume(moved, "--encoding", "latin-1", "--resume", run) == 0
    assert losses(run) == straight
    config = RunReader(run).record.config
    assert (config.text, config.encoding) == ((str(moved),), "latin-1")
    assert main(["train", "--resume", str(run), "--headless", "--steps", "21"]) == 0  # and again without


def test_a_moved_text_may_come_through_a_pipe(tmp_path: Path, text: Path, straight: list[float]) -> None:
    session_on(text, tmp_path / "run").run()
    text.unlink()
    reading, writing = os.pipe()
    os.write(writing, TEXT.encode())
    os.close(writing)
    assert resume(f"/dev/fd/{reading}", "--resume", tmp_path / "run") == 0
    os.close(reading)
    assert losses(tmp_path / "run") == straight
    assert resumed_session(tmp_path / "run", 21).run() == "finished"


def test_an_encoding_without_a_text_is_still_refused(tmp_path: Path, text: Path) -> None:
    session_on(text, tmp_path / "run").run()
    assert resume("--resume", tmp_path / "run", "--encoding", "latin-1") == 2


def test_what_a_run_writes_never_changes_what_it_reads(
    tmp_path: Path, text: Path, monkeypatch: pytest.MonkeyPatch, straight: list[float]
) -> None:
    """`train .` twice, and resumed: the same text each time."""
    monkeypatch.chdir(tmp_path)
    os.rename(tmp_path / "straight", tmp_path / ".straight")
    for name in ("runs/a", "runs/b"):
        session_on(".", Path(name)).run()
    (tmp_path / "runs/a" / KEPT).unlink()
    assert resume("--resume", "runs/a") == 0
    assert losses(Path("runs/a")) == straight
    assert losses(Path("runs/b")) == straight[:1]
