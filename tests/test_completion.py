"""The script that `--print-completion` prints; `e2e/test_completion.py` has the shells read it."""

from __future__ import annotations

import re

import pytest

from engine.config import PRESETS
from engine.network.cells import cell_names
from tui.cli import main
from tui.cli.commands import COMMANDS, SHELLS
from tui.cli.completion import script


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("shell", SHELLS)
def test_it_has_all_commands_with_their_options_and_values(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    made = printed(capsys, "--print-completion", shell)
    assert printed(capsys, f"--print-completion={shell}") == made == script(shell)
    words = set(re.findall(r"[\w-]+", made))
    options = ("hidden", "from", "stop-worst", "remote-command", "top-k", "vocabulary", "print-completion")
    assert words.issuperset(option if shell == "fish" else f"--{option}" for option in options)
    assert words.issuperset([*COMMANDS, *PRESETS, *cell_names(), "orthogonal", "light", "saltmere", "triangle"])


@pytest.mark.parametrize("shell", SHELLS)
def test_what_only_the_program_itself_uses_is_not_offered(shell: str) -> None:
    options = re.findall(r"-l ([\w-]+)" if shell == "fish" else r"--([\w-]+)", script(shell))
    assert "detach" in options
    assert not {"background", "as-it-was", "relay"}.intersection(options)


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--print-completion", "ksh"])
    assert left.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'ksh' (choose from" in line
