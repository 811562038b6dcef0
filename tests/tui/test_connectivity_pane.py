"""What a prediction rests on: the prompt's editor, its colours, and the pane that walks through it."""

from __future__ import annotations

import dataclasses
import string
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike
from rich.cells import cell_len
from textual import events
from textual.geometry import Offset

from engine.session.messages import LONGEST_PROMPT, Answers, Candidate, Connectivity
from tests.tui.fake_run import FakeLink
from tests.tui.on_screen import dashboard, text_of, until
from tests.tui.one_pane import OnePane, redrawn
from tui.panes.connectivity import ConnectivityPane
from tui.panes.typed import Prompt
from tui.rendering.attribution import Attribution, Glyph, attribution, fold, tenth
from tui.rendering.numbers import bar, sparkline
from tui.terminal.input_parser import InputParser

SIZES = [(40, 8), (80, 20), (120, 44)]


@pytest.fixture(autouse=True)
def many_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)


def answer(prompt: str, matrix: ArrayLike | None = None, **changes: Any) -> Connectivity:
    """About `prompt`; by default every character counts twice as much as the one before it."""
    size = len(prompt)
    if matrix is None:
        matrix = np.tril(2.0 ** np.arange(size) * np.ones((size, 1)))
    message = Connectivity(
        step=10,
        prompt=prompt,
        skipped="",
        mode="logit",
        matrix=np.asarray(matrix, dtype=float),
        targets=(*prompt[1:], "x"),
        target_kind=("actual",) * (size - 1) + ("probable",),
        candidates=((Candidate("x", 0.9), Candidate("y", 0.06), Candidate(" ", 0.001)),) * size,
        reach=1.0,
    )
    return dataclasses.replace(message, **changes)


def pane_with(text: str = "") -> OnePane[ConnectivityPane]:
    """An app whose network knows ASCII letters and what stands in `text`, and one to show answers with."""
    link = FakeLink()
    link.info = dataclasses.replace(link.info, vocabulary=tuple(sorted({*string.ascii_letters, " ", *text} - {"ß"})))
    return OnePane(ConnectivityPane(), link)


def show(app: OnePane[ConnectivityPane], message: Connectivity, **changes: Any) -> None:
    app.pane.show(dataclasses.replace(app.link.snapshot(), connectivity=message, **changes))


# --- what a prediction rests on ------------------------------------------------------------


def read(message: Connectivity, position: int) -> Attribution:
    reading = attribution(message, position)
    assert reading is not None
    return reading


def test_shares_are_of_the_largest_that_came_before() -> None:
    reading = read(answer("abcd"), 2)
    np.testing.assert_allclose(reading.shares, [0.25, 0.5, 1.0])
    assert reading.largest == 4.0
    assert reading.target == "d"
    assert reading.reach == pytest.approx((0.25 * 2 + 0.5 * 1) / 1.75)


def test_nothing_at_all_and_numbers_out_of_bounds_are_read() -> None:
    zero = read(answer("ab", np.zeros((2, 2))), -1)
    assert zero.largest == 0
    assert zero.shares.tolist() == [0, 0]
    broken = read(answer("ab", np.array([[1, 0], [np.inf, np.nan]])), -1)
    assert broken.shares.tolist() == [1, 0]
    assert attribution(answer(""), -1) is None


def test_tenths_tell_nothing_from_little() -> None:
    assert [tenth(share) for share in (0.0, 1e-9, 0.1, 0.55, 0.999, 1.0)] == [" ", "·", "1", "5", "9", "9"]


def test_fold_counts_cells_not_characters() -> None:
    rows = fold([Glyph(char) for char in "ab漢字c"], 4)
    assert ["".join(glyph.char for glyph in row) for row in rows] == ["ab漢", "字c"]


def test_bars_and_curves() -> None:
    assert bar(0.5, 10) == "█████"
    assert bar(0.01, 10) == "▏"
    assert bar(0.0, 10) == ""
    assert bar(2.0, 3) == "███"
    assert sparkline([1, 2, 4, 8], 4) == "▂▃▅█"
    assert len(sparkline(range(1000), 20)) == 20
    assert sparkline([0.0, 0.0], 4) == "▁▁"


