"""What the terminal sends, as keys and as text: whatever is pasted is text, and no key."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.events import Paste
from textual.message import Message

from tui.terminal.input_parser import LONGEST_HOLD, MOST_CHARACTERS, OVERDUE, QUIET, InputParser

START, END = "\x1b[200~", "\x1b[201~"


class Typist:
    """Sends characters to a parser, which hears of the time only from here."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch | None = None) -> None:
        self._now = 0.0
        if monkeypatch is not None:  # then Textual's part hears of the same time
            monkeypatch.setattr("textual._parser.get_time", lambda: self._now)
        self._parser = InputParser(lambda: self._now)
        self.got: list[str] = []  # pastes as they are, keys in angle brackets

    def send(self, *reads: str) -> Typist:
        """What arrives at once, in several reads."""
        for read in reads:
            self._note(self._parser.feed(read))
            self._note(self._parser.tick())
        return self

    def wait(self, seconds: float) -> Typist:
        self._now += seconds
        self._note(self._parser.tick())
        return self

    def _note(self, events: Iterator[Message]) -> None:
        for event in events:
            self.got.append(event.text if isinstance(event, Paste) else f"<{getattr(event, 'key', event)}>")


def pasted(*reads: str) -> list[str]:
    """What comes of these reads and the silence after them."""
    return Typist().send(*reads).wait(QUIET).got


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "\x1b",
        "\x1b]]]",
        "red \x1b[31mtext\x1b[0m q",
        "\x1b\x1b\x1b[2q",
        "\x1bOP\x1b[A\x1b[<0;5;5M\x1b[I\x1b[O",
        "\x1b[97;5u\x1b[48;1;1;1;1t",
        "nul \x00 bell \x07 rub \x7f cr \r ctrl+c \x03 ctrl+q \x11",
        "c1 \x9b31m \x85 \x90",
        "\x1b" * 40 + "q",
        START,
        f"a{START}b",
        "half a marker \x1b[201 \x1b[20 \x1b[ \x1b",
        "漢字 👩\u200d👧 e\u0301 \u200c\u3000\xa0\xad\u2028\U000e0061\ue000",
        "two\nlines\r\nthree",
    ],
)
def test_a_paste_is_text_to_its_end_whatever_is_in_it(text: str) -> None:
    assert pasted(START + text + END) == [text]
    assert pasted(*(START + text + END)) == [text], "one character a read"


def test_where_the_reads_divide_a_paste_does_not_matter() -> None:
    whole = f"p{START}some \x1b[1mtext{END}"
    for cut in range(1, len(whole)):
        assert pasted(whole[:cut], whole[cut:]) == ["<p>", "some \x1b[1mtext"], cut


def test_an_end_marker_that_was_copied_does_not_end_the_paste() -> None:
    assert pasted(f"{START}a{END}qx]{END}") == [f"a{END}qx]"]
    assert pasted(f"{START}a{END}", "q", f"x]{END}") == [f"a{END}qx]"]
    assert pasted(f"{START}a{END}qx{START}]{END}") == [f"a{END}qx{START}]"]
    assert pasted(f"{START}{END}{END}q{END}") == [f"{END}{END}q"]


def test_keys_after_a_paste_are_keys() -> None:
    assert pasted(f"{START}a{END}\rq") == ["a", "<enter>", "<q>"]
    assert Typist().send(f"{START}a{END}").wait(QUIET).send("q").got == ["a", "<q>"]
    assert pasted(f"{START}a{END}{START}b{END}\x1b[A") == ["ab", "<up>"]
    assert pasted("]", "[", f"{START}{END}", "q") == ["<right_square_bracket>", "<left_square_bracket>", "<q>"]


def test_a_paste_is_not_held_back_for_ever_by_what_comes_behind_it() -> None:
    typist = Typist().send(f"{START}a{END}")
    for _ in range(round(LONGEST_HOLD / 0.05) + 1):
        typist.wait(0.05).send("\x1b[A")
    assert typist.got[:2] == ["a", "<up>"]


def test_a_marker_that_comes_late_in_two_parts_types_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    typist = Typist(monkeypatch).send("\x1b[").wait(1)  # Textual gave up waiting for the rest of a key
    typist.got.clear()
    assert typist.send("200~", f"]q{END}").wait(QUIET).got == ["]q"]


def test_a_paste_that_stops_half_way_goes_on_as_text() -> None:
    typist = Typist().send(f"{START}first \x1b[20").wait(OVERDUE)
    assert typist.got == ["first "]
    typist.send("qx]").wait(OVERDUE).send(f" last{END}").wait(QUIET)
    assert "".join(typist.got) == "first \x1b[20qx] last"


@pytest.mark.parametrize(
    ("sent", "key"), [("\x03", "<ctrl+c>"), ("\x11", "<ctrl+q>"), ("\x1b[27u", "<escape>"), ("\x1b[A", "<up>")]
)
def test_a_paste_that_never_ends_is_left_with_a_command_key(sent: str, key: str) -> None:
    typist = Typist().send(f"{START}lost").wait(OVERDUE).send("\x03\x1b").wait(0.01)
    assert "<ctrl+c>" in typist.got
    typist = Typist().send(f"{START}lost").wait(OVERDUE).send(sent, "q")
    assert typist.got == ["lost", key, "<q>"]


