"""`charrnn-tui --print-completion SHELL`: a script with which a shell completes this program's command lines.

shtab makes it of the parsers of all commands. What stands here is which words an argument takes: values that can be
listed, names of runs and known texts, files. Names of runs are looked up by the shell itself, so that a key is answered
at once.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from typing import Any

import shtab

from engine.config import PRESETS, Config
from engine.runs.listing import ROOT
from engine.setting import settings_of
from engine.text.known import KNOWN
from tui.cli.arguments.training import add_train
from tui.cli.commands import COMMANDS, build_parser
from tui.cli.output import say_text
from tui.cli.parser import Parser

TEXTS = " ".join(KNOWN)

# For each shell, functions that offer the names of runs, those of texts, and both, each with paths besides. shtab has
# bash quote what comes of a function with `_dir` or `_file` in its name.
BASH = f"""
_charrnn_tui_dirs_and_runs() {{
  (cd ./{ROOT} 2>/dev/null && compgen -d -- "$1")
  compgen -d -- "$1"
}}
_charrnn_tui_files_and_texts() {{
  compgen -W "{TEXTS}" -- "$1"
  compgen -f -- "$1"
}}
_charrnn_tui_files_texts_and_runs() {{
  (cd ./{ROOT} 2>/dev/null && compgen -d -- "$1")
  _charrnn_tui_files_and_texts "$1"
}}
_shtab_charrnn_tui_pos_0_COMPGEN=_charrnn_tui_files_and_texts
"""
ZSH = f"""
_charrnn_tui_runs() {{
  local -a charrnn_tui_runs=({ROOT}/*(-/N:t))
  _alternative 'runs:run:compadd -a charrnn_tui_runs' 'directories:directory:_path_files -/'
}}
_charrnn_tui_texts() {{
  _alternative 'texts:text:({TEXTS})' 'files:file:_files'
}}
_charrnn_tui_texts_and_runs() {{
  local -a charrnn_tui_runs=({ROOT}/*(-/N:t))
  _alternative 'runs:run:compadd -a charrnn_tui_runs' 'texts:text:({TEXTS})' 'files:file:_files'
}}
functions[_charrnn_tui_commands]=$functions[_shtab_charrnn_tui_commands]
_shtab_charrnn_tui_commands() {{
  _alternative 'commands:command:_charrnn_tui_commands' 'texts:text:({TEXTS})' 'files:file:_files'
}}
"""
FISH = f"""
function _charrnn_tui_runs
  for run in {ROOT}/*/
    string match -r '[^/]+(?=/$)' -- $run
  end
  __fish_complete_directories
end
function _charrnn_tui_texts
  printf '%s\\n' {TEXTS}
  __fish_complete_path (commandline -ct)
end
function _charrnn_tui_texts_and_runs
  _charrnn_tui_runs
  _charrnn_tui_texts
end
"""
# The first word may be a text in place of a command, and options of `train` follow; shtab knows commands only.
ZSH_TEXT_FIRST = """\
        *) _arguments -C -s $_shtab_charrnn_tui_train_options ;;
"""
FISH_TEXT_FIRST = """
complete -c charrnn-tui -n '_shtab_charrnn_tui_using; and test $_shtab_charrnn_tui_npos -eq 0' -a '(_charrnn_tui_texts)'
"""
PREAMBLE = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def _offers(bash: str, zsh: str) -> dict[str, str]:
    return {"bash": bash, "zsh": zsh, "fish": f"({zsh})"}


RUNS = _offers("_charrnn_tui_dirs_and_runs", "_charrnn_tui_runs")
TEXTS_AND_FILES = _offers("_charrnn_tui_files_and_texts", "_charrnn_tui_texts")
TEXTS_AND_RUNS = _offers("_charrnn_tui_files_texts_and_runs", "_charrnn_tui_texts_and_runs")
BY_METAVAR: dict[Any, Any] = {
    "RUN": RUNS,
    "SWEEP": RUNS,
    "DIR": shtab.DIRECTORY,
    "FILE": shtab.FILE,
    "FILE.toml": shtab.FILE,
}


def run(options: argparse.Namespace) -> int:
    """Print the script. Returns the exit code."""
    say_text(script(options.print_completion))
    return 0


def script(shell: str) -> str:
    """The script for `shell`: bash, zsh or fish."""
    made = shtab.complete(_all_commands(), shell, preamble=PREAMBLE)  # type: ignore[arg-type]
    if shell == "zsh":
        made = re.sub(r'"\(\*\)::?', '"*:', made)  # shtab completes only the first of several RUNs or TEXTs
        made = made.replace("      esac\n", ZSH_TEXT_FIRST + "      esac\n", 1)
    return made + (FISH_TEXT_FIRST if shell == "fish" else "") + "\n"


def _all_commands() -> argparse.ArgumentParser:
    """One parser with all commands; where none is named, it takes the options of `train`."""
    program = build_parser("")
    add_train(program)
    program._actions[:] = [action for action in program._actions if action.option_strings]
    commands = program.add_subparsers(metavar="COMMAND")
    for name, (meaning, add_arguments) in COMMANDS.items():
        command = commands.add_parser(name, help=meaning.replace("%", "%%"))
        add_arguments(command)
        command.description = meaning.replace("%", "%%")
        _say_what_is_taken(name, command)
    _say_what_is_taken("train", program)
    return program


def _say_what_is_taken(command: str, parser: Parser) -> None:
    """Give each argument the words that it takes, and its meaning, as far as they are known."""
    known = settings_of(Config)
    for action in parser._actions:
        setting = known.get(action.dest)
        if setting is not None and action.option_strings and not action.help:
            action.help = setting.help.replace("%", "%%")
        if action.metavar == "TEXT" and action.nargs in ("*", "+"):  # a single TEXT is one that is typed
            taken = TEXTS_AND_RUNS if command == "serve" else TEXTS_AND_FILES
            action.complete = taken  # type: ignore[attr-defined]
        elif action.metavar in BY_METAVAR:
            action.complete = BY_METAVAR[action.metavar]  # type: ignore[attr-defined]
        elif action.dest == "preset":
            action.choices = tuple(PRESETS)
        elif action.dest == "weights":
            action.choices = ("latest", "best")
        elif not action.choices:
            usage = setting.usage if setting is not None else str(action.metavar or "")
            action.choices = tuple(_words(usage.split("|"))) or None


def _words(alternatives: Iterable[str]) -> list[str]:
    """Those of a usage line's `alternatives`, as in `none|norm:MAX|value:MAX`, that are written as they stand."""
    alternatives = list(alternatives)
    return [word for word in alternatives if re.fullmatch("[a-z0-9_-]+", word)] if len(alternatives) > 1 else []
