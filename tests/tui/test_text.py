"""Any character is shown in one or two cells, and none of them steers the terminal."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len

from tui.rendering.text import named, path_from_here, visible, visible_text, width


def every_code_point() -> Iterator[str]:
    return map(chr, range(sys.maxunicode + 1))


def test_every_code_point_has_one_or_two_cells_and_no_control() -> None:
    for char in every_code_point():
        shown = visible(char)
        assert cell_len(shown) in (1, 2), ascii(char)
        assert cell_len(shown[0]) == cell_len(shown), ascii(char)  # the rest is a mark on the first
        assert not any(unicodedata.category(c) in ("Cc", "Cs", "Cf", "Zl", "Zp", "Cn") for c in shown), ascii(char)


def test_every_code_point_keeps_its_width_between_others() -> None:
    for char in every_code_point():
        if char > "\U00020000":
            break
        assert cell_len(visible_text("a" + char + "b")) == 2 + width(char), ascii(char)


@pytest.mark.parametrize(
    ("char", "shown"),
    [
        ("a", "a"),
        ("\n", "⏎"),
        ("\t", "⇥"),
        ("\r", "␍"),
        ("\x00", "␀"),
        ("\x1b", "␛"),
        ("\x7f", "␡"),
        ("\x9b", "\ufffd"),  # the one-character CSI
        ("\u0301", "◌\u0301"),
        ("\u200d", "◌"),
        ("\u202e", "◌"),
        ("\ufe0f", "◌"),
        ("\U0001f1e9", "◌"),
        ("\ud800", "\ufffd"),
        ("漢", "漢"),
        ("🦉", "🦉"),
    ],
)
def test_visible(char: str, shown: str) -> None:
    assert visible(char) == shown


@pytest.mark.parametrize(
    ("char", "name"),
    [
        ("a", "a"),
        (" ", "␣"),
        ("\n", "⏎"),
        ("\t", "⇥"),
        ("\x00", "␀"),
        ("漢", "漢"),
        ("\u0301", "◌\u0301"),
        ("\u200c", "◌U+200C"),
        ("\u200d", "◌U+200D"),
        ("\xad", "◌U+00AD"),
        ("\ufe0f", "◌U+FE0F"),
        ("\U000e0061", "◌U+E0061"),
        ("\U0001f1e9", "◌U+1F1E9"),
        ("\xa0", "␣U+00A0"),
        ("\u3000", "␣U+3000"),
        ("\u3164", "␣U+3164"),
        ("\u2028", "␤U+2028"),
        ("\u2029", "␤U+2029"),
        ("\x9b", "\ufffdU+009B"),
        ("\ue000", "\ue000U+E000"),
        ("⏎", "⏎U+23CE"),
        ("\ufffd", "\ufffdU+FFFD"),
    ],
)
def test_named(char: str, name: str) -> None:
    assert named(char) == name


def test_every_name_is_seen_is_harmless_and_is_no_other_characters() -> None:
    chars = [*map(chr, range(0x20000)), *map(chr, range(0xE0000, 0xE0200)), chr(sys.maxunicode)]
    names = set(map(named, chars))
    assert len(names) == len(chars)
    for char in set("".join(names)):
        assert unicodedata.category(char) not in ("Cc", "Cs", "Cf", "Zl", "Zp", "Zs", "Cn"), ascii(char)


def test_width_of_wide_characters_is_two() -> None:
    assert [width(char) for char in "a漢🦉\n"] == [1, 2, 2, 1]


def test_a_path_is_written_as_one_would_type_it_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert path_from_here(here / "runs" / "calm-\x1bfox") == "runs/calm-␛fox"
    assert path_from_here(str(tmp_path / "runs")) == str(tmp_path / "runs")
    here.rmdir()
    assert path_from_here(tmp_path) == str(tmp_path)
