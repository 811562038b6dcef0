"""Commands of the program, called in the process of the tests: what they print, and how they refuse."""

from __future__ import annotations

import pytest

from tui.cli import main


def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[str, str]:
    """What a command that succeeds prints: as its answer, and as a remark beside it."""
    capsys.readouterr()
    assert main([*map(str, arguments)]) == 0
    captured = capsys.readouterr()
    return captured.out, captured.err


def answered(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The answer of a command that remarks nothing."""
    answer, remark = printed(capsys, *arguments)
    assert remark == ""
    return answer


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one sentence with which a command refuses."""
    capsys.readouterr()
    assert main([*map(str, arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    return captured.err