def test_a_late_end_marker_is_no_command_key() -> None:
    assert Typist().send(f"{START}late").wait(OVERDUE).send(END).wait(QUIET).send("q").got == ["late", "<q>"]


def test_of_a_paste_without_end_no_more_is_kept_than_fits() -> None:
    typist = Typist().send(START, *["x" * 100_000] * 30, END).wait(QUIET)
    assert [len(text) for text in typist.got] == [MOST_CHARACTERS]


def test_what_an_input_method_writes_at_once_comes_as_single_characters() -> None:
    text = "你好世界一二三"
    codes = ":".join(str(ord(char)) for char in text)
    assert Typist().send(f"\x1b[0;;{codes}:8205u").got == [*(f"<{char}>" for char in text), "<zero_width_joiner>"]


@pytest.mark.parametrize("sequence", ["\x1b[1114112u", "\x1b[0;;99999999999u", "\x1b[97:65;2u", "\x1b[48;0;0;0;0t"])
def test_a_sequence_that_no_one_can_read_is_left_out(sequence: str) -> None:
    typist = Typist().send(sequence, "\x1b[<0;5;5M", "q")
    assert typist.got[-1] == "<q>"
    assert not any(got in ("<left_square_bracket>", "<u>", "<t>") for got in typist.got)


def test_alt_with_a_key_is_never_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for char in "[]{}q .":
        (key,) = Typist(monkeypatch).send(f"\x1b{char}").wait(1).got
        assert key.startswith("<alt+"), char


PIECES = st.lists(st.sampled_from([*"aq]\x1b[201~\x00\r", START, END]), max_size=40)


@given(PIECES, st.lists(st.integers(1, 60), max_size=4))
def test_no_paste_and_no_division_of_it_into_reads_gives_keys(pieces: list[str], cuts: list[int]) -> None:
    text = "".join(pieces)
    whole, places = START + text + END, sorted(set(cuts))
    reads = [whole[start:end] for start, end in zip([0, *places], [*places, len(whole)], strict=True)]
    assert "".join(pasted(*filter(None, reads))) == text.replace(END + START, "")


@given(st.text(min_size=1, max_size=60))
def test_no_input_ends_the_parser(text: str) -> None:
    parser = InputParser()
    for event in [*parser.feed(text), *parser.tick(), *parser.feed("\x1b[48;24;80;0;0t\x1b[<0;3;3M")]:
        assert isinstance(event, Message)


ANSWERS = {
    "attributes": "\x1b[?62;1;4c",
    "more attributes": "\x1b[>41;354;0c",
    "state": "\x1b[0n",
    "light or dark": "\x1b[?997;1n",
    "place": "\x1b[?1;1;1R",
    "keyboard": "\x1b[?1u",
    "mode": "\x1b[4;2$y",
    "size in cells": "\x1b[8;24;80t",
    "size in pixels": "\x1b[4;600;800t",
    "parameters": "\x1b[2;1;1;128;128;1;0x",
}
STRING_ANSWERS = {
    "colour": "\x1b]11;rgb:0000/0000/0000\x1b\\",
    "colour with a bell": "\x1b]10;rgb:ffff/ffff/ffff\x07",
    "clipboard": "\x1b]52;c;cXVpdCBxcXFx\x07",
    "version": "\x1bP>|tmux 3.4 q\x1b\\",
    "unit": "\x1bP!|00000000\x1b\\",
    "setting": "\x1bP1$r0m\x1b\\",
    "title": "\x1b]lq n d\x1b\\",
    "picture": "\x1b_Gi=31;OK\x1b\\",
}


@pytest.mark.parametrize("answer", [*ANSWERS.values(), *STRING_ANSWERS.values()], ids=[*ANSWERS, *STRING_ANSWERS])
def test_an_answer_to_another_program_is_no_key(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that was ended before it had the answer leaves it to the next one."""
    assert Typist(monkeypatch).send(answer).wait(1.0).send(f"p{answer}q").wait(1.0).got == ["<p>", "<q>"]


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_where_the_reads_divide_an_answer_does_not_matter(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for cut in range(2, len(answer)):
        assert Typist(monkeypatch).send(answer[:cut], answer[cut:], "q").wait(1.0).got == ["<q>"], cut


@pytest.mark.parametrize(
    ("sequence", "key"),
    [("\x1b[1;5C", "ctrl+right"), ("\x1b[15;2~", "shift+f5"), ("\x1b[1;2R", "shift+f3"), ("\x1b[97;5u", "ctrl+a"),
     ("\x1b[c", "shift+right"), ("\x1b[Z", "shift+tab"), ("\x1bx", "alt+x")],
)  # fmt: skip
def test_keys_that_look_like_an_answer_are_keys(sequence: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    got = Typist(monkeypatch).send(sequence).wait(1.0).got
    assert got == [f"<{key}>"] or (key == "shift+f3" and "CursorPosition" in got[0])  # which has the same characters


def test_answers_to_textuals_own_questions_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    got = Typist(monkeypatch).send("\x1b[?2026;2$y\x1b[48;24;80;600;800t\x1b[<0;5;5M").got
    assert [name.strip("<").partition("(")[0] for name in got] == [
        "TerminalSupportsSynchronizedOutput", "Resize", "MouseDown"
    ]  # fmt: skip
