"""No environment variable that Textual or Rich reads ends the program with a traceback, or keeps it from drawing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from rich.console import COLOR_SYSTEMS

from engine.errors import UserError
from tui.terminal import environment

NUMBERS = ("0", "-1", "abc", "", "1" + 400 * "0", "9" * 5000, "1.5", "inf", "\u0663\u0663")


@pytest.mark.parametrize("name", environment.GREATEST)
@pytest.mark.parametrize("value", NUMBERS, ids=range(len(NUMBERS)))
def test_numbers_are_removed_or_lowered(name: str, value: str) -> None:
    variables = {name: value}
    environment.tidy(variables)
    assert 1 <= int(variables.get(name, "1")) <= environment.GREATEST[name]


def test_what_is_good_stays() -> None:
    variables = {
        "COLUMNS": "132",
        "TEXTUAL_FPS": "30",
        "TEXTUAL_COLOR_SYSTEM": "256",
        "TEXTUAL_THEME": "nord",
        "X": "y",
    }
    before = dict(variables)
    environment.tidy(variables)
    assert variables == before


def test_the_log_of_textual_is_not_written() -> None:
    """A full disk there would end the program, and the training with it."""
    variables = {"TEXTUAL_LOG": "/dev/full"}
    environment.tidy(variables)
    assert variables == {}


def test_an_unknown_colour_system_is_a_sentence_and_an_empty_one_none() -> None:
    assert set(environment.COLOR_SYSTEMS) == {"auto", *COLOR_SYSTEMS}
    with pytest.raises(UserError, match="TEXTUAL_COLOR_SYSTEM: 'bogus' is none of auto"):
        environment.tidy({"TEXTUAL_COLOR_SYSTEM": "bogus"})
    variables = {"TEXTUAL_COLOR_SYSTEM": ""}
    environment.tidy(variables)
    assert variables == {}


def test_every_number_that_textual_reads_is_known() -> None:
    """In its constants, imported with a number that none of them can take."""
    code = (
        "import os\n"
        "asked = set()\n"
        "class Environment(dict):\n"
        "    def __getitem__(self, name): asked.add(name); return super().__getitem__(name)\n"
        "os.environ = Environment(os.environ)\n"
        "import textual.constants\n"
        "print(*sorted(name for name in asked if name.startswith(('TEXTUAL', 'ESC'))))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    harmless = {"TEXTUAL_DEVTOOLS_PORT", "TEXTUAL_SMOOTH_SCROLL"}  # it checks the one, and compares the other with 1
    assert set(done.stdout.split()) - harmless == {
        name for name in environment.GREATEST if name not in ("COLUMNS", "LINES")
    }
