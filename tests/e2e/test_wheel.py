"""The wheel alone, installed away from the checkout: the program, its texts and its screen."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.e2e.program import SMALL, environment
from tests.e2e.terminal import Terminal

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of an environment with the wheel, and beside it only what this one has of other packages."""
    place = tmp_path_factory.mktemp("wheel")
    for part in ("engine", "tui", "corpora"):
        shutil.copytree(CHECKOUT / part, place / "tree" / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / part, place / "tree")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet"]
    build: list[str | Path] = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", place, place / "tree"]
    subprocess.run([*pip, *build], check=True)
    (wheel,) = place.glob("*.whl")
    venv.create(place / "env", with_pip=False)
    installed = Path(sysconfig.get_path("purelib", vars={"base": str(place / "env"), "platbase": str(place / "env")}))
    subprocess.run([*pip, "--python", place / "env", "install", "--no-deps", wheel], check=True)
    # A directory of links, not a .pth file: that would bring the checkout along, which is installed there too.
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        if not package.name.startswith(("__editable__", "charrnn")) and not (installed / package.name).exists():
            (installed / package.name).symlink_to(package)
    return place / "env" / "bin" / "charrnn-tui"


def elsewhere() -> dict[str, str]:
    """The environment without a path to the checkout."""
    return {name: value for name, value in environment().items() if name != "PYTHONPATH"}


def run(program: Path, *arguments: str, cwd: Path) -> str:
    result = subprocess.run([program, *arguments], cwd=cwd, capture_output=True, text=True, env=elsewhere())
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_it_is_the_wheel_that_runs(program: Path, tmp_path: Path) -> None:
    where = "import engine, tui, corpora; print(engine.__file__, tui.__file__, corpora.__file__)"
    command: list[str | Path] = [program.with_name("python"), "-c", where]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, env=elsewhere())
    places = found.stdout.split()
    assert [Path(place).is_relative_to(program.parents[1]) for place in places] == [True] * 3


def test_its_texts_are_there(program: Path, tmp_path: Path) -> None:
    listed = run(program, "corpora", cwd=tmp_path)
    for name in ("saltmere", "physics", "lantern", "brackets"):
        assert name in listed


def test_it_trains_samples_and_lists(program: Path, tmp_path: Path) -> None:
    run(program, "train", "saltmere", *SMALL, "--headless", "--steps", "20", "--run", "runs/it", cwd=tmp_path)
    assert len(run(program, "sample", "it", "--length", "30", cwd=tmp_path)) >= 30
    (listed,) = json.loads(run(program, "runs", "--json", cwd=tmp_path))
    assert (listed["name"], listed["state"], listed["step"]) == ("it", "finished", 20)


def test_its_dashboard_opens(program: Path, tmp_path: Path) -> None:
    terminal = Terminal([program, "train", "lantern", *SMALL], cwd=tmp_path, environment=elsewhere())
    try:
        terminal.until(lambda: terminal.step > 50, "some steps")
        terminal.type("qs")
        assert terminal.wait() == 0
        terminal.assert_left_clean()
    finally:
        terminal.close()