# --- the line editor -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "text", "caret"),
    [
        (["left", "left", "backspace"], "one two thee", 10),
        (["home", "delete", "right", "ctrl+d"], "n two three", 1),
        (["ctrl+left", "ctrl+w"], "one three", 4),
        (["ctrl+left", "ctrl+left", "ctrl+k"], "one ", 4),
        (["home", "ctrl+right", "ctrl+u"], " two three", 0),
        (["ctrl+a", "backspace", "left", "ctrl+e", "right", "delete"], "one two three", 13),
        (["ctrl+w", "ctrl+w", "ctrl+w", "ctrl+w", "ctrl+j"], "\n", 1),
    ],
)
def test_editing(keys: list[str], text: str, caret: int) -> None:
    prompt = Prompt()
    prompt.insert("one two three")
    for key in keys:
        assert prompt.knows(key)
        prompt.press(key)
    assert (prompt.text, prompt.caret) == (text, caret)


def test_pasted_line_breaks_stay_and_the_longest_prompt_ends() -> None:
    prompt = Prompt()
    prompt.insert("a\r\nb\rc")
    assert prompt.text == "a\nb\nc"
    prompt.insert("x" * 2 * LONGEST_PROMPT)
    assert len(prompt.text) == LONGEST_PROMPT


# --- pane: typing --------------------------------------------------------------------------


async def test_letters_are_text_while_typing_and_keys_afterwards() -> None:
    app = pane_with()
    async with app.run_test(size=(60, 12)) as pilot:
        app.pane.focus_prompt()
        await pilot.press("m", "o", "space", "t")
        await pilot.pause()
        assert [change["prompt"] for change in app.changes if "prompt" in change] == ["m", "mo", "mo ", "mo t"]
        assert app.changes[-1] == {"prompt": "mo t", "position": -1, "candidate": ""}
        await pilot.press("enter", "k")
        await pilot.pause()
        assert app.changes[-1] == {"mode": "squared"}
        await pilot.press("enter", "m", "escape", "o")
        await pilot.pause()
        assert app.link.view.prompt == "mo tm"
        assert app.link.view.occlusion


async def test_typed_text_is_there_at_once_and_what_stood_before_keeps_its_colours() -> None:
    app = pane_with()
    async with app.run_test(size=(60, 12)) as pilot:
        app.pane.focus_prompt()
        await pilot.press(*"abc")
        assert "› abc" in app.text()
        show(app, answer("abc"))
        coloured = app.characters(1)[2:5]
        await pilot.press("d")
        assert "› abcd" in app.text()
        assert app.characters(1)[2:5] == coloured
        assert app.characters(1)[5][1].bgcolor == app.characters(1)[20][1].bgcolor  # no colour yet


async def test_a_caret_is_drawn_where_the_next_letter_goes() -> None:
    app = pane_with()
    async with app.run_test(size=(60, 12)) as pilot:
        app.pane.focus_prompt()
        await pilot.press(*"abc", "left")
        reversed_cells = [char for char, style in app.characters(1) if style.reverse]
        assert reversed_cells == ["c"]
        assert app.cursor_position == app.pane.content_region.offset + Offset(4, 1)


async def test_the_picture_follows_the_caret() -> None:
    app = pane_with()
    async with app.run_test(size=(60, 12)) as pilot:
        app.pane.focus_prompt()
        await pilot.press(*"aßcd", "left")
        await pilot.pause()
        assert app.changes[-1] == {"position": 1, "candidate": ""}  # the c: the network does not know ß
        show(app, answer("acd"))
        assert "‹c› → ‹d› actual" in app.lines()[0]
        await pilot.press("x")
        await pilot.pause()
        assert app.changes[-1] == {"prompt": "aßcxd", "position": 2, "candidate": ""}
        await pilot.press("home")
        await pilot.pause()
        assert app.link.view.position == 0
        await pilot.press("end")
        await pilot.pause()
        assert app.link.view.position == -1


async def test_a_paste_is_taken_whole_and_harmless() -> None:
    app = pane_with()
    async with app.run_test(size=(60, 12)) as pilot:
        app.pane.focus_prompt()
        app.pane.post_message(events.Paste("a\tb\nc\x1b[31m"))
        await pilot.pause()
        assert app.changes[-1]["prompt"] == "a\tb\nc\x1b[31m"
        assert "a⇥b⏎c␛[31m" in app.text()


