"""The text cut into windows: B streams read side by side, T characters at a time."""

from __future__ import annotations

import mmap

import numpy as np

from engine.arrays import Codes
from engine.errors import UserError

RELEASE_AFTER = 1 << 22  # characters read from a mapped file, before its pages are given back


def shortfall(characters: int, seq: int, part: str = "training") -> str:
    """Why not even one window of `seq` steps fits into so many characters; empty where one does."""
    if characters > seq:
        return ""
    least = f"the {part} part of the text has {characters} characters, too few for one window: "
    if characters < 2:
        return f"{least}give a text of more than {seq} characters"
    return f"{least}--seq {seq} needs {seq + 1}; use --seq {characters - 1} or less, or a longer text"


class Batches:
    """Windows of T = `seq` time steps over B = `batch` equally spaced streams of a text `codes` (N,).

    Window i of a stream begins where window i − 1 ended, so that the hidden state can be carried
    over; before window 0 it starts from zero. One epoch is `windows_per_epoch` windows

        W = min(⌈(N − 1) / (B·T)⌉, ⌊(N − 1) / T⌋),

    each stream has W·T + 1 characters, the first begins with the text and the last one ends with
    it. Streams overlap where N − 1 is not B·W·T, as they must in a text shorter than B·(T + 1).
    A single stream cannot overlap, and leaves out the last (N − 1) mod T characters.

    The number of a training step gives its window, `step % windows_per_epoch`, and its epoch,
    `step / windows_per_epoch`: there is no other position to keep. `codes` may be memory-mapped:
    only copies of windows leave this class, and pages that were read are given back to the system.

    Raises `UserError` where N is less than T + 1.
    """

    def __init__(self, codes: Codes, batch: int, seq: int) -> None:
        if problem := shortfall(len(codes), seq):
            raise UserError(problem)
        self.batch = batch
        self.seq = seq
        self.windows_per_epoch = min(-(-(len(codes) - 1) // (batch * seq)), (len(codes) - 1) // seq)
        self._codes = np.asarray(codes)
        spare = len(codes) - 1 - self.windows_per_epoch * seq
        starts = np.arange(batch) * spare // max(1, batch - 1)
        self._positions = starts + np.arange(seq + 1)[:, None]  # (T + 1, B), of window 0
        self._mapping: mmap.mmap | None = getattr(codes, "_mmap", None)
        self._unreleased = 0

    def window(self, index: int) -> tuple[Codes, Codes]:
        """Inputs (T, B) and targets (T, B), the characters after them, of window `index` of the epoch."""
        if not 0 <= index < self.windows_per_epoch:
            raise IndexError(f"window {index} is outside 0 … {self.windows_per_epoch - 1}")
        block = self._codes[self._positions + index * self.seq].astype(np.intp, copy=False)
        self._release(block.size)
        return block[:-1], block[1:]

    def _release(self, characters: int) -> None:
        # Pages of a mapped file that were read count as this process's memory until they are given back.
        self._unreleased += characters
        if self._mapping is not None and self._unreleased >= RELEASE_AFTER and hasattr(mmap, "MADV_DONTNEED"):
            self._mapping.madvise(mmap.MADV_DONTNEED)
            self._unreleased = 0
