"""Command lines that bash, zsh and fish complete, each on a terminal."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.program import environment, run
from tests.e2e.terminal import Terminal

# How a shell is started without anybody's settings, and what makes it read the script and then prompt.
SHELLS = {
    "bash": (("bash", "--norc", "--noprofile", "-i"), "source ./_charrnn-tui; PS1='rea''dy> '"),
    "zsh": (("zsh", "-f", "-i"), "fpath=($PWD $fpath); autoload -U compinit; compinit -u -D; PS1='rea''dy> '"),
    "fish": (
        ("fish", "--no-config", "-i"),
        "source ./_charrnn-tui; function fish_prompt; echo -n 'rea''dy> '; end",
    ),
}
ANEW = "\x15"  # ctrl+u deletes the line
HOSTILE = "the $(touch harm) run"


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Terminal]:
    """A shell in a directory with two runs and a text, which has read the script."""
    (program, *options), setup = SHELLS[request.param]
    if shutil.which(program) is None:
        pytest.skip(f"there is no {program} here")
    for name in ("calm-fox", HOSTILE):
        (tmp_path / "runs" / name).mkdir(parents=True)
    (tmp_path / "novel.txt").touch()
    made = run("--print-completion", request.param, cwd=tmp_path)
    assert (made.returncode, made.stderr) == (0, b"")
    (tmp_path / "_charrnn-tui").write_bytes(made.stdout)
    variables = environment(TERM="xterm", **dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), str(tmp_path)))
    terminal = Terminal([program, *options], (100, 40), cwd=tmp_path, environment=variables)
    terminal.type(f"{setup}\r")
    terminal.until_shown("ready> ")
    yield terminal
    terminal.close()


def test_commands_options_values_runs_and_texts_are_completed(shell: Terminal, tmp_path: Path) -> None:
    for typed, completed in (
        ("att", "attach"),
        ("nov", "novel.txt"),
        ("novel.txt --hid", "novel.txt --hidden"),
        ("novel.txt --cell ming", "novel.txt --cell mingru"),
        ("train sal", "train saltmere"),
        ("train nov", "train novel.txt"),
        ("train --optimizer rms", "train --optimizer rmsprop"),
        ("attach cal", "attach calm-fox"),
        ("sample calm-fox --weights be", "sample calm-fox --weights best"),
        ("eval calm-fox phy", "eval calm-fox physics"),
        ("stop calm-fox the", f"stop calm-fox {shlex.quote(HOSTILE)}"),
    ):
        shell.type(f"{ANEW}charrnn-tui {typed}\t")
        if HOSTILE in completed:  # each shell quotes it in its own way
            shell.until_shown("run")
        else:
            shell.until_shown(f"ready> charrnn-tui {completed}")
    shell.type(f"{ANEW}charrnn-tui train --preset \t\t")  # bash lists at the second time
    for preset in ("under-the-hood", "min-char-rnn"):
        shell.until_shown(preset)
    assert not (tmp_path / "harm").exists()
