"""Standard streams that are full, closed, or in a poor encoding: one sentence at most, and no run is harmed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from engine.runs.reader import RunReader
from tests.e2e.program import PATIENCE, PROGRAM, SMALL, environment
from tests.finished_run import TEXT, finish_run
from tests.full_pipe import fill

TRAIN = ("train", "fox.txt", "--headless", "--run", "runs/new", *SMALL, "--steps", "40")
RESULTS = (
    ("--help",),
    ("--version",),
    ("sample", "--help"),
    ("runs", "--json"),
    ("sample", "old", "--length", "5"),
    ("probe", "old", "fox"),
    ("gradients", "old", "--json"),
)
FULL = "charrnn-tui: standard output cannot be written (No space left on device); make room there, or redirect it\n"


@pytest.fixture(scope="module")
def old_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("place")
    (place / "runs").mkdir()
    finish_run(place / "runs" / "old")
    (place / "fox.txt").write_text(TEXT * 60)
    return place


@pytest.fixture
def place(old_run: Path, tmp_path: Path) -> Path:
    """A directory with a text, and a finished run `old`."""
    (tmp_path / "fox.txt").symlink_to(old_run / "fox.txt")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "old").symlink_to(old_run / "runs" / "old")
    return tmp_path


def shell(redirection: str, *arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The program, started by a shell with its streams redirected."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *PROGRAM, *arguments],
        cwd=cwd,
        capture_output=True,
        encoding=variables.get("PYTHONIOENCODING", "utf-8"),
        timeout=PATIENCE,
        env=environment(**variables),
    )


@pytest.mark.parametrize("arguments", RESULTS, ids=" ".join)
def test_a_result_that_cannot_be_written_is_one_sentence_and_exit_code_2(
    arguments: tuple[str, ...], place: Path
) -> None:
    done = shell("> /dev/full", *arguments, cwd=place)
    assert (done.returncode, done.stderr) == (2, FULL)


def test_training_goes_on_without_an_output_that_is_full_and_says_so_once(place: Path) -> None:
    done = shell("> /dev/full", *TRAIN, cwd=place)
    assert done.returncode == 0
    assert RunReader(place / "runs" / "new").state == "finished"
    sentence = "standard output cannot be written (No space left on device); training goes on without it"
    assert done.stderr == f"charrnn-tui: {sentence}\n"
    assert sentence in (place / "runs" / "new" / "log.txt").read_text()


def test_training_goes_on_if_standard_error_is_full(place: Path) -> None:
    done = shell("2> /dev/full", *TRAIN, cwd=place)
    assert done.returncode == 0
    assert "finished at step 40" in done.stdout


def test_training_goes_on_if_nobody_reads_a_full_pipe(place: Path) -> None:
    reader, writer = os.pipe()
    fill(writer)
    os.set_blocking(writer, True)
    done = subprocess.run(
        [*PROGRAM, *TRAIN], cwd=place, env=environment(), timeout=PATIENCE, stdout=writer, stderr=subprocess.PIPE
    )
    os.close(reader)
    os.close(writer)
    assert (done.returncode, RunReader(place / "runs" / "new").state) == (0, "finished")
    assert done.stderr.count(b"nothing reads it") == 1


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_no_file_of_a_run_gets_the_number_of_a_closed_stream(closed: str, place: Path) -> None:
    done = shell(closed, *TRAIN, cwd=place)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    run = RunReader(place / "runs" / "new")
    assert run.state == "finished"
    for file in run.path.glob("*.json*"):
        assert not [line for line in file.read_text().splitlines() if line.startswith(("step", "charrnn-tui"))]


@pytest.mark.parametrize("arguments", [("--version",), ("runs", "--list"), ("sample", "old"), ("attach", "old")])
def test_closed_streams_are_no_traceback(arguments: tuple[str, ...], place: Path) -> None:
    done = shell(">&-", *arguments, cwd=place)
    assert done.returncode == 2
    assert done.stderr.startswith("charrnn-tui: ")
    assert len(done.stderr.splitlines()) == 1
    assert shell("<&- >&- 2>&-", *arguments, cwd=place).returncode == 2


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_poor_encoding_escapes_what_it_lacks(encoding: str, place: Path) -> None:
    """In a path that is no UTF-8, and in our own pictures and sentences."""
    text = os.fsdecode(b"caf\xe9.txt")
    (place / text).write_text(TEXT * 60)
    variables = {"PYTHONIOENCODING": encoding}
    run = os.fsdecode(b"runs/\xff")
    done = shell("", "train", text, *TRAIN[2:], "--run", run, cwd=place, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    for code, arguments in ((0, ["runs", "--list"]), (0, ["gradients", run]), (2, ["sample", f"{run}missing"])):
        done = shell("", *arguments, cwd=place, **variables)
        assert done.returncode == code, done.stderr
        assert "\\u" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_what_others_print_is_printable_too(place: Path) -> None:
    """A warning, a traceback and argparse's own sentences go through the same stream."""
    code = (
        "import sys, warnings, tui.cli\n"
        "tui.cli.take_over()\n"
        "warnings.warn('\\x1b]0;warning\\x07')\n"
        "print('\\x1b]0;printed\\x07', '\\udcff')\n"
        "raise ValueError('\\x1b]0;raised\\x07\\udcff')\n"
    )
    command = [*PROGRAM[:2], "-c", code]
    done = subprocess.run(command, cwd=place, env=environment(), capture_output=True, encoding="utf-8", check=False)
    printed = done.stdout + done.stderr
    assert "\x1b" not in printed
    for word in ("warning", "printed", "raised"):
        assert f"␛]0;{word}␇" in printed


@pytest.mark.parametrize("arguments", [("runs",), ("train", "physics", "--headless"), ("sample", "old"), ("bench",)])
def test_a_working_directory_that_is_gone_is_one_sentence(arguments: tuple[str, ...], tmp_path: Path) -> None:
    script = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *PROGRAM, *arguments],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        env=environment(),
    )
    assert done.returncode == 2
    assert done.stderr.startswith("charrnn-tui: the working directory is gone")
    assert len(done.stderr.splitlines()) == 1
