"""Printed text never steers a terminal, can always be encoded, and stays as it is where it is harmless."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from engine.printable import printable, printable_lines

BIDI = {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C)}
STEERS = ("Cc", "Cs", "Zl", "Zp")  # categories: controls, surrogates, separators of lines and of paragraphs


def test_no_code_point_comes_out_as_one_that_steers_a_terminal_or_breaks_the_line() -> None:
    for code in range(sys.maxunicode + 1):
        shown = printable(chr(code))
        assert shown, ascii(chr(code))
        assert not any(unicodedata.category(char) in STEERS or char in BIDI for char in shown), ascii(chr(code))
        shown.encode("utf-8")
        assert printable_lines(chr(code)) == (chr(code) if chr(code) in "\n\t" else shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines\x1b]0;title\x07", "two⏎lines␛]0;title␇"),
        ("\x9b31m", "\ufffd31m"),  # the one-character CSI
        ("caf\udce9", "caf\ufffd"),  # a byte of a path that is no UTF-8
        ("a\u202etxt.exe", "a◌txt.exe"),
        ("\x7f", "␡"),
    ],
)
def test_what_steers_a_terminal_is_made_visible(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("text", ["naïve e\u0301 café", "漢字 👩\u200d👧 नमस्ते", "a b[red]%s", ""])
def test_what_is_harmless_stays_so_that_it_can_be_copied(text: str) -> None:
    assert printable(text) == text


def test_lines_and_tabs_stay_where_lines_are_printed() -> None:
    assert printable_lines("a\tb\n\x1b[31mred\r\n") == "a\tb\n␛[31mred␍\n"
