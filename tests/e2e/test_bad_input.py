"""What the user can mend: one clear sentence on standard error, exit code 2, and nothing created."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.program import SMALL, run
from tui.cli import main

TEXT = "The quick brown fox jumps over the lazy dog.\n" * 100


def png() -> bytes:
    """A picture of one grey pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\x00\x80")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with everything that can be wrong, and a finished run in `runs/old`."""
    place = tmp_path_factory.mktemp("place")
    (place / "fox.txt").write_text(TEXT)
    (place / "empty.txt").touch()
    (place / "short.txt").write_text("too short")
    (place / "pixel.png").write_bytes(png())
    (place / "noise.bin").write_bytes(random.Random(1).randbytes(5000))
    (place / "nothing").mkdir()
    (place / "pictures").mkdir()
    (place / "pictures" / "pixel.png").write_bytes(png())
    (place / "broken.toml").write_text("hidden = [")
    (place / "unknown.toml").write_text("hiden = 16\n")
    (place / "wrong.toml").write_text('hidden = "many"\n')
    made = run("train", "fox.txt", *SMALL, "--headless", "--steps", "10", "--run", "runs/old", cwd=place)
    assert made.returncode == 0, made.stderr.decode()
    return place


def tree(place: Path) -> dict[str, int]:
    """Every file and when it was changed; a lock is taken before it is known that there is nothing to do."""
    paths = [path for path in place.rglob("*") if path.name != "lock"]
    return {str(path.relative_to(place)): path.stat().st_mtime_ns for path in paths}


def refused(place: Path, *arguments: str, stdin: bytes = b"") -> str:
    """The one sentence with which the program, in a process of its own, refuses `arguments`."""
    before = tree(place)
    result = run(*arguments, cwd=place, stdin=stdin)
    assert_refused(result.returncode, result.stdout.decode(), result.stderr.decode())
    assert tree(place) == before
    return result.stderr.decode()