# Python calls none of these printable: spaces of other scripts, joiners, a soft hyphen, separators, a selector, a tag,
# a direction mark, a private character, a byte order mark, one that has no meaning yet.
UNPRINTABLE = "\u3000\xa0\u2009\u200c\u200d\xad\u2028\u2029\ufe0f\U000e0061\u200e\ue000\ufeff\U0003fffd"


async def test_all_text_can_be_typed_as_it_can_be_pasted() -> None:
    typed = UNPRINTABLE + "e\u0301👩\u200d👧🇩🇪漢字नि"
    app = pane_with()
    async with app.run_test(size=(60, 12)) as pilot:
        app.pane.focus_prompt()
        for event in InputParser().feed(typed):
            assert isinstance(event, events.Key)
            app.post_message(event)
        await pilot.pause()
        assert app.changes[-1]["prompt"] == typed
        app.pane.post_message(events.Paste(typed))
        await pilot.pause()
        assert app.changes[-1]["prompt"] == typed * 2


async def test_a_key_with_alt_or_a_control_character_is_no_text() -> None:
    app = pane_with()
    async with app.run_test(size=(60, 12)) as pilot:
        app.pane.focus_prompt()
        for key, character in (
            ("alt+a", "a"),
            ("alt+left_square_bracket", "["),
            ("alt+ctrl+a", "a"),
            ("super+a", "a"),
            ("ctrl+at", "\x00"),
            ("ctrl+g", "\x07"),
            ("\x9b", "\x9b"),
            ("f5", None),
        ):
            app.post_message(events.Key(key, character))
        await pilot.press("b")
        await pilot.pause()
        assert app.changes[-1]["prompt"] == "b"


async def test_only_a_paste_that_was_cut_is_said_to_be_cut() -> None:
    app = pane_with()
    async with app.run_test(size=(60, 12), notifications=True) as pilot:
        app.pane.focus_prompt()
        app.pane.post_message(events.Paste("two\r\nlines\rand\nmore"))
        await pilot.pause()
        assert app.changes[-1]["prompt"] == "two\nlines\nand\nmore"
        assert not app._notifications
        app.pane.post_message(events.Paste("x" * (1 << 20)))
        await pilot.pause()
        assert len(app.changes[-1]["prompt"]) == LONGEST_PROMPT
        assert len(app._notifications) == 1


async def test_without_the_focus_nothing_is_typed() -> None:
    app = pane_with()
    async with app.run_test(size=(60, 12)) as pilot:
        app.pane.focus_prompt()
        await pilot.press("a")
        app.screen.set_focus(None)
        await pilot.pause()
        app.pane.focus()
        await pilot.press("k")
        await pilot.pause()
        assert app.link.view.prompt == "a"
        assert app.link.view.mode == "squared"


