"""What keeps the code readable is tested like everything else: lint, format, types, the direction of imports."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TypeCheck

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("command", [["ruff", "check"], ["ruff", "format", "--check"]], ids=["lint", "format"])
def test_the_tools_have_nothing_to_say(command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_types_are_right(check_types: TypeCheck) -> None:
    code, said = check_types()
    assert code == 0, said


def test_imports_go_one_way() -> None:
    code = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_engine_loads_no_screen() -> None:
    """In a fresh interpreter, every module of the engine."""
    code = """
import importlib, pkgutil, sys, engine
for module in pkgutil.walk_packages(engine.__path__, "engine."):
    if module.name.split(".")[1] != "bench":
        importlib.import_module(module.name)
print(sorted({name.split(".")[0] for name in sys.modules} & {"tui", "textual", "rich", "plotext", "torch", "jax"}))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_needs_nothing_heavy() -> None:
    code = """
import sys
from tui.cli import main
try:
    main(["train", "--help"])
except SystemExit:
    pass
print(sorted({name.split(".")[0] for name in sys.modules} & {"numpy", "textual", "rich", "plotext"}))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# The modules that may write to standard output and standard error. Of the last two, one answers its parent over a pipe,
# and one speaks on Windows, where nothing else can be imported.
PRINTING = ("tui/cli/output.py", "tui/terminal/streams.py", "engine/bench/contender_process.py", "tui/__init__.py")


def test_one_module_prints() -> None:
    """All others hand it what they have to say, so that names and paths are printable, and a full device is no end."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for room in ("engine", "tui")
        for path in (ROOT / room).rglob("*.py")
        if path.relative_to(ROOT).as_posix() not in PRINTING
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and _prints(node)
    ]
    assert found == []


def test_nothing_runs_what_a_file_says() -> None:
    """No file that the program reads can make it run code: no pickle, no eval or exec, no shell.

    One shell there is: for the command that the user gives on this program's own command line.
    """
    modules = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle"}
    calls = {"eval", "exec", "compile", "os.system", "os.popen", "pickle.load", "np.load", "torch.load"}
    found = []
    for room in ("engine", "tui"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names: list[str | None] = []
                if isinstance(node, ast.Import):
                    names = [each.name for each in node.names]
                elif isinstance(node, ast.ImportFrom):
                    names = [node.module]
                shell = isinstance(node, ast.keyword) and node.arg == "shell"
                called = isinstance(node, ast.Call) and ast.unparse(node.func) in calls and not _is_restricted(node)
                if shell or called or modules.intersection(names):
                    found.append(f"{path.relative_to(ROOT)}: {ast.unparse(node)}")
    assert found == ["engine/session/end_command.py: shell=True"]


def _is_restricted(call: ast.Call) -> bool:
    """Whether `torch.load` makes nothing but tensors and plain values of what is in a file."""
    return any(ast.unparse(each) == "weights_only=True" for each in call.keywords)


def _prints(call: ast.Call) -> bool:
    what = ast.unparse(call.func)
    if what.endswith("Console"):  # what is safe: our own escape sequences, or none at all
        return not any(ast.unparse(each).startswith(("file=escapes(", "color_system=None")) for each in call.keywords)
    return what == "print" or bool(re.fullmatch(r"sys\.(__)?std(out|err)(__)?(\.buffer)?\.write(lines)?", what))


# A flag, a command of the command line, and how the program is started: words that belong to `tui`.
OF_THE_SCREEN = re.compile(r"--[a-z]|charrnn-tui |-m tui|^tui$")


def test_the_engine_names_no_flag_and_no_command() -> None:
    engine = ROOT / "engine"
    found = [
        f"{path.relative_to(engine)}:{node.lineno}: {node.value}"
        for path in engine.rglob("*.py")
        if path.relative_to(engine).parts[0] != "bench"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and OF_THE_SCREEN.search(node.value)
    ]
    assert found == []


BY_PATH = {
    "open",
    "read_bytes",
    "read_text",
    "write_bytes",
    "write_text",
    "safe_open",
    "load_file",
    "save_file",
    "load",
}
ONE_FUNCTION = "engine/runs/files.py"


def opens_by_path(call: ast.Call) -> bool:
    """Whether `call` opens a file by its path, and not a descriptor or through `open_file`."""
    match call.func:
        case ast.Name(id="open"):
            source = ast.unparse(call.args[0])
            return source != "descriptor" and not source.startswith("open_file(")
        case ast.Name(id=name):
            return name in BY_PATH
        case ast.Attribute(value=owner, attr="open"):
            relative = ast.unparse(owner).endswith(("directory", "self"))
            return not relative and not re.search(r"O_DIRECTORY|os\.devnull", ast.unparse(call))
        case ast.Attribute(value=owner, attr="load"):
            return ast.unparse(owner) == "np"
        case ast.Attribute(attr=name):
            return name in BY_PATH
    return False


def test_the_files_of_a_run_are_opened_by_one_function() -> None:
    """It refuses links, pipes, devices and other users' files; whoever opens by a path goes around it."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for room in (
            "engine/runs",
            "engine/session",
            "engine/remote",
            "engine/sweep",
            "tui/app",
            "tui/screens",
            "tui/panes",
        )
        for path in (ROOT / room).rglob("*.py")
        if str(path.relative_to(ROOT)) != ONE_FUNCTION
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and opens_by_path(node)
    ]
    assert found == []
