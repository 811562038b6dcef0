"""Cuts a text into windows: B streams of the text are read side by side, T characters at a time."""

from __future__ import annotations

import mmap
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from engine.arrays import Codes
from engine.errors import ConfigError

RELEASE_AFTER = 1 << 22  # characters read from a mapped file before its pages are given back to the system


class Batches:
    """Windows of T = `seq` time steps over B = `batch` equally spaced streams of a text `codes` (N,).

    Window i of a stream begins where window i − 1 ended, so that the hidden state can be carried
    over; before window 0 it starts from zero. One epoch is `windows_per_epoch` windows

        W = min(⌈(N − 1) / (B·T)⌉, ⌊(N − 1) / T⌋),

    and each stream has W·T + 1 characters. The first stream begins with the text, the last one ends
    with it. Streams overlap if N − 1 is less than B·W·T. A single stream cannot overlap, and leaves
    out the last (N − 1) mod T characters.

    The number of a training step gives its window, `step % windows_per_epoch`, and its epoch,
    `step / windows_per_epoch`, so no other position has to be saved. `codes` may be memory-mapped:
    callers get copies of windows, and pages that were read are given back to the system.

    A text may have parts that do not follow each other; they begin at `starts`. Each is then read as a text of its own,
    one after another, and an epoch has the windows of all: no window crosses from one part into the next.

    Raises `ConfigError` if N, or the length of a part, is less than T + 1.
    """

    def __init__(self, codes: Codes, batch: int, seq: int, starts: Sequence[int] = (0,)) -> None:
        sizes = np.diff([*starts, len(codes)])
        if sizes.min() <= seq:
            raise ConfigError({"seq": _too_short(int(sizes.min()), seq, len(sizes))})
        self.batch = batch
        self.seq = seq
        self._codes = np.asarray(codes)
        windows = [windows_per_epoch(int(size), batch, seq) for size in sizes]
        self._firsts = [0, *np.cumsum(windows).tolist()]  # the number of each part's first window, and of all windows
        self.windows_per_epoch: int = self._firsts.pop()
        self._positions = []  # of each part, (T + 1, B), in its first window
        for start, size, count in zip(starts, sizes.tolist(), windows, strict=True):
            spare = size - 1 - count * seq
            streams = start + np.arange(batch) * spare // max(1, batch - 1)
            self._positions.append(streams + np.arange(seq + 1)[:, None])
        self._mapping: mmap.mmap | None = getattr(codes, "_mmap", None)
        self._unreleased = 0

    def window(self, index: int) -> tuple[Codes, Codes]:
        """Inputs (T, B) of window `index` of the epoch, and targets (T, B): for each input the character after it.

        Raises `IndexError` if the epoch has no such window.
        """
        if not 0 <= index < self.windows_per_epoch:
            raise IndexError(f"window {index} is outside 0 … {self.windows_per_epoch - 1}")
        part = bisect_right(self._firsts, index) - 1
        places = self._positions[part] + (index - self._firsts[part]) * self.seq
        block = self._codes[places].astype(np.intp, copy=False)
        self._release(block.size)
        return block[:-1], block[1:]

    def is_first(self, index: int) -> bool:
        """Whether window `index` of the epoch begins a part, so that nothing stands before it."""
        return index in self._firsts

    def _release(self, characters: int) -> None:
        # Pages that were read from a mapped file count as memory of this process until they are given back.
        self._unreleased += characters
        if self._mapping is not None and self._unreleased >= RELEASE_AFTER and hasattr(mmap, "MADV_DONTNEED"):
            self._mapping.madvise(mmap.MADV_DONTNEED)
            self._unreleased = 0


def windows_per_epoch(characters: int, batch: int, seq: int) -> int:
    """W, the windows of one epoch of a text of N = `characters`; see `Batches`."""
    return min(-(-(characters - 1) // (batch * seq)), (characters - 1) // seq)


def _too_short(characters: int, seq: int, parts: int) -> str:
    where = "the training part of the text" if parts == 1 else f"the shortest of the {parts} training parts of the text"
    have = f"{seq} steps need {seq + 1} characters, and {where} has {characters}, "
    shorter = f"choose {characters - 1} or less, or " if characters > 1 else ""
    return f"{have}too few for one window; {shorter}give a longer text"
