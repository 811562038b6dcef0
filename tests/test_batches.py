"""Windows over a text: every stream goes on where it ended, and the whole text is read."""

import mmap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, strategies

from engine.arrays import Codes
from engine.errors import ConfigError
from engine.training import batches
from engine.training.batches import Batches

sizes = strategies.tuples(strategies.integers(1, 12), strategies.integers(1, 20)).flatmap(
    lambda shape: strategies.tuples(strategies.integers(shape[1] + 1, 400), *map(strategies.just, shape))
)  # (characters, batch, seq), with room for one window


def streams(cut: Batches) -> Codes:
    """The characters of each stream in an epoch, (B, W·T + 1)."""
    windows = [cut.window(i) for i in range(cut.windows_per_epoch)]
    inputs = np.concatenate([inputs for inputs, _ in windows])
    return np.concatenate([inputs, windows[-1][1][-1:]]).T


@given(sizes)
@example((1000, 32, 5))
@example((6, 32, 5))
@example((51, 1, 5))
def test_streams_are_contiguous_equally_spaced_and_cover_the_text(size: tuple[int, int, int]) -> None:
    characters, batch, seq = size
    cut = Batches(np.arange(characters), batch, seq)
    read = streams(cut)
    assert read.shape == (batch, cut.windows_per_epoch * seq + 1)
    assert (np.diff(read) == 1).all()
    assert read[0, 0] == 0
    gaps = np.diff(read[:, 0])
    if batch > 1:
        assert read[-1, -1] == characters - 1
        assert gaps.max() - gaps.min() <= 1
        assert (gaps <= cut.windows_per_epoch * seq).all()  # nothing is left out between two streams
        # one window less would leave something out
        assert batch * (cut.windows_per_epoch - 1) * seq < characters - 1
    else:
        assert read[0, -1] > characters - 1 - seq


@given(sizes)
def test_targets_are_the_next_characters_and_windows_go_on_where_the_last_one_ended(size: tuple[int, int, int]) -> None:
    characters, batch, seq = size
    cut = Batches(np.arange(characters, dtype=np.uint16), batch, seq)
    before = None
    for i in range(cut.windows_per_epoch):
        inputs, targets = cut.window(i)
        assert inputs.shape == targets.shape == (seq, batch)
        assert inputs.dtype == targets.dtype == np.intp
        assert (targets == inputs + 1).all()
        assert before is None or (inputs[0] == before).all()
        before = targets[-1]


def test_a_window_outside_the_epoch_is_refused() -> None:
    cut = Batches(np.arange(100), 2, 5)
    for index in (-1, cut.windows_per_epoch):
        with pytest.raises(IndexError, match=f"window {index}"):
            cut.window(index)


def test_streams_overlap_where_the_text_is_short() -> None:
    assert streams(Batches(np.arange(7), 3, 5)).tolist() == [[*range(6)], [*range(6)], [*range(1, 7)]]


@pytest.mark.parametrize("characters", [0, 1, 2, 50])
def test_a_text_shorter_than_a_window_is_refused(characters: int) -> None:
    with pytest.raises(ConfigError, match=f"training part of the text has {characters},") as caught:
        Batches(np.zeros(characters, np.uint8), 4, 50)
    if characters > 1:
        assert f"choose {characters - 1} or less" in caught.value.problems["seq"]
        assert Batches(np.zeros(characters, np.uint8), 4, characters - 1).windows_per_epoch == 1


def test_a_mapped_text_is_read_alike_and_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.random.default_rng(0).integers(0, 200, 10_000).astype(np.uint8)
    codes.tofile(tmp_path / "codes")
    released: list[int] = []

    class Mapping(mmap.mmap):
        def madvise(self, option: int, start: int = 0, length: int | None = None) -> None:
            assert (start, length) == (0, None)  # all of it
            released.append(option)
            super().madvise(option)

    with (tmp_path / "codes").open("rb") as file:
        mapping = Mapping(file.fileno(), 0, access=mmap.ACCESS_READ)
    mapped = np.ndarray.__new__(np.memmap, (len(codes),), np.uint8, mapping)
    setattr(mapped, "_mmap", mapping)  # noqa: B010 (as NumPy itself does; its types do not say so)
    monkeypatch.setattr(batches, "RELEASE_AFTER", 1000)
    cut, plain = Batches(mapped[:9000], 4, 9), Batches(codes[:9000], 4, 9)
    for i in range(cut.windows_per_epoch):
        np.testing.assert_array_equal(cut.window(i), plain.window(i))
    assert released == [mmap.MADV_DONTNEED] * (cut.windows_per_epoch * 40 // 1000)