# --- pane: the picture ---------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("no_color", [False, True])
async def test_every_character_has_its_share_with_and_without_colour(
    size: tuple[int, int], no_color: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    app = pane_with()
    async with app.run_test(size=size):
        show(app, answer("abcde"))
        head, text, digits = app.lines()[:3]
        assert "‹e› → ‹x› probable" in head
        assert "max 16" in head
        assert text.strip() == "› abcdex"
        assert digits.rstrip() == "  ·1259▲"
        looks = [style for char, style in app.characters(1) if char in "abcde"]
        assert looks[0] != looks[-1]
        assert "▸x 90%" in app.text()
        assert all(cell_len(line) == app.pane.size.width for line in app.lines())


async def test_walking_shows_what_each_prediction_rested_on() -> None:
    app = pane_with()
    async with app.run_test(size=(60, 12)) as pilot:
        show(app, answer("abcd"))
        await pilot.press("left", "left")
        await pilot.pause()
        assert app.changes[-1] == {"position": 1, "candidate": ""}
        assert "‹b› → ‹c› actual" in app.lines()[0]
        assert app.lines()[2].rstrip() == "  59▲"  # c is asked about, d does not count
        await pilot.press("home", "left")
        await pilot.pause()
        assert app.link.view.position == 0
        await pilot.press("end")
        await pilot.pause()
        assert app.link.view.position == -1


async def test_asking_about_another_candidate_goes_round_and_ends_with_the_step() -> None:
    app = pane_with()
    async with app.run_test(size=(60, 12)) as pilot:
        show(app, answer("abcd"))
        await pilot.press("down")
        await pilot.pause()
        assert app.link.view.candidate == "y"  # x is asked about anyway: the key goes past it
        assert "Asking about ‹y›" in app.text()
        show(app, answer("abcd", targets=("b", "c", "d", "y"), target_kind=("actual",) * 3 + ("picked",)))
        assert "‹d› → ‹y› picked" in app.lines()[0]
        assert "Asking" not in app.text()
        await pilot.press("up")
        await pilot.pause()
        assert app.link.view.candidate == ""
        await pilot.press("up", "left")
        await pilot.pause()
        assert app.changes[-2]["candidate"] == " "
        assert app.changes[-1] == {"position": 2, "candidate": ""}


async def test_the_character_that_follows_is_one_more_candidate_where_it_is_none_of_them() -> None:
    app = pane_with()
    async with app.run_test(size=(60, 12)) as pilot:
        show(app, answer("abcd"))
        await pilot.press("left", "down")  # d follows, which is none of x, y and the space
        await pilot.pause()
        assert app.link.view.candidate == "x"
        await pilot.press("down", "down", "down")
        await pilot.pause()
        assert app.link.view.candidate == ""


async def test_unknown_characters_are_reported_in_the_open() -> None:
    app = pane_with()
    async with app.run_test(size=(60, 12)) as pilot:
        app.pane.focus_prompt()
        await pilot.press("a", "ß", "b")
        assert "Left out, not in the training text: ß" in app.text()
        show(app, answer("ab"))
        assert app.lines()[2].rstrip() == "  5×9 ▲"  # the caret stands between
        assert "Left out, not in the training text: ß" in app.text()


async def test_invisible_characters_are_told_apart_where_they_stand_by_themselves() -> None:
    strange = "\u200c\u200d\xa0\U000e0061\u2028"
    candidates = tuple(Candidate(char, 0.2 - 0.01 * place) for place, char in enumerate(strange))
    for size in ((60, 9), (34, 16), (60, 16)):
        app = pane_with("\xad" + strange)
        async with app.run_test(size=size):
            app.pane.suggest("a\xad")
            show(app, answer("a\xad", targets=("\xad", "\u200c"), candidates=(candidates,) * 2))
            assert "‹◌U+00AD› → ‹◌U+200C› probable" in app.text()
            assert "◌U+200C 20%" in app.text()
            lines = [line for line in app.lines() if "%" in line]
    assert [line.split()[0].strip("▸") for line in lines] == ["◌U+200C", "◌U+200D", "␣U+00A0", "◌U+E0061", "␤U+2028"]
    assert len({line.index("█") for line in lines}) == 1, "the bars begin in one column"


async def test_characters_left_out_are_told_apart_too() -> None:
    app = pane_with()
    async with app.run_test(size=(60, 12)) as pilot:
        app.pane.focus_prompt()
        app.pane.post_message(events.Paste("ß\u200c\u200d\xa0"))
        await pilot.pause()
        assert "Left out, not in the training text: ß ◌U+200C ◌U+200D" in app.text()
        assert "␣U+00A0" in app.text()


async def test_the_prompt_of_a_run_is_taken_until_one_is_typed() -> None:
    app = pane_with()
    async with app.run_test(size=(60, 12)) as pilot:
        assert "Press p" in app.text()
        show(app, answer("given"))
        assert "› given" in app.text()
        app.pane.focus_prompt()
        await pilot.press("x")
        show(app, answer("given"))
        assert "› x" in app.text()
        assert "given" not in app.text()


async def test_a_prompt_that_was_typed_before_is_there_again() -> None:
    link = FakeLink()
    link.info = dataclasses.replace(link.info, prompt="the lamp")
    async with dashboard(link) as (app, _, pilot):
        assert link.view.prompt == "the lamp"
        await until(pilot, lambda: "› the lamp" in text_of(app))
        await pilot.press("p", "s", "escape")
        assert link.view.prompt == "the lamps"
        app.dashboard.begin(dataclasses.replace(link.info, prompt=""), is_remote=False)
        assert app.dashboard.query_one(ConnectivityPane).prompt.text == ""


async def test_the_prompt_of_a_run_can_be_edited() -> None:
    app = pane_with()
    async with app.run_test(size=(60, 12)) as pilot:
        show(app, answer("given"))
        app.pane.focus_prompt()
        await pilot.press("backspace", "x")
        await pilot.pause()
        assert app.link.view.prompt == "givex"


async def test_a_prediction_that_rests_on_nothing_is_called_so() -> None:
    app = pane_with()
    async with app.run_test(size=(60, 12)):
        show(app, answer("ab", np.zeros((2, 2))))
        assert "Every connection is exactly zero" in app.text()


@pytest.mark.parametrize(
    ("correlation", "words"),
    [(0.92, "the check agrees."), (0.5, "in part"), (-0.1, "do not trust this picture"), (None, "cannot be ranked")],
)
async def test_the_check_stands_beneath_and_says_when_not_to_trust(correlation: float | None, words: str) -> None:
    app = pane_with()
    async with app.run_test(size=(70, 14)) as pilot:
        show(app, answer("abc"))
        await pilot.press("o")
        assert "Checking" in app.text()
        effect = np.array([4.0, 0.0, 1.0])
        show(app, answer("abc", focus=2, occlusion=effect, rank_correlation=correlation))
        assert app.lines()[3].rstrip() == "≠ 9 2"
        assert words in app.text()
        if correlation is not None:
            assert "Of 1 of 3 characters the effect is too small to measure." in " ".join(app.text().split())


async def test_now_stands_above_the_moment() -> None:
    app = pane_with()
    async with app.run_test(size=(90, 18)):
        app.pane.look_at(10)
        show(app, answer("abc"), now=Answers(connectivity=answer("abc", np.tril(np.ones((3, 3))), step=990)))
        assert "now, step 990" in app.lines()[0]
        marked = [line for line in app.lines() if line.startswith(("●", "○"))]
        assert marked[0].startswith("● abcx")
        assert marked[1].startswith("○ step 10")
        assert marked[2].startswith("○ abcx")
        digits = [line.strip() for line in app.lines() if "▲" in line][:2]
        assert digits == ["999▲", "259▲"]
        show(app, answer("abc"))
        assert "○" not in app.text()
        assert "weights of step 10" in app.lines()[0]


async def test_now_and_the_moment_stand_in_the_same_columns() -> None:
    """Also where characters that the network does not know stand between those that it reads."""
    app = pane_with()
    async with app.run_test(size=(60, 18)) as pilot:
        app.pane.action_type()
        app.pane.post_message(events.Paste("aßßbc"))
        await pilot.press("enter")
        app.pane.look_at(10)
        show(app, answer("abc"), now=Answers(connectivity=answer("abc", step=990)))
        marked = [line for line in app.lines() if line.startswith(("●", "○"))]
        assert marked[0][1:].split()[0] == marked[2][1:].split()[0]
        digits = [line for line in app.lines() if "▲" in line][:2]
        assert digits[0].index("▲") == digits[1].index("▲")


@pytest.mark.parametrize("size", SIZES)
async def test_a_long_prompt_of_any_characters_keeps_its_columns(size: tuple[int, int]) -> None:
    prompt = "漢字🦉\te\u0301\n\x00\u202e" * 12
    app = pane_with(prompt)
    async with app.run_test(size=size):
        show(app, answer(prompt))
        for _ in range(3):
            assert all(cell_len(line) == app.pane.size.width for line in app.lines())
            assert any("▲" in line for line in app.lines())
            assert not any(char in app.text() for char in "\t\x00\u202e")
            app.pane.action_walk(-30)


async def test_equal_answers_draw_nothing() -> None:
    app = pane_with()
    async with app.run_test(size=(60, 12)) as pilot:
        show(app, answer("abc"))
        await pilot.pause()
        drawn = redrawn(app.pane)
        show(app, answer("abc"))
        assert drawn == []
        show(app, answer("abc", np.tril(np.ones((3, 3)))))
        assert drawn == [0, 1, 2]


@pytest.mark.parametrize(
    ("width", "label"),
    [
        (90, "reach on held-out text, over the training (within 100 characters)"),
        (70, "reach on held-out text (within 100 characters)"),
        (50, "reach (within 100 characters)"),
        (34, "reach within 100"),
    ],
)
async def test_the_reach_on_held_out_text_has_its_window_and_its_error(width: int, label: str) -> None:
    app = pane_with()
    async with app.run_test(size=(width, 20)):
        history = dataclasses.replace(
            app.link.history(),
            reach_step=np.array([100, 200]),
            reach=np.array([2.0, 7.75]),
            reach_se=np.array([0.1, 0.42]),
        )
        show(app, answer("abc"), history=history)
        assert f"{label}: ▃█ 7.8 ± 0.4" in app.text()
