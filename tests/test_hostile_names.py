"""No command prints a control byte, whatever the names, paths, files and options hold that it speaks of."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from engine.training.trainer import Trainer
from tests.finished_run import TEXT, finish_run
from tests.hostile_name import HOSTILE, SHOWN, steers
from tui.cli import main
from tui.cli.commands import COMMANDS
from tui.cli.picture import console, show

SMALL = ("--headless", "--hidden", "8", "--batch", "2", "--seq", "10", "--threads", "1", "--steps", "2")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that has a run, a text, a directory and a settings file, each with a hostile name, and files in it
    with hostile contents.
    """
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    run = finish_run(tmp_path / "runs" / HOSTILE)
    for name in ("config.json", "state.json"):
        path = run / name
        values = json.loads(path.read_text())
        changes = {"text_name": HOSTILE, "text": [HOSTILE], "left_out": [HOSTILE], "reason": HOSTILE}
        path.write_text(json.dumps(values | {key: value for key, value in changes.items() if key in values}))
    Path(HOSTILE).mkdir()
    Path(HOSTILE, f"{HOSTILE}.bin").write_bytes(b"\xff\xfe\x00" * 50)
    Path(HOSTILE, f"{HOSTILE}.txt").write_text(TEXT * 60)
    Path(f"{HOSTILE}.toml").write_text('"a\\u001b]0;x" = 1\n')
    return tmp_path


def assert_printable(*printed: str) -> None:
    for text in printed:
        assert not steers(text), ascii(text)
        assert "\ncharrnn-tui: lie" not in text


def printed(capsys: pytest.CaptureFixture[str], *commands: Sequence[str]) -> str:
    """What the commands print, which must all be printable; each ends with 0, 1 or 2."""
    said = ""
    for arguments in commands:
        try:
            code = main(arguments)
        except SystemExit as left:
            code = int(left.code or 0)
        out, errors = capsys.readouterr()
        assert_printable(out, errors)
        assert code in (0, 1, 2)
        said += out + errors
    return said


def test_the_commands_that_speak_of_a_run(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(Path("runs", HOSTILE))
    said = printed(
        capsys,
        ["runs", "--list"],
        ["runs", "--json"],
        ["sample", run, "--length", "20"],
        ["probe", run],
        ["probe", run, "fox"],
        ["probe", run, "fox", "--json"],
        ["gradients", run],
        ["gradients", run, "--json"],
        ["inside", run, "fox"],
        ["attach", run],
        ["train", "--resume", run, "--headless"],
        ["train", "--resume", run, "--headless", "--steps", "99"],
    )
    assert SHOWN in said
    assert "there is no such run" not in said


@pytest.mark.parametrize("damaged", ["config.json", "state.json", "model.safetensors", "checkpoint.safetensors"])
def test_the_commands_on_damaged_files(place: Path, damaged: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = Path("runs", HOSTILE)
    if damaged.endswith(".safetensors"):
        head = json.dumps({HOSTILE: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
        (run / damaged).write_bytes(struct.pack("<Q", len(head)) + head + b"\0\0\0\0")
    else:
        values = json.loads((run / damaged).read_text())
        (run / damaged).write_text(json.dumps(values | {HOSTILE: HOSTILE, "cell": HOSTILE, "state": HOSTILE}))
    printed(
        capsys,
        ["runs", "--list"],
        ["runs", "--json"],
        ["sample", str(run)],
        ["probe", str(run), "fox"],
        ["gradients", str(run)],
        ["train", "--resume", str(run), "--headless", "--steps", "99"],
    )


def test_the_commands_that_make_a_run(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Below a directory that has files to leave out, and of the text itself."""
    text = str(Path(HOSTILE, f"{HOSTILE}.txt"))
    assert "finished" in printed(capsys, ["train", HOSTILE, *SMALL, "--run", f"runs/new{HOSTILE}"])
    assert "reach" in printed(capsys, ["compare", text, *SMALL[1:], "--run", f"runs/three{HOSTILE}"])


def test_an_error_while_training_and_its_log(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(trainer: Trainer) -> None:
        raise ValueError(HOSTILE)

    monkeypatch.setattr(Trainer, "step", fail)
    assert f"ValueError: {SHOWN}" in printed(capsys, ["train", HOSTILE, *SMALL, "--run", "runs/new"])
    log = Path("runs/new/log.txt").read_text()
    assert "Traceback" in log
    assert not steers(log)


def test_a_picture_has_no_escape_sequences_but_those_of_its_colours(capsys: pytest.CaptureFixture[str]) -> None:
    show([Strip([Segment(HOSTILE, Style(bold=True))])], console())
    out, _ = capsys.readouterr()
    assert out.startswith(SHOWN)
    assert_printable(out)


@pytest.mark.parametrize("command", COMMANDS)
def test_refusals_name_what_was_typed(command: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a positional argument, as an option's name and as its value."""
    for arguments in (
        [f"no{HOSTILE}", HOSTILE],
        [f"--{HOSTILE}"],
        *([name, HOSTILE] for name in ("--config", "--preset", "--cell", "--lr", "--encoding", "--resume")),
        *([name, HOSTILE] for name in ("--length", "--mode", "--view", "--layer", "--fps", "--what", "--against")),
        ["--config", f"{HOSTILE}.toml"],
        [HOSTILE, "--prompt", HOSTILE, "--svg", f"{HOSTILE}/no/such"],
        [str(Path("runs", HOSTILE)), HOSTILE, "--html", f"{HOSTILE}/no/such"],
    ):
        assert printed(capsys, [command, *arguments])


def test_what_the_environment_holds(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "TEXTUAL_COLOR_SYSTEM", HOSTILE)
    assert "TEXTUAL_COLOR_SYSTEM" in printed(capsys, ["corpora"])
    monkeypatch.delitem(os.environ, "TEXTUAL_COLOR_SYSTEM")
    monkeypatch.setitem(os.environ, "XDG_CACHE_HOME", HOSTILE)
    monkeypatch.setitem(os.environ, "HOME", HOSTILE)
    printed(capsys, ["train", HOSTILE, *SMALL, "--run", "runs/new"])
