"""Environment variables with which Textual and Rich, which read them as they are imported, would fail or never rest."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping

from engine.errors import UserError

COLOR_SYSTEMS = ("auto", "standard", "256", "truecolor", "windows")
GREATEST = {
    "COLUMNS": 1000,
    "LINES": 500,
    "ESCDELAY": 10_000,  # milliseconds
    "TEXTUAL_DIM_FACTOR": 100,  # per cent
    "TEXTUAL_FPS": 240,
    "TEXTUAL_SCREENSHOT": 86_400,  # seconds
    "TEXTUAL_SLOW_THRESHOLD": 1_000_000,  # milliseconds
}


def tidy(environment: MutableMapping[str, str] = os.environ) -> None:
    """Remove from `environment` what is no number where Textual or Rich expects one, and lower what is too large.

    TEXTUAL_LOG is removed too: if that file's disk were full, the program would end, and the training with it.
    Raises `UserError` if TEXTUAL_COLOR_SYSTEM has a value that Textual does not know.
    """
    environment.pop("TEXTUAL_LOG", None)
    for name, greatest in GREATEST.items():
        number = _number(environment.get(name, ""))
        if number < 1:
            environment.pop(name, None)
        elif number > greatest:
            environment[name] = str(greatest)
    if not (colours := environment.get("TEXTUAL_COLOR_SYSTEM", "auto")):
        del environment["TEXTUAL_COLOR_SYSTEM"]
    elif colours not in COLOR_SYSTEMS:
        raise UserError(
            f"TEXTUAL_COLOR_SYSTEM: {colours!r} is none of {', '.join(COLOR_SYSTEMS)}; change it in the environment"
        )


def has_clipboard(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the terminal may be asked to copy a text: one that says it is dumb would show the request."""
    return environment.get("TERM", "dumb") not in ("", "dumb")


def ask_for_all_colours(environment: MutableMapping[str, str] = os.environ) -> None:
    """Have a screen that becomes a picture in a file drawn in all colours, whatever this terminal can show."""
    environment["TEXTUAL_COLOR_SYSTEM"] = "truecolor"
    environment.pop("NO_COLOR", None)


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return 0
