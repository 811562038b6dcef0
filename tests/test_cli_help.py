"""What the program says of itself before anything is trained."""

from __future__ import annotations

import math
from importlib.metadata import version

import pytest

from tui.cli import main
from tui.cli.commands import COMMANDS


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the program prints before it leaves in peace."""
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert not left.value.code
    return capsys.readouterr().out


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "--version") == f"charrnn-tui {version('charrnn-tui')}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_small_screen(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = said(capsys, command, "--help").splitlines()
    assert lines[0].startswith("usage: charrnn-tui")
    assert sum(max(math.ceil(len(line) / 80), 1) for line in lines) < 24  # the shell's prompt takes a line
