"""The text that a run's record names: looked for with bounds, found from everywhere, kept in the run as it is now."""

import json
import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.runs.directory import RunDirectory
from engine.runs.kept_text import KEPT, keep, load_text
from engine.runs.reader import RunReader
from engine.text import brackets, files, own_output
from engine.text.corpus import MOST_TEXTS, load_corpus
from engine.text.files import Entries
from engine.text.known import known_text
from engine.text.sources import Finder
from tests.finished_run import finish_run
from tui.cli import main


def change_record(run: Path, **values: object) -> None:
    path = run / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(("length", "now", "pieces"), [(5_000, "more", 1), (10**15, "fewer", 0)])
def test_a_text_of_another_length_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int, now: str, pieces: int
) -> None:
    """The record of somebody else's run may name a text that takes minutes to make."""
    run, made, blocks = finish_run(tmp_path / "run"), list[str](), brackets.blocks

    def counted(*arguments: int) -> object:
        for piece in blocks(*arguments):
            made.append(piece)
            yield piece

    monkeypatch.setattr(brackets, "blocks", counted)
    change_record(run, text=["brackets:100000000"], text_length=length)
    with pytest.raises(UserError, match=f"characters then, {now} now"):
        load_text(run, RunReader(run).record)
    assert len(made) == pieces


def test_all_texts_together_have_one_bound_on_files(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_text("text")
    with ExitStack() as opened:
        finder = Finder("utf-8", opened, entries=Entries(5))
        finder.find(str(tmp_path))
        with pytest.raises(UserError, match="name a smaller directory"):
            finder.find(f"{tmp_path}/.")
        with pytest.raises(UserError, match="name a smaller directory"):
            Finder("utf-8", opened, entries=Entries(5)).find("stdlib")
    with pytest.raises(UserError, match="too many texts"):
        load_corpus(["saltmere"] * (MOST_TEXTS + 1))


@pytest.mark.parametrize("name", ["saltmere", "pydoc"])
def test_a_known_text_that_is_named_often_is_in_memory_once(name: str) -> None:
    assert known_text(name, Entries()) is known_text(name, Entries())


def test_a_short_brackets_text_is_the_beginning_of_a_long_one() -> None:
    """Only what is asked for is made, and the seed says the same text whatever its length."""
    long = "".join(brackets.blocks(600_000, 3))
    for length in (1, 2, 7, brackets.BLOCK, brackets.BLOCK + 1, 599_999):
        assert "".join(brackets.blocks(length, 3)) == long[:length]


def test_a_directory_of_parts_is_text(tmp_path: Path) -> None:
    """Only names that the cache gives make a directory one of encoded texts."""
    for name in ("one.part", "two.codes"):
        (tmp_path / name).write_text("abc")
    assert load_corpus([str(tmp_path)]).length == 6
    for name in ("one.part", "two.codes"):
        os.rename(tmp_path / name, tmp_path / f"{'0f' * 16}{name.removeprefix('one').removeprefix('two')}")
    with pytest.raises(UserError, match="is the directory of a run"):
        load_corpus([str(tmp_path)])


@pytest.mark.parametrize("way", ["plain", "below", "link"])
def test_a_path_that_every_process_has_its_own_of_is_stored_as_what_it_leads_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_text("text")
    monkeypatch.chdir(tmp_path)
    path = Path("/proc/self/cwd/sub/a.txt")
    if way == "link":
        Path("here").symlink_to("/proc/self/cwd/sub")
        path = Path("here", "a.txt")
    corpus = load_corpus([str(path.parent if way == "below" else path)])
    real = tmp_path.resolve() / "sub"
    assert corpus.addresses == (str(real if way == "below" else real / "a.txt"),)


def test_the_text_is_kept_in_the_directory_that_is_held_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a.txt").write_text("text")
    held = RunDirectory(tmp_path / "a")
    os.rename(tmp_path / "a", tmp_path / "b")
    (tmp_path / "a").mkdir()
    keep(load_corpus([str(tmp_path / "a.txt")]), held)
    held.close()
    assert (tmp_path / "b" / KEPT).read_text() == "text"
    assert not list((tmp_path / "a").iterdir())


def test_reading_a_directory_that_others_may_write_into_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finish_run(tmp_path / "run")
    for mode, is_said in ((0o700, False), (0o770, True), (0o1777, False)):
        run.chmod(mode)
        assert main(["sample", str(run), "--length", "5"]) == 0
        assert ("other users may write into this directory" in capsys.readouterr().err) == is_said


def test_what_a_link_leads_to_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory such as /etc has thousands of links, each through the same directories."""
    run, looked, is_own = finish_run(tmp_path / "calm-fox"), list[Path](), own_output.is_own

    def counted(directory: Path) -> bool:
        looked.append(directory)
        return is_own(directory)

    monkeypatch.setattr(files, "is_own", counted)
    (tmp_path / "text").mkdir()
    for number in range(5):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "a").write_text("text")
        (tmp_path / "text" / f"to-a-text-{number}").symlink_to(tmp_path / str(number) / "a")
        (tmp_path / "text" / f"into-a-run-{number}").symlink_to(run / "metrics.jsonl")
        (tmp_path / "text" / f"to-moments-{number}").symlink_to(run / "moments")
    found = files.walk(tmp_path / "text", files.Entries())
    assert [path.name for path, _ in found.files] == [f"to-a-text-{number}" for number in range(5)]
    assert not found.left_out
    assert len(looked) == len(set(looked))
