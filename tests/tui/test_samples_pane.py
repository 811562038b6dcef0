"""Samples: wrapped and shaded, kept in a log, and the pane in which they stream."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len
from rich.style import Style
from textual.geometry import Region

from engine.session.messages import Sample, SampleFinished, SamplingSettings, SetSampling, View
from tests.tui.on_screen import text_of
from tests.tui.one_pane import OnePane, redrawn
from tui.panes.samples import SamplesPane
from tui.rendering.colour import palette
from tui.rendering.sample_log import MOST_SAMPLES, Change, SampleLog
from tui.rendering.sample_text import Inks, SampleText

HEAD, WARNING, PROMPT, CARET = (Style(color=colour) for colour in ("#111111", "#222222", "#333333", "#444444"))
INKS = Inks(palette("truecolor").surprise, HEAD, WARNING, PROMPT, CARET)
SENTENCE = "The lamp was lit before the tide had turned, and old Marrow went down to the quay."


def sample(text: str = SENTENCE, step: int = 100, **changes: Any) -> Sample:
    made = Sample(step, 1.58, 0.8, text, np.full(len(text), 0.5))
    return dataclasses.replace(made, **changes)


def lines(text: str, columns: int, **changes: Any) -> list[str]:
    wrapped = SampleText(sample(text, **changes), columns)
    return [wrapped.draw(number, INKS).text for number in range(wrapped.height)]


def body(text: str, columns: int, **changes: Any) -> list[str]:
    return [line.rstrip() for line in lines(text, columns, **changes)[1:]]


# --- one sample ------------------------------------------------------------------------------


def test_the_heading_says_where_the_sample_is_from() -> None:
    heading = lines("abc", 70, step=12_400, word_share=0.71)[0]
    assert heading.strip("─ ") == "step 12,400 · val 1.58 · T 0.8 · words 71%"


def test_the_heading_says_how_long_the_network_learned_meanwhile() -> None:
    heading = lines("abc", 70, step=1, last_step=2_004, val_loss=None)[0]
    assert heading.strip("─ ") == "steps 1–2,004 · T 0.8"


def test_the_heading_without_what_is_not_known() -> None:
    assert lines("abc", 60, val_loss=None, temperature=0.0)[0].strip("─ ") == "step 100 · greedy"


@pytest.mark.parametrize("columns", [70, 40, 30])
def test_alarms_are_kept_where_there_is_little_room(columns: int) -> None:
    wrapped = SampleText(sample("abc", word_share=0.7, repeats=True, illegal=3), columns)
    strip = wrapped.draw(0, INKS)
    assert strip.cell_length == columns
    assert "loops · illegal 3" in strip.text
    assert {segment.style for segment in strip if "loops" in segment.text} == {WARNING}


def test_lines_break_after_spaces() -> None:
    assert body("one two three four", 8) == ["one two", "three", "four"]
    assert body("one two three", 7) == ["one two", "three"]  # the space hangs over the edge


def test_newlines_are_real_and_long_words_are_cut() -> None:
    assert body("ab\n\ncd", 20) == ["ab", "", "cd"]
    assert body("x" * 50, 20) == ["x" * 20, "x" * 20, "x" * 10]


@pytest.mark.parametrize("columns", [1, 2, 7, 30])
def test_strange_characters_keep_every_line_in_its_width(columns: int) -> None:
    text = "漢字🦉 e\u0301\u200d\t\x1b[2J\x00\x9b\u202eabc\ud800\r\n👩\u200d👧 " * 3
    wrapped = SampleText(sample(text), columns)
    strips = [wrapped.draw(number, INKS) for number in range(wrapped.height)]
    assert {strip.cell_length for strip in strips} == {columns}
    assert all(cell_len(strip.text) == columns for strip in strips)
    assert not set("\x1b\x00\x9b\u202e\t\r\n") & set("".join(strip.text for strip in strips))


def test_no_character_is_lost() -> None:
    text = "".join(np.random.default_rng(0).choice(list("abc de  \n"), 2000))
    assert "".join(body(text, 17)).replace(" ", "") == text.replace(" ", "").replace("\n", "")


def test_each_character_is_shaded_by_its_probability() -> None:
    probabilities = np.array([0.9, 0.3, 0.05, 0.001, np.nan])
    strip = SampleText(sample("abcde", probability=probabilities), 20).draw(1, INKS)
    styles = {char: segment.style or Style() for segment in strip for char in segment.text}
    ramp = INKS.surprise
    assert [styles[char] for char in "abcde"] == [ramp.styles[level] for level in (0, 1, 4, 6, 0)]
    assert styles["d"].underline
    assert not styles["a"].underline


def test_the_help_says_how_improbable_what_is_underlined_is() -> None:
    probabilities = np.array([0.064, 0.06, 0.0165, 0.015])  # on both sides of 6% and of 1.6%
    strip = SampleText(sample("abcd", probability=probabilities), 20).draw(1, INKS)
    styles = {char: segment.style or Style() for segment in strip for char in segment.text}
    assert [bool(styles[char].underline) for char in "abcd"] == [False, True, True, True]
    assert [bool(styles[char].bold) for char in "abcd"] == [False, False, False, True]


def test_the_prompt_stands_before_the_text_in_its_own_ink() -> None:
    strip = SampleText(sample("lo", prompt="hel"), 20).draw(1, INKS)
    assert strip.text.rstrip() == "hello"
    assert {char: segment.style for segment in strip for char in segment.text}["h"] == PROMPT


@pytest.mark.parametrize("columns", [5, 11, 40])
def test_growing_gives_what_wrapping_at_once_gives(columns: int) -> None:
    text = SENTENCE + "\n\n" + SENTENCE
    grown = SampleText(sample(""), columns, live=True)
    for length in range(0, len(text), 3):
        assert grown.grow(sample(text[:length]), live=True)
    assert grown.grow(sample(text), live=False)
    assert [grown.draw(n, INKS).text for n in range(grown.height)] == lines(text, columns)


def test_another_sample_is_not_grown_into() -> None:
    text = SampleText(sample("abc"), 20, live=True)
    assert not text.grow(sample("abd"), live=True)
    assert not text.grow(sample("abcd", prompt="x"), live=True)
    assert text.sample.text == "abc"


# --- all samples -----------------------------------------------------------------------------


def change_of(log: SampleLog, message: Sample, *, live: bool) -> Change:
    """The effect of a sample that has one."""
    change = log.take(message, live=live)
    assert change is not None
    return change


def test_a_growing_sample_changes_only_its_end() -> None:
    log = SampleLog(40)
    log.take(sample("first", step=1), live=False)
    log.take(sample("ab", step=2), live=True)
    change = change_of(log, sample("abcd", step=2), live=True)
    assert (change.line, change.column, change.heading) == (3, 2, None)
    assert change_of(log, sample("abcd", step=2, temperature=0.5), live=True).heading == 2


def test_a_finished_sample_changes_its_heading_too() -> None:
    log = SampleLog(40)
    log.take(sample("ab"), live=True)
    assert change_of(log, sample("ab", word_share=0.5), live=False).heading == 0
    assert log.take(sample("ab", word_share=0.5), live=False) is None
    assert [kept.word_share for kept in log] == [0.5]


def test_a_sample_that_was_given_up_goes() -> None:
    log = SampleLog(40)
    log.take(sample("finished"), live=False)
    log.take(sample("abc"), live=True)
    log.take(sample("xyz"), live=True)
    assert [kept.text for kept in log] == ["finished", "xyz"]


def test_memory_is_bounded() -> None:
    log = SampleLog(40)
    for step in range(MOST_SAMPLES + 50):
        change = change_of(log, sample(f"sample {step}", step=step), live=False)
    assert len(list(log)) == MOST_SAMPLES
    assert change.dropped == 2
    assert log.height == 2 * MOST_SAMPLES
    assert "sample 50" in log.draw(1, INKS).text


def test_rewrapping_keeps_the_place() -> None:
    log = SampleLog(80)
    for step in range(20):
        log.take(sample(step=step), live=False)
    line = next(line for line in range(log.height) if "step 12" in log.draw(line, INKS).text)
    line = log.rewrap(20, line)
    assert "step 12" in log.draw(line, INKS).text


# --- the pane --------------------------------------------------------------------------------


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> OnePane[SamplesPane]:
    monkeypatch.delenv("NO_COLOR", raising=False)
    return OnePane(SamplesPane())


def write(app: OnePane[SamplesPane], text: str, **changes: Any) -> None:
    app.pane.show(dataclasses.replace(app.link.snapshot(), sample=sample(text, **changes)))


def finish(app: OnePane[SamplesPane], text: str, **changes: Any) -> None:
    app.pane.hear(SampleFinished(sample(text, complete=True, **changes)))


def inside(app: OnePane[SamplesPane]) -> list[str]:
    """What is in view, without the scroll bar."""
    return [app.pane.render_line(y).text.rstrip() for y in range(app.pane.scrollable_content_region.height)]


async def test_text_streams_in(app: OnePane[SamplesPane]) -> None:
    async with app.run_test(size=(60, 12)) as pilot:
        for length in (0, 3, 30, len(SENTENCE)):
            write(app, SENTENCE[:length])
            await pilot.pause()
            assert "".join(inside(app)[1:]).replace(" ", "") == SENTENCE[:length].replace(" ", "") + "▌"


async def test_nothing_is_left_of_a_sample_that_gives_way_to_a_shorter_one(app: OnePane[SamplesPane]) -> None:
    async with app.run_test(size=(60, 12)) as pilot:
        write(app, SENTENCE * 4, step=1)
        await pilot.pause()
        assert "Marrow" in text_of(app)
        write(app, "Gulls", step=2)
        await pilot.pause()
        assert "Gulls" in text_of(app)
        assert "Marrow" not in text_of(app)


async def test_only_the_line_that_is_written_is_drawn(app: OnePane[SamplesPane]) -> None:
    async with app.run_test(size=(60, 16)) as pilot:
        finish(app, SENTENCE, step=1)
        write(app, "ab", step=2)
        await pilot.pause()
        drawn = redrawn(app.pane)
        write(app, "abcdef", step=2)
        write(app, "abcdef", step=2)
        assert set(drawn) == {4}


async def test_neither_another_moment_nor_a_longer_text_lays_the_screen_out_again(
    app: OnePane[SamplesPane], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A layout draws the whole screen, which took half of the time of each moment."""
    async with app.run_test(size=(60, 12)) as pilot:
        finish(app, SENTENCE * 8, step=1)
        await pilot.pause()
        layouts: list[bool] = []
        refresh = app.pane.refresh

        def noting(*regions: Region, layout: bool = False, **options: Any) -> Any:
            layouts.append(layout)
            return refresh(*regions, layout=layout, **options)

        monkeypatch.setattr(app.pane, "refresh", noting)
        for moment, text in ((4, SENTENCE), (3, SENTENCE * 9), (2, ""), (1, "Gulls")):
            app.pane.look_at(moment)
            for length in (len(text) // 2, len(text)):
                write(app, text[:length], step=moment)
                await pilot.pause()
                assert f"step {moment}" in inside(app)[0]
                shown = "".join(inside(app)[1:]).replace(" ", "")
                assert (text[:length].replace(" ", "") + "▌").startswith(shown)
                assert shown
            bar = app.pane.vertical_scrollbar
            assert bar.window_virtual_size == app.pane.virtual_size.height
            assert (app.pane.max_scroll_y > 0) == (moment == 3)
        assert layouts
        assert True not in layouts


async def test_earlier_samples_are_above_and_the_newest_is_in_view(app: OnePane[SamplesPane]) -> None:
    async with app.run_test(size=(60, 14)) as pilot:
        for step in range(30):
            finish(app, f"{step}: {SENTENCE}", step=step)
        await pilot.pause()
        shown = "\n".join(inside(app))
        assert "step 29" in shown
        assert shown.index("step 28") < shown.index("step 29")


async def test_scrolling_back_stays_there_and_end_follows_again(app: OnePane[SamplesPane]) -> None:
    async with app.run_test(size=(60, 12)) as pilot:
        for step in range(30):
            finish(app, f"{step}: {SENTENCE}", step=step)
        await pilot.press("home")
        assert "step 0" in inside(app)[0]
        before = inside(app)
        for step in range(30, 60):
            finish(app, f"{step}: {SENTENCE}", step=step)
        await pilot.pause()
        assert inside(app) == before
        assert "end" in app.upper_border
        await pilot.press("end")
        assert "step 59" in "\n".join(inside(app))
        assert app.upper_border == "Samples"


@pytest.mark.parametrize(("there", "back"), [("up", "down"), ("pageup", "pagedown")])
async def test_keys_scroll(app: OnePane[SamplesPane], there: str, back: str) -> None:
    async with app.run_test(size=(60, 12)) as pilot:
        for step in range(30):
            finish(app, f"{step}: {SENTENCE}", step=step)
        await pilot.pause()
        end = app.pane.scroll_offset.y
        await pilot.press(*[there] * 9)
        assert app.pane.scroll_offset.y < end
        assert "end" in app.upper_border
        await pilot.press(*[back] * 9)
        assert app.upper_border == "Samples"


async def test_what_is_read_stays_in_place_when_the_oldest_go(app: OnePane[SamplesPane]) -> None:
    async with app.run_test(size=(60, 12)) as pilot:
        for step in range(MOST_SAMPLES):
            finish(app, "x", step=step)
        await pilot.press("home")
        app.pane.action_move(40)
        before = inside(app)
        for step in range(10):
            finish(app, "y", step=1000 + step)
        await pilot.pause()
        assert inside(app) == before


async def test_a_long_sample_is_followed_to_its_end(app: OnePane[SamplesPane]) -> None:
    text = "\n".join(f"line {number}" for number in range(100))
    async with app.run_test(size=(60, 12)) as pilot:
        for length in range(0, len(text) + 1, 20):
            write(app, text[:length])
            assert any("▌" in line for line in inside(app))
        write(app, text)
        await pilot.pause()
        assert "line 99▌" in inside(app)


async def test_another_width_wraps_again(app: OnePane[SamplesPane]) -> None:
    async with app.run_test(size=(60, 20)) as pilot:
        write(app, SENTENCE)
        await pilot.resize_terminal(30, 20)
        await pilot.pause()
        shown = inside(app)
        assert max(map(cell_len, shown)) <= 27
        assert " ".join(line.strip() for line in shown[1:]).rstrip() == SENTENCE + "▌"


async def test_samples_heard_while_hidden_are_there_later(app: OnePane[SamplesPane]) -> None:
    async with app.run_test(size=(60, 12)) as pilot:
        app.pane.display = False
        await pilot.pause()
        for step in range(5):
            finish(app, f"{step}: {SENTENCE}", step=step)
        app.pane.display = True
        await pilot.pause()
        assert "step 4" in "\n".join(inside(app))


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("t", SamplingSettings(0.7)),
        ("TT", SamplingSettings(1.0)),
        ("w", SamplingSettings(top_k=50)),
        ("wwW", SamplingSettings(top_k=50)),
        ("wW", SamplingSettings(top_k=0)),
        ("e", SamplingSettings(top_p=0.98)),
        ("eeE", SamplingSettings(top_p=0.98)),
        ("twe", SamplingSettings(0.7, 50, 0.98)),
    ],
)
async def test_keys_turn_the_settings_that_hold(
    app: OnePane[SamplesPane], keys: str, expected: SamplingSettings
) -> None:
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.press(*keys)  # faster than the run answers
        await pilot.pause()
        assert app.link.sampling == expected


