"""A command at the end of a run: the user's own, with the facts about the run, and never one that a file brings."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config import Config
from engine.runs import checkpoint
from engine.runs.reader import RunReader
from engine.runs.writer import CHECKPOINT, LOG
from engine.session.end_command import EndCommand
from engine.session.messages import RollBack, Stop
from engine.session.session import Session
from engine.session.start import new_session, resumed_session
from tests.hostile_name import HOSTILE, steers
from tui.app import foreground as foreground_module
from tui.app.foreground import Foreground
from tui.cli import main

SMALL = Config(text=("physics",), hidden=6, embedding=4, batch=2, seq=5, threads=1, workers=1)
OPTIONS = ("--hidden", "6", "--embedding", "4", "--batch", "2", "--seq", "5", "--threads", "1", "--workers", "1")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, where commands write."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ended(session: Session, command: str) -> list[str]:
    """Run `session` to its end with `command`; what was said of it."""
    said = list[str]()
    session.on_end = command_at_end = EndCommand(command, said.append)
    session.run()
    command_at_end.wait()
    return said


def test_it_finds_the_facts_in_its_environment(here: Path) -> None:
    session = new_session(SMALL.replace(steps=60), here / "run")
    said = ended(session, "env > facts; echo much; echo done")
    assert said == ["run: the command at its end exited with code 0: done"]
    facts = dict(line.split("=", 1) for line in (here / "facts").read_text().splitlines() if "CHARRNN_" in line)
    status = RunReader(here / "run").status
    assert facts == {
        "CHARRNN_RUN": str(here / "run"),
        "CHARRNN_STATE": "finished",
        "CHARRNN_REASON": "",
        "CHARRNN_STEP": "60",
        "CHARRNN_SECONDS": str(round(session.loop.progress.seconds, 1)),
        "CHARRNN_LOSS": str(session.loop.history.smoothed),
        "CHARRNN_VAL_LOSS": str(status.val_loss),
        "CHARRNN_BEST_VAL_LOSS": str(status.best_val_loss),
    }
    assert (here / "run" / LOG).read_text().endswith("exited with code 0\nmuch\ndone\n")


def test_nothing_in_it_steers_a_terminal(here: Path) -> None:
    session = new_session(SMALL.replace(steps=1), here / HOSTILE)
    said = ended(session, 'printf "%s" "$CHARRNN_RUN"; printf "\\033[31m\\n"; exit 3')
    log = (here / HOSTILE / LOG).read_bytes()
    for text in (*said, log.decode()):
        assert not steers(text)
    assert "the command at its end exited with code 3: " in said[0]


def test_each_end_is_told_once(here: Path) -> None:
    told = list[tuple[str, int]]()
    session = new_session(SMALL, here / "run")
    session.on_end = lambda session: told.append((session.state, session.steps))
    session.loop.change("training")

    def turns(count: int) -> None:
        with np.errstate(all="ignore"):
            for _ in range(count):
                if not session._turn():
                    session._tell_end()

    turns(3)
    for _ in range(2):
        session.loop.trainer.parameters["head.bias"][0] = np.nan
        turns(4)
        assert session.state == "diverged"
        session.send(RollBack())
        turns(2)
    assert told == [("diverged", 0)] * 2
    session.send(Stop())
    session.run()
    assert [state for state, _ in told] == ["diverged", "diverged", "stopped"]


def test_a_run_that_moves_has_not_ended_and_takes_its_command_along(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = list[list[str]]()

    def spawn_detached(command: list[str], directory: Path, **options: Any) -> int:
        started.append(command)
        return 0

    monkeypatch.setattr(foreground_module, "spawn_detached", spawn_detached)
    monkeypatch.setattr(foreground_module, "RemoteLink", lambda directory, seen: None)
    foreground = Foreground(EndCommand("-- touch ended", lambda sentence: None))
    foreground.begin(new_session(SMALL, here / "run"))
    foreground.hand_over()
    foreground.end()
    assert started[0][-2:] == ["--as-it-was", "--on-end=-- touch ended"]
    assert not (here / "ended").exists()


def test_the_dashboard_s_run_ends_with_it_too(here: Path) -> None:
    command = EndCommand('echo "$CHARRNN_STATE" >> ended', lambda sentence: None)
    foreground = Foreground(command)
    foreground.begin(new_session(SMALL, here / "run"))
    foreground.end()
    command.wait()
    assert (here / "ended").read_text() == "stopped\n"


def test_the_command_line_says_how_it_ended(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "physics", *OPTIONS, "--headless", "--steps", "5", "--run", "run", "--on-end"]
    assert main([*arguments, "echo bad luck; exit 7"]) == 0
    assert "charrnn-tui: run: the command at its end exited with code 7: bad luck\n" in capsys.readouterr().err


def test_a_command_that_cannot_be_started_is_a_sentence(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.E2BIG, os.strerror(errno.E2BIG))

    session = new_session(SMALL.replace(steps=1), here / "run")
    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert ended(session, "true") == ["run: the command at its end cannot be started (Argument list too long)"]


def test_nothing_runs_what_a_file_says(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "physics", *OPTIONS, "--headless", "--steps", "5", "--run", "run"]
    assert main([*arguments, "--on-end", "touch theirs"]) == 0
    (here / "theirs").unlink()
    names = ("on_end", "on-end", "end_command", "command", "notify", "hook")
    config = here / "run" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | dict.fromkeys(names, "touch theirs")))
    arrays, meta = checkpoint.read(here / "run" / CHECKPOINT)
    meta |= dict.fromkeys(names, "touch theirs")
    meta["session"] |= dict.fromkeys(names, "touch theirs")
    checkpoint.write(here / "run" / CHECKPOINT, arrays, meta)
    assert main(["train", "--resume", "run", "--headless", "--steps", "9"]) == 0
    resumed_session(here / "run", steps=12).run()
    assert not (here / "theirs").exists()
    for name in ("on_end", "on-end"):
        (here / "file.toml").write_text(f'{name} = "touch theirs"\n')
        assert main(["train", "physics", *OPTIONS, "--headless", "--steps", "5", "--config", "file.toml"]) == 2
        assert f"{name}: there is no such setting" in capsys.readouterr().err
    assert not (here / "theirs").exists()