@pytest.fixture
def refused_here(place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """As `refused`, in this process: there are many arguments, and to start a program takes most of a second."""
    monkeypatch.chdir(place)

    def refused_here(*arguments: str) -> str:
        before = tree(place)
        try:
            code: object = main(list(arguments))
        except SystemExit as left:
            code = left.code
        out, errors = capfd.readouterr()
        assert_refused(code, out, errors)
        assert tree(place) == before
        return errors

    return refused_here


def assert_refused(code: object, out: str, errors: str) -> None:
    """One sentence of plain text on standard error, nothing on standard output, and exit code 2."""
    assert "Traceback" not in errors, errors
    assert code == 2, f"{errors}{out}"
    assert errors.startswith("charrnn-tui: ")
    assert errors.endswith("\n")
    assert len(errors.splitlines()) == 1, errors
    assert errors.rstrip("\n").isprintable(), repr(errors)
    assert not out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("missing.txt", "no such file"),
        ("two\nlines\x1b]0;title\x07.txt", "no such file"),
        ("nothing", "has no utf-8 text in it"),
        ("pictures", "has no utf-8 text in it"),
        ("empty.txt", "is empty"),
        ("pixel.png", "is not utf-8 text"),
        ("noise.bin", "is not utf-8 text"),
        ("short.txt", "too few for one window"),
        ("-", "is empty"),
        ("", "no such file"),
    ],
)
def test_texts(place: Path, text: str, said: str) -> None:
    assert said in refused(place, "train", text, "--headless", *SMALL)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("hidden", "0", "--hidden: 0 is too small"),
        ("hidden", "many", "--hidden: 'many' is not a whole number"),
        ("hidden", "99999999999", "--hidden: 99999999999, with"),
        ("hidden", "1" + 400 * "0", "0000 is too large; at most 1000000000000000"),
        ("lr", "nan", "--lr: nan is not a finite number"),
        ("lr", "inf", "--lr: inf is not a finite number"),
        ("lr", "-1", "--lr: -1.0 is too small"),
        ("cell", "foo", "--cell: 'foo' is none of rnn"),
        ("layers", "0", "--layers: 0 is too small"),
        ("layers", "99999999999", "--layers: 99999999999 is too large; at most 1000"),
        ("input", "foo", "--input: 'foo' is none of embedding"),
        ("embedding", "0", "--embedding: 0 is too small"),
        ("loss", "foo", "--loss: 'foo' is none of every"),
        ("batch", "0", "--batch: 0 is too small"),
        ("seq", "100000000", "--seq: 100000000, with"),
        ("dropout", "1", "--dropout: 1.0 is too large"),
        ("optimizer", "foo", "--optimizer: 'foo' is none of sgd"),
        ("schedule", "step:0:2", "--schedule: 'step:0:2' is none of constant"),
        ("clip", "norm:0", "--clip: 'norm:0' is none of none"),
        ("validation", "2", "--validation: 2.0 is too large"),
        ("seed", "-1", "--seed: -1 is too small"),
        ("threads", "-1", "--threads: -1 is too small"),
        ("encoding", "rot13", "'rot13' is no text encoding"),
        ("encoding", "utf-16", "fox.txt: is not utf-16 text"),
        ("steps", "0", "--steps: 0 is too small"),
        ("steps", "1.5", "--steps: '1.5' is not a whole number"),
        ("fps", "0", "--fps: 0 is not a number of frames"),
        ("fps", "nan", "--fps: nan is not a number of frames"),
        ("preset", "foo", "--preset foo: there is no such preset"),
        ("config", "missing.toml", "missing.toml: cannot be read (No such file"),
        ("config", "nothing", "nothing: cannot be read (Is a directory)"),
        ("config", "broken.toml", "broken.toml: is not valid TOML"),
        ("config", "unknown.toml", "unknown.toml: hiden: there is no such setting"),
        ("config", "wrong.toml", "wrong.toml: hidden: 'many' is not a whole number"),
        ("run", "runs/old", "runs/old: is there already"),
        ("run", "fox.txt", "fox.txt: cannot be written (File exists)"),
        ("run", "fox.txt/run", "fox.txt/run: cannot be written (File exists)"),
        ("run", "/proc/run", "/proc/run: cannot be written"),
    ],
)
def test_options(refused_here: Callable[..., str], option: str, value: str, said: str) -> None:
    assert said in refused_here("train", "fox.txt", "--headless", *SMALL, f"--{option}", value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "--headless", "--resume", "missing"), "missing: there is no such run"),
        (("train", "--headless", "--resume", "nothing"), "nothing: there is no such run"),
        (("train", "--headless", "--resume", "fox.txt"), "fox.txt: there is no such run"),
        (("train", "--headless", "--resume", "old", "--hidden", "32"), "leave out --hidden"),
        (("train", "--headless", "--resume", "old", "--steps", "5"), "--steps: 5 is too few"),
        (("train", "--headless", "--resume", "old", "--steps", "many"), "--steps: 'many' is not a whole number"),
        (("train", "--headless", "--no-such-option"), "unrecognized arguments: --no-such-option"),
        (("train", "--headless", "--hidden"), "--hidden: expected one argument"),
        (("sample", "missing"), "missing: there is no such run"),
        (("sample", "two\nlines\x1b]0;title\x07"), "two⏎lines␛]0;title␇: there is no such run"),
        (("sample", "nothing"), "nothing: there is no such run"),
        (("sample",), "arguments are required: RUN"),
        (("sample", "old", "--length", "0"), "--length 0: is too small"),
        (("sample", "old", "--length", "many"), "--length: invalid int value: 'many'"),
        (("sample", "old", "--temperature", "nan"), "--temperature nan: must be a number of at least 0"),
        (("sample", "old", "--top-k", "-1"), "--top-k -1: must be at least 0"),
        (("sample", "old", "--top-p", "0"), "--top-p 0.0: is outside"),
        (("sample", "old", "--seed", "-1"), "--seed -1: must be at least 0"),
        (("probe", "missing", "a prompt"), "missing: there is no such run"),
        (("probe", "missing", "a prompt", "--json"), "missing: there is no such run"),
        (("gradients", "missing"), "missing: there is no such run"),
        (("gradients", "old", "--layer", "7"), "--layer 7: the network has one layer, number 1"),
        (("gradients", "old", "--view", "foo"), "--view: invalid choice: 'foo'"),
        (("runs", "missing"), "missing: is no directory"),
        (("runs", "fox.txt"), "fox.txt: is no directory"),
        (("corpora", "foo"), "unrecognized arguments: foo"),
        (("bench", "--against", "foo"), "--against: 'foo' is none of torch"),
    ],
)
def test_commands(refused_here: Callable[..., str], arguments: tuple[str, ...], said: str) -> None:
    assert said in refused_here(*arguments)


def test_no_terminal_says_how_to_go_on(place: Path) -> None:
    for arguments in ((), ("fox.txt",), ("train", "fox.txt"), ("attach", "old")):
        assert "there is no terminal to draw on" in refused(place, *arguments)