async def test_the_border_says_what_the_run_says(app: OnePane[SamplesPane]) -> None:
    async with app.run_test(size=(60, 12)) as pilot:
        assert app.lower_border == ""  # nothing is known yet
        app.answer()
        assert app.lower_border == "T 0.8 · top-k all · top-p 1"
        await pilot.press("w")
        await pilot.pause()
        assert app.lower_border == "T 0.8 · top-k all · top-p 1"  # until the run has obeyed
        app.answer()
        assert app.lower_border == "T 0.8 · top-k 50 · top-p 1"
        app.link.send(SetSampling(temperature=0.0))  # by another viewer
        app.answer()
        assert app.lower_border == "greedy"
        app.pane.show(dataclasses.replace(app.link.snapshot(), sampling=None))
        assert app.lower_border == ""


async def test_samples_go_on_from_the_typed_prompt(app: OnePane[SamplesPane]) -> None:
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.press("P")  # nothing was typed yet
        assert app.commands == []
        app.link.view = View(prompt="the lamp")
        for expected in ("the lamp", ""):
            app.answer()
            await pilot.press("P")
            await pilot.pause()
            assert app.commands[-1] == SetSampling(prompt=expected)


async def test_a_new_run_starts_empty(app: OnePane[SamplesPane]) -> None:
    async with app.run_test(size=(60, 12)) as pilot:
        finish(app, SENTENCE)
        await pilot.pause()
        assert "Marrow" in text_of(app)
        app.pane.begin(app.link.info)
        await pilot.pause()
        assert not "".join(inside(app)).strip()


async def test_improbable_characters_stand_out_without_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = OnePane(SamplesPane())
    async with app.run_test(size=(60, 12)) as pilot:
        write(app, "ab", probability=np.array([0.9, 0.01]))
        await pilot.pause()
        styles = {char: style for char, style in app.characters(1) if char in "ab"}
        assert styles["b"].underline
        assert not styles["a"].underline
