"""Checkpoints: there is a good one at every moment, and what is not good is refused."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from engine.errors import UserError
from engine.runs import checkpoint, files
from tests.small_run import FaultyOs, PowerCut

ARRAYS: dict[str, NDArray[Any]] = {
    "rnn.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "transposed": np.arange(6, dtype=np.float64).reshape(2, 3).T,
    "empty": np.zeros((0, 3), np.float32),
}
META: dict[str, Any] = {
    "steps": 12,
    "random": np.random.PCG64(1).state,
    "lr": 0.1 + 0.2,
    "text": "ü\ud800\n",
    "nothing": None,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.write(path, ARRAYS, META)
    return path


def test_what_was_written_is_read_to_the_last_bit(path: Path) -> None:
    arrays, meta = checkpoint.read(path)
    assert meta == META
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(arrays[name], array)


def test_the_same_content_gives_the_same_bytes_in_whatever_order_it_comes(path: Path) -> None:
    before = path.read_bytes()
    for _ in range(5):
        checkpoint.write(path, dict(reversed(ARRAYS.items())), dict(reversed(META.items())))
        assert path.read_bytes() == before


def test_only_the_owner_can_read_it(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600


def test_every_flipped_bit_is_noticed(path: Path) -> None:
    good = path.read_bytes()
    for place in range(len(good)):
        damaged = bytearray(good)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"checkpoint\.safetensors: (is damaged|was written by|was not written)"):
            checkpoint.read(path)


def test_every_cut_is_noticed(path: Path) -> None:
    good = path.read_bytes()
    for length in range(len(good)):
        path.write_bytes(good[:length])
        with pytest.raises(UserError, match="is damaged or cut short"):
            checkpoint.read(path)


def test_a_newer_format_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "FORMAT_VERSION", 3)
    checkpoint.write(path, ARRAYS, META)
    monkeypatch.undo()
    with pytest.raises(UserError, match=r"newer version .format 3, this one knows 2.; update charrnn-tui"):
        checkpoint.read(path)


def test_a_file_of_another_program_is_refused(path: Path) -> None:
    save_file({"weight": np.zeros(3)}, path)
    with pytest.raises(UserError, match="was not written by charrnn-tui"):
        checkpoint.read(path)


@pytest.mark.parametrize("name", ["none.safetensors", "none/none.safetensors", "."])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"there is no such file|cannot be read"):
        checkpoint.read(tmp_path / name)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), PowerCut()], ids=["full", "cut"])
def test_a_good_one_remains_whatever_fails(path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    newer = {name: array + 1 for name, array in ARRAYS.items()}
    seen = set()
    for call in range(100):
        checkpoint.write(path, ARRAYS, {"steps": 1})
        faulty = FaultyOs(call, error, recovers=isinstance(error, OSError))
        monkeypatch.setattr(files, "os", faulty)
        try:
            checkpoint.write(path, newer, {"steps": 2})
        except type(error):
            monkeypatch.undo()
        else:
            break
        arrays, meta = checkpoint.read(path)
        expected = ARRAYS if meta["steps"] == 1 else newer
        assert all(np.array_equal(arrays[name], array) for name, array in expected.items())
        if isinstance(error, OSError):
            assert list(path.parent.iterdir()) == [path], "the space of the unfinished file is given back"
        seen.add(meta["steps"])
    monkeypatch.undo()
    assert checkpoint.read(path)[1] == {"steps": 2}
    assert seen == {1, 2}, "a fault before and one after the new file took the old one's place"
    assert call >= 9, "open, several writes, fsync, replace, and the directory"


def test_a_foreseen_temporary_name_is_no_way_out(path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing is written through a link under the name that an unfinished file had in earlier versions."""
    canary = tmp_path_factory.mktemp("elsewhere") / "canary"
    canary.write_text("untouched")
    path.with_name(f".{path.name}.tmp").symlink_to(canary)
    checkpoint.write(path, ARRAYS, {"steps": 2})
    assert checkpoint.read(path)[1] == {"steps": 2}
    assert canary.read_text() == "untouched"
