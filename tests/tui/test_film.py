"""The moments of a run as a film: on the dashboard, and as one animated picture in a file."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import pytest
from rich.style import Style
from textual.strip import Strip

from engine.runs.reader import RunReader
from tests.finished_run import finish_run
from tests.tui.fake_run import FakeLink
from tests.tui.on_screen import lines_of, until
from tui.app.film import FilmApp
from tui.cli import main, output
from tui.rendering.film_svg import LAST, film_svg
from tui.rendering.strips import PLAIN, line

SVG = "{http://www.w3.org/2000/svg}"
INK, GROUND = "#eeeeee", "#111111"
FRAMES = [
    [line([("abc  de", PLAIN)], 8), line([("one", PLAIN)], 8)],
    [line([("abc  de", PLAIN)], 8), line([("two", Style(bgcolor="#ff0000"))], 8)],
    [line([("abc  de", PLAIN)], 8), line([("one", PLAIN)], 8)],
]


def groups(svg: str) -> dict[str, tuple[str, list[float], list[str]]]:
    """For the text of each animated group: its visibility without animation, the times of change, and the values."""
    found = {}
    for group in ET.fromstring(svg).iter(f"{SVG}g"):
        animation = group.find(f"{SVG}animate")
        assert animation is not None
        times = [float(each) for each in animation.attrib["keyTimes"].split(";")]
        text = " ".join(str(each.text) for each in group.iter(f"{SVG}text"))
        found[text] = group.attrib["visibility"], times, animation.attrib["values"].split(";")
    return found


def test_what_stands_in_all_frames_is_written_once_and_the_rest_is_seen_in_its_frames() -> None:
    svg = film_svg(FRAMES, 0.5, "a <run>", INK, GROUND)
    root = ET.fromstring(svg)
    assert root.findtext(f"{SVG}title") == "a <run>"
    assert [text.text for text in root.findall(f"{SVG}text")] == ["abc", "de"]
    whole = len(FRAMES) - 1 + LAST
    times = [0, *(round(change / whole, 5) for change in (1, 2))]
    assert groups(svg)["one"] == ("visible", times, ["visible", "hidden", "visible"])
    assert groups(svg)["two"] == ("hidden", times, ["hidden", "visible", "hidden"])
    for animation in root.iter(f"{SVG}animate"):
        assert animation.attrib["dur"] == f"{whole * 0.5:g}s"
        times = [float(each) for each in animation.attrib["keyTimes"].split(";")]
        assert all(0 <= one < other < 1 for one, other in pairwise(times))  # or browsers do not play it


def test_it_loads_nothing_and_every_ground_lies_beneath_all_text() -> None:
    svg = film_svg(FRAMES, 0.5, "t", INK, GROUND)
    assert not re.search(r"href|url\(|<script|@import", svg)
    assert svg.rindex("<rect") < svg.index("<text")


def test_text_keeps_its_columns_and_signs_are_escaped() -> None:
    svg = film_svg([[Strip(list(line([("a<b 漢", PLAIN), ("&", Style(bold=True))], 10)))]], 1, "t", INK, GROUND)
    texts = [(each.text, each.get("x"), each.get("textLength")) for each in ET.fromstring(svg).iter(f"{SVG}text")]
    assert texts == [("a<b", "0", "24"), ("漢", "32", None), ("&", "48", None)]


async def test_the_film_shows_every_moment_and_then_now() -> None:
    app = FilmApp(FakeLink(reports=16), fps=50, held=True)
    seen: list[int | None] = []
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: app.viewer.latest is not None and app.is_shown)
        app._film_timer.stop()
        await pilot.press("space")
        while not app.is_held:
            await until(pilot, lambda: app.is_shown)
            seen.append(app.dashboard.moment)
            app._turn()
        assert seen == [10, 20, 40, 80, 160, None]
        await pilot.press("space")  # it stands at its end, and the key begins it again
        await until(pilot, lambda: app.dashboard.moment == 10)


async def test_the_film_goes_on_by_itself_as_fast_as_it_is_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    app = FilmApp(FakeLink(reports=16), fps=50)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: app.viewer.latest is not None)
        for key, speed in (("plus", 4), ("plus", 8), ("plus", 8), ("minus", 4)):
            await pilot.press(key)
            assert app._film_timer._interval == 1 / speed
        said: list[str] = []
        monkeypatch.setattr(app, "notify", lambda words, **options: said.append(words))
        await pilot.press("minus", "minus", "minus")
        assert said == ["2 moments a second", "1 moment a second", "0.5 moments a second"]
        await until(pilot, lambda: app.is_held and app.dashboard.moment is None)


async def test_the_film_is_held_and_typing_is_not_taken_for_its_keys() -> None:
    app = FilmApp(FakeLink(reports=16), fps=50)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.dashboard.moment is not None)
        assert "space hold" in lines_of(app)[-1]
        await pilot.press("space")
        assert app.is_held
        await until(pilot, lambda: "space play" in lines_of(app)[-1])
        held = app.dashboard.moment
        await pilot.pause(1.2)
        assert app.dashboard.moment == held
        await pilot.press("p", "a", "space", "plus")
        await until(pilot, lambda: app.viewer.view.prompt == "a +")
        assert app.is_held


async def test_the_film_waits_for_the_answers_of_a_moment() -> None:
    link = FakeLink(reports=16)
    app = FilmApp(link, fps=50, held=True)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: app.viewer.latest is not None and app.is_shown)
        take = link.take
        link.take = lambda: None  # type: ignore[method-assign]
        app._film_timer.stop()  # it must not turn by itself meanwhile
        app.is_held = False
        for _ in range(5):
            app._turn()
        assert app.dashboard.moment == 10
        link.take = take  # type: ignore[method-assign]
        await until(pilot, lambda: app.is_shown)
        app._turn()
        assert app.dashboard.moment == 20
        assert "step 20" in lines_of(app)[0]


def test_a_film_is_written_to_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "BAR_AFTER", 0.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    run = finish_run(tmp_path / "calm-fox", steps=12)
    kept = RunReader(run).kept_steps()
    assert main(["replay", str(run), "--svg", str(tmp_path / "film.svg")]) == 0
    said, bar = capsys.readouterr()
    assert f"{len(kept) + 1} frames" in said
    assert re.search(r"\rdrawing the moments █+ 100%", bar)
    assert bar.endswith(output.ERASE_LINE)
    svg = (tmp_path / "film.svg").read_text("utf-8")
    texts = "".join(str(each.text) for each in ET.fromstring(svg).iter(f"{SVG}text"))
    for step in kept:
        assert f"{step}" in texts
    assert "therunhasended" in texts
    assert main(["replay", str(run), "--svg", str(tmp_path / "no" / "film.svg")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_a_run_without_weights_gives_no_film(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.app.film.PATIENCE", 1.0)
    run = finish_run(tmp_path / "calm-fox", steps=3)
    for file in (run / "moments").iterdir():
        file.unlink()
    assert main(["replay", str(run), "--svg", str(tmp_path / "film.svg")]) == 2
    assert "its moments cannot be shown" in capsys.readouterr().err
    assert not (tmp_path / "film.svg").exists()
