"""A terminal that gets only the changes shows the same as one that gets everything."""

from __future__ import annotations

import random

import pyte
from rich.color import ColorSystem
from rich.console import Console
from rich.control import Control
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Size
from textual.strip import Strip

from tui.terminal.repaint import PLAIN, Canvas, Repaint

SIZE = Size(40, 8)
STYLES = [Style(), Style.parse("bold")] + [
    Style.parse(f"{attributes} {colour} on {ground}")
    for attributes in ("", "bold", "underline reverse")
    for colour in ("#ff0000", "#00ff00")
    for ground in ("#000000", "#000088")
]
NARROW = ["a", "loss", "  ", "▁▂█", "é", "─────"]
WIDE = ["漢字", "🙂"]


def terminal() -> tuple[pyte.Screen, pyte.Stream]:
    screen = pyte.Screen(SIZE.width, SIZE.height)
    screen.set_mode(pyte.modes.DECAWM)
    return screen, pyte.Stream(screen)


def random_line(rng: random.Random, width: int, words: list[str]) -> Strip:
    segments: list[Segment] = []
    while sum(segment.cell_length for segment in segments) < width:
        segments.append(Segment(rng.choice(words), rng.choice(STYLES)))
    return Strip(segments).adjust_cell_length(width)


def shown(screen: pyte.Screen) -> list[list[object]]:
    return [[screen.buffer[y][x] for x in range(SIZE.width)] for y in range(SIZE.height)]


def everything(lines: list[Strip]) -> LayoutUpdate:
    return LayoutUpdate([[line] for line in lines], SIZE.region)


def paint(canvas: Canvas, segments: list[Segment]) -> str:
    return canvas.paint(segments, ColorSystem.TRUECOLOR)


def at(x: int, y: int, text: str, style: Style) -> list[Segment]:
    return [Control.move_to(x, y).segment, Segment(text, style)]


def test_no_control_gets_past_the_canvas() -> None:
    """Whatever a widget lets through; what stands around it keeps its place."""
    canvas = Canvas()
    canvas.resize(SIZE)
    painted = paint(canvas, at(0, 0, "a\x1b]0;title\x07\x9b31m\x7f\u202eb\udcff", PLAIN))
    assert painted == "\x1b[1;1H\x1b[0ma]0;title31mb\ufffd\x1b[0m"


def test_changes_and_everything_look_the_same() -> None:
    rng = random.Random(1)
    console = Console(color_system="truecolor", force_terminal=True)
    canvas = Canvas()
    canvas.resize(SIZE)
    screen, stream = terminal()
    lines = [random_line(rng, SIZE.width, NARROW + WIDE) for _ in range(SIZE.height)]
    stream.feed(Repaint(everything(lines), canvas).render_segments(console))
    for _ in range(300):
        y = rng.randrange(SIZE.height)
        lines[y] = random_line(rng, SIZE.width, NARROW if rng.random() < 0.8 else NARROW + WIDE)
        update = ChopsUpdate(
            [{0: lines[row]} if row == y else {0: None} for row in range(SIZE.height)],
            [(y, 0, SIZE.width)],
            [[SIZE.width]] * SIZE.height,
        )
        stream.feed(Repaint(update, canvas).render_segments(console))
        reference, reference_stream = terminal()
        reference_stream.feed(everything(lines).render_segments(console).replace("\n", "\r\n"))
        assert shown(screen) == shown(reference)


def test_what_is_there_already_is_not_sent() -> None:
    canvas = Canvas()
    canvas.resize(SIZE)
    assert "step 10" in paint(canvas, at(3, 2, "step 10", STYLES[0]))
    assert paint(canvas, at(3, 2, "step 10", STYLES[0])) == ""
    assert paint(canvas, at(3, 2, "step 11", STYLES[0])).startswith("\x1b[3;10H")
    assert "step" not in paint(canvas, at(3, 2, "step 12", STYLES[0]))


def test_only_what_differs_of_a_style_is_sent() -> None:
    canvas = Canvas()
    canvas.resize(SIZE)
    red, green = Style.parse("#ff0000 on #000000"), Style.parse("#00ff00 on #000000")
    sent = paint(canvas, [*at(0, 0, "a", red), Segment("b", green)])
    assert sent == "\x1b[1;1H\x1b[0;38;2;255;0;0;48;2;0;0;0ma\x1b[38;2;0;255;0mb\x1b[0m"


def test_after_a_resize_and_after_forgetting_all_is_sent_again() -> None:
    canvas = Canvas()
    canvas.resize(SIZE)
    first = paint(canvas, at(0, 0, "loss", STYLES[0]))
    canvas.forget()
    assert paint(canvas, at(0, 0, "loss", STYLES[0])) == first
    canvas.resize(Size(50, 9))
    assert paint(canvas, at(0, 0, "loss", STYLES[0])) == first
    canvas.resize(Size(50, 9))
    assert paint(canvas, at(0, 0, "loss", STYLES[0])) == ""


def test_what_is_not_known_between_two_changes_moves_neither() -> None:
    screen, stream = terminal()
    canvas = Canvas()
    canvas.resize(SIZE)
    for words in ("before", "漢字"):
        canvas.forget()
        stream.feed(paint(canvas, at(0, 0, words, STYLES[0]) + at(9, 0, "behind", STYLES[0])))
        assert "".join(screen.buffer[0][x].data for x in range(9, 15)) == "behind"


def test_a_line_with_wide_characters_is_sent_as_it_comes() -> None:
    canvas = Canvas()
    canvas.resize(SIZE)
    paint(canvas, at(0, 0, "漢字 loss", STYLES[0]))
    assert "漢字 lost" in paint(canvas, at(0, 0, "漢字 lost", STYLES[0]))


def test_an_accent_belongs_to_its_letter() -> None:
    canvas = Canvas()
    canvas.resize(SIZE)
    paint(canvas, at(0, 0, "cafe\u0301 open", STYLES[0]))
    assert paint(canvas, at(0, 0, "cafe\u0301 shut", STYLES[0])).startswith("\x1b[1;6H")


def test_what_lies_outside_is_left_out() -> None:
    canvas = Canvas()
    canvas.resize(SIZE)
    assert paint(canvas, at(0, 99, "below", STYLES[0])) == ""
    assert paint(canvas, at(SIZE.width + 5, 0, "beside", STYLES[0])) == ""
    assert paint(canvas, at(38, 0, "beyond", STYLES[0])).count("b") == 1


def test_no_control_character_reaches_the_terminal() -> None:
    canvas = Canvas()
    canvas.resize(SIZE)
    control = "".join(map(chr, (*range(0x20), *range(0x7F, 0xA0))))
    sent = canvas.paint([Segment(f"a{control}b")], ColorSystem.TRUECOLOR)
    assert sent == "\x1b[1;1H\x1b[0mab\x1b[0m"
