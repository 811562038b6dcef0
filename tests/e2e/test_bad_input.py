"""What the user can mend: one clear sentence on standard error, exit code 2, and nothing created."""

from __future__ import annotations

import random
import struct
import zlib
from pathlib import Path

import pytest

from tests.e2e.program import SMALL, run

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
    """The one sentence with which the program refuses `arguments`."""
    before = tree(place)
    result = run(*arguments, cwd=place, stdin=stdin)
    said = result.stderr.decode()
    assert "Traceback" not in said, said
    assert result.returncode == 2, f"{said}{result.stdout.decode()}"
    assert said.startswith("charrnn-tui: ")
    assert said.endswith("\n")
    assert len(said.splitlines()) == 1, said
    assert said.rstrip("\n").isprintable(), repr(said)
    assert not result.stdout
    assert tree(place) == before
    return said


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
    ("option", "value"),
    [
        ("hidden", "0"),
        ("hidden", "many"),
        ("hidden", "99999999999"),
        ("lr", "nan"),
        ("lr", "inf"),
        ("lr", "-1"),
        ("cell", "foo"),
        ("hidden", "1" + 400 * "0"),
        ("layers", "0"),
        ("layers", "99999999999"),
        ("input", "foo"),
        ("embedding", "0"),
        ("loss", "foo"),
        ("batch", "0"),
        ("seq", "100000000"),
        ("dropout", "1"),
        ("optimizer", "foo"),
        ("schedule", "step:0:2"),
        ("clip", "norm:0"),
        ("validation", "2"),
        ("seed", "-1"),
        ("threads", "-1"),
        ("encoding", "rot13"),
        ("encoding", "utf-16"),
        ("steps", "0"),
        ("steps", "1.5"),
        ("fps", "0"),
        ("fps", "nan"),
        ("preset", "foo"),
        ("config", "missing.toml"),
        ("config", "nothing"),
        ("config", "broken.toml"),
        ("config", "unknown.toml"),
        ("config", "wrong.toml"),
        ("run", "runs/old"),
        ("run", "fox.txt"),
        ("run", "fox.txt/run"),
        ("run", "/proc/run"),
    ],
)
def test_options(place: Path, option: str, value: str) -> None:
    said = refused(place, "train", "fox.txt", "--headless", *SMALL, f"--{option}", value)
    assert value in said or "seq" in option


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "--headless", "--resume", "missing"),
        ("train", "--headless", "--resume", "nothing"),
        ("train", "--headless", "--resume", "fox.txt"),
        ("train", "--headless", "--resume", "old", "--hidden", "32"),
        ("train", "--headless", "--resume", "old", "--steps", "5"),
        ("train", "--headless", "--resume", "old", "--steps", "many"),
        ("train", "--headless", "--no-such-option"),
        ("train", "--headless", "--hidden"),
        ("sample", "missing"),
        ("sample", "two\nlines\x1b]0;title\x07"),
        ("sample", "nothing"),
        ("sample",),
        ("sample", "old", "--length", "0"),
        ("sample", "old", "--length", "many"),
        ("sample", "old", "--temperature", "nan"),
        ("sample", "old", "--top-k", "-1"),
        ("sample", "old", "--top-p", "0"),
        ("sample", "old", "--seed", "-1"),
        ("probe", "missing", "a prompt"),
        ("probe", "missing", "a prompt", "--json"),
        ("gradients", "missing"),
        ("gradients", "old", "--layer", "7"),
        ("gradients", "old", "--view", "foo"),
        ("attach", "missing"),
        ("runs", "missing"),
        ("runs", "fox.txt"),
        ("corpora", "foo"),
        ("bench", "--against", "foo"),
    ],
)
def test_commands(place: Path, arguments: tuple[str, ...]) -> None:
    refused(place, *arguments)


def test_no_terminal_says_how_to_go_on(place: Path) -> None:
    for arguments in ((), ("fox.txt",), ("train", "fox.txt"), ("attach", "old")):
        assert "there is no terminal to draw on" in refused(place, *arguments)
