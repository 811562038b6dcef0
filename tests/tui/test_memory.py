"""The theme and the panes are there again at the next start, and no file can keep the screen from opening."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.tui.fake_run import FakeLink
from tests.tui.on_screen import text_of, until
from tests.tui.test_app_layout import shown
from tui.app.app import CharrnnApp
from tui.app.memory import MOST_BYTES, Remembered, place, recall, remember
from tui.app.themes import DARK, LIGHT


def begun(path: Path, theme: str = "") -> CharrnnApp:
    app = CharrnnApp(FakeLink(), fps=50)
    app.use_memory(path, theme)
    return app


async def test_theme_and_panes_are_there_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "screen.json"
    app = begun(path)
    async with app.run_test(size=(120, 36)) as pilot:
        assert app.theme == DARK.name
        app.theme = LIGHT.name
        await pilot.press("equals_sign", "1", "5", "escape")
        await until(pilot, lambda: recall(path)[0].panes == ("samples", "gradients", "connectivity"))
    assert recall(path)[0].theme == LIGHT.name
    app = begun(path)
    async with app.run_test(size=(120, 36)) as pilot:
        assert app.theme == LIGHT.name
        await until(pilot, lambda: shown(app) == ["samples", "gradients", "connectivity"])
    assert begun(path, DARK.name).theme == DARK.name  # what is asked for goes before
    assert recall(path)[0].theme == LIGHT.name


def test_it_is_kept_where_the_user_keeps_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert place() == tmp_path / "charrnn-tui" / "screen.json"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert place() == tmp_path / "home" / ".config" / "charrnn-tui" / "screen.json"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff\xfe", b'{"theme": 3}', b'{"panes": "loss"}', b'{"theme": "%s"}' % (b"x" * 200),
     b"[" * 9000, b'{"panes": ["a"%s]}' % (b', "b"' * 50), b" " * (MOST_BYTES + 1)],
)  # fmt: skip
async def test_a_damaged_file_is_one_notice(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "screen.json"
    path.write_bytes(content)
    found, problem = recall(path)
    assert found == Remembered()
    assert problem.startswith(f"{path}: ")
    assert "\n" not in problem


async def test_a_link_is_not_followed_and_a_theme_that_is_gone_is_the_usual_one(tmp_path: Path) -> None:
    path, other = tmp_path / "screen.json", tmp_path / "other"
    other.write_text(json.dumps({"theme": "no such theme", "panes": ["no such pane"]}))
    path.symlink_to(other)
    app = begun(path)
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        await until(pilot, lambda: "cannot be read" in text_of(app))
        assert len(shown(app)) == 5
    assert begun(other).theme == DARK.name


def test_a_disk_that_takes_nothing_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("tui.app.memory.write_atomically", full)
    assert "No space left" in remember(tmp_path / "screen.json", theme="x")
    app, said = begun(tmp_path / "screen.json"), list[str]()
    monkeypatch.setattr(app, "notify", lambda text, **_: said.append(text))
    app.keep(theme="x")
    app.keep(theme="y")
    assert len(said) == 1
