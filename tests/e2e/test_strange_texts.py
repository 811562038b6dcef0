"""Any text trains and is shown; none of it steers the terminal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from engine.runs.reader import RunReader
from tests.e2e.boxes import boxes, titles, until_alone
from tests.e2e.conftest import Open
from tests.e2e.program import PATIENCE, PROGRAM, SMALL, environment, run
from tests.e2e.terminal import NARROW

LINES = {
    "chinese": "漢字の文章は、二つの欄を取る。\n",
    "emoji": "😀 👩‍👩‍👧‍👦 🇩🇪 👍🏽 ❤️ é e\u0301\n",
    "dos": "a line\r\nand another\r\n",
    "tabs": "\tone\ttwo\t\tthree\n",
    "nuls": "before\x00after\x00\x00\n",
    "escapes": "\x1b]0;pwned\x07\x1b[2J\x1b[31mred\x9b31m\x1bc\x1bP1$r\x1b\\\x08\x7f\u202eright to left\u202c\n",
    "markup": "[bold]x[/bold] [@click=app.quit]y[/] {0} %s\n",
    "wide": "ｗｉｄｅ ﷽ \u200b \u2067 \ufeff ﬁ Ǆ\n",
}
TITLES = {"1": "Loss", "2": "Samples", "3": "Gradients", "4": "Connectivity", "5": "Cells"}
# What Textual itself says to a terminal: CSI sequences, and the shape of the mouse pointer.
# Modes, colours, the pointer's shape, and the title of the window, which names the run and its loss.
OWN = re.compile(
    r"\x1b\[[0-9;?<=>$]*[A-Za-z]|\x1b\]22;[a-z]*\x07|\x1b\]2;[a-z]+-[a-z]+ · loss [^\x00-\x1f\x7f-\x9f]*\x07"
)
UNFINISHED = re.compile(r"\x1b(\[[0-9;?<=>$]*)?$")  # the last one that has come so far
STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


@pytest.fixture
def everything(tmp_path: Path) -> str:
    """A text of all kinds of lines; its name."""
    (tmp_path / "all.txt").write_text("".join(LINES.values()) * 60, "utf-8", newline="")
    return "all.txt"


def assert_harmless(output: bytes) -> None:
    text = UNFINISHED.sub("", OWN.sub("", output.decode(errors="ignore")))
    assert not STEERING.findall(text.replace("\r\n", "")), STEERING.findall(text)[:5]


@pytest.mark.parametrize("kind", LINES)
def test_trains_without_a_screen(tmp_path: Path, kind: str) -> None:
    (tmp_path / "text").write_text(LINES[kind] * 60, "utf-8", newline="")
    result = run("train", "text", "--headless", "--steps", "10", *SMALL, cwd=tmp_path)
    assert result.returncode == 0, result.stderr.decode()
    assert b"finished at step 10" in result.stdout


def test_one_character_repeated_trains(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a" * 2000)
    result = run("train", "text", "--headless", "--steps", "10", *SMALL, cwd=tmp_path)
    assert result.returncode == 0, result.stderr.decode()


def test_five_panes_keep_their_frames(everything: str, open_terminal: Open) -> None:
    terminal = open_terminal("train", everything, *SMALL, "--lr", "1e-2")  # it learns these lines in seconds
    terminal.until(lambda: "␛]0;pwned␇" in terminal.text and "漢字" in terminal.text)
    for _ in range(8):  # while it writes on
        terminal.read(0.25)
        assert titles(terminal) == ["Loss", "Samples", "Connectivity", "Gradients", "Cells"]
    terminal.type("p\x15漢字😀\x1b[200~a\tb\x07\x7f\u202eé\x1b[201~")
    terminal.until_shown("漢字😀a⇥b␇")
    terminal.type("\x1b")
    terminal.until_shown("q quit")
    terminal.type(" ")
    terminal.until_shown("‖ paused")
    terminal.settle()
    assert len(boxes(terminal)) == 5
    assert_harmless(terminal.output)


def test_one_pane_keeps_its_frame(everything: str, open_terminal: Open) -> None:
    terminal = open_terminal("train", everything, *SMALL, size=NARROW)
    terminal.until(lambda: terminal.step > 300)
    for key, title in TITLES.items():
        terminal.type(key)
        until_alone(terminal, title)
        terminal.read(0.5)
        assert len(boxes(terminal)) == 1
    assert_harmless(terminal.output)


def test_a_sample_is_raw_in_a_file_and_harmless_on_a_terminal(tmp_path: Path, open_terminal: Open) -> None:
    (tmp_path / "text").write_text(LINES["escapes"] * 60, "utf-8", newline="")
    trained = run("train", "text", "--headless", "--steps", "1500", *SMALL, "--run", "it", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr.decode()
    arguments = ("sample", "it", "--greedy", "--length", "200", "--prompt", "\x1b]0;")
    assert b"\x1b]0;pwned\x07\x1b[2J" in run(*arguments, cwd=tmp_path).stdout
    terminal = open_terminal(*arguments)
    assert terminal.wait() == 0
    assert "␛]0;pwned␇␛[2J" in terminal.output.decode()
    assert_harmless(terminal.output)


def test_a_pipe_without_a_writer_is_waited_for_with_a_word_and_can_be_left(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    command = [*PROGRAM, "train", "pipe", "--headless", *SMALL]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert b"pipe: nothing has come yet; waiting for its writer" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) != 0
        assert b"Traceback" not in process.stderr.read()
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_directory_trains_with_its_own_runs_and_log_in_it(tmp_path: Path) -> None:
    """The shell makes `log` below the text, and the runs lie there too; a second run reads what the first one read."""
    (tmp_path / "text").write_text(LINES["tabs"] * 60)
    for name in ("runs/a", "runs/b"):
        command = [*PROGRAM, "train", ".", "--headless", "--steps", "10", *SMALL, "--run", name]
        with (tmp_path / "log").open("ab") as log:
            assert subprocess.run(command, cwd=tmp_path, env=environment(), stdout=log, stderr=log).returncode == 0
    lengths = {RunReader(tmp_path / "runs" / name).record.text_length for name in "ab"}
    assert lengths == {len(LINES["tabs"]) * 60}
    resumed = run("train", "--resume", "a", "--headless", "--steps", "12", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr.decode()
