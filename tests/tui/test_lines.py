"""Lines keep their width, and wrapping loses nothing: held for any text, with wide characters and marks in it."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style

from tui.rendering.attribution import Glyph, fold
from tui.rendering.strips import PLAIN, fit, line, shorten, spread, wrap
from tui.rendering.text import visible, visible_text, width

WORDS = st.text(st.sampled_from("ab漢🙂.,"), min_size=1, max_size=12)
SENTENCES = st.lists(WORDS, max_size=12).map(" ".join)
ANYTHING = st.text(st.characters() | st.sampled_from("a \n\t漢\u0301"), max_size=60)
CELLS = st.integers(1, 30)


@given(SENTENCES, st.integers(2, 30))
def test_wrapping_loses_nothing_and_breaks_words_only_if_they_are_longer_than_a_line(text: str, columns: int) -> None:
    lines = wrap(text, columns, len(text) + 1)
    assert all(0 < cell_len(each) <= columns for each in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    if all(cell_len(word) <= columns for word in text.split()):
        assert " ".join(lines) == text
        for each, following in pairwise(lines):
            assert cell_len(f"{each} {following.split()[0]}") > columns


@given(SENTENCES, CELLS, st.integers(0, 5))
def test_a_limit_keeps_the_beginning_and_says_that_there_is_more(text: str, columns: int, limit: int) -> None:
    everything, lines = wrap(text, columns, 999), wrap(text, columns, limit)
    assert all(cell_len(each) <= columns for each in lines)
    if len(everything) <= limit:
        assert lines == everything
    else:
        assert len(lines) == limit
        assert lines[: limit - 1] == everything[: max(limit - 1, 0)]
        assert not lines or lines[-1][-1] == "…"


@given(ANYTHING.map(visible_text), st.integers(0, 30))
def test_a_shortened_text_begins_as_the_text_and_says_that_it_is_cut(text: str, columns: int) -> None:
    short = shorten(text, columns)
    assert cell_len(short) <= columns
    if cell_len(text) <= columns:
        assert short == text
    elif columns:
        assert short[-1] == "…"
        assert text.startswith(short[:-1].rstrip())
        assert cell_len(short) == columns


@given(st.lists(WORDS, max_size=8), CELLS)
def test_what_fits_side_by_side_is_whole_and_in_order(parts: list[str], columns: int) -> None:
    spans = fit([(part, PLAIN) for part in parts], columns)
    assert sum(cell_len(text) for text, _ in spans) <= columns
    shown = [text for text, _ in spans][::2]
    if parts and cell_len(parts[0]) > columns:
        assert shown == [shorten(parts[0], columns)]
    else:
        rest = iter(parts)
        assert all(text in rest for text in shown)  # each after the one before
        assert shown[:1] == parts[:1]


@given(ANYTHING, st.integers(2, 30))
def test_folded_glyphs_are_all_there_and_rows_are_full(text: str, columns: int) -> None:
    rows = fold([Glyph(char) for char in text], columns)
    assert "".join(glyph.char for row in rows for glyph in row) == text
    cells = [sum(width(glyph.char) for glyph in row) for row in rows]
    assert max(cells) <= columns
    for row, following in zip(cells, rows[1:], strict=False):
        assert row + width(following[0].char) > columns


@given(ANYTHING, st.integers(0, 40))
def test_a_line_has_exactly_its_width(text: str, columns: int) -> None:
    strip = line([(visible(char), Style(bold=place % 2 == 0)) for place, char in enumerate(text)], columns)
    assert strip.cell_length == columns
    assert sum(cell_len(segment.text) for segment in strip) == columns
    if cell_len(visible_text(text)) <= columns:
        assert strip.text.rstrip(" ") == visible_text(text).rstrip(" ")


@given(st.integers(1, 200), st.integers(0, 60))
def test_spread_numbers_are_different_even_and_reach_both_ends(count: int, places: int) -> None:
    chosen = spread(count, places)
    assert len(chosen) == min(count, places)
    assert chosen == sorted(set(chosen), reverse=True)
    assert chosen[:1] == [count - 1][:places]
    assert len(chosen) < 2 or chosen[-1] == 0
    assert len({before - after for before, after in pairwise(chosen)}) <= 2
