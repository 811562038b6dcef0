"""Which characters of a text train, which validate, and which are kept for a test."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Split:
    """The parts of a text, as places in it. Training and validation take turns, and the test part comes last.

    Each validation part follows the training part of the same number. There is none if nothing is held out, and then
    one training part.
    """

    training: tuple[slice, ...]
    validation: tuple[slice, ...]
    test: slice


def split(length: int, validation: float, test: float, blocks: int = 1) -> Split:
    """The parts of a text of `length` characters, from the shares of the validation and the test part, 0 … 1.

    The text before the test part is cut into as many equal pieces as there are `blocks`, and the end of each piece
    validates. With one block that is the end of the text.
    """
    tested = length - round(length * test)
    held_out = min(round(length * validation), tested)
    if not held_out:
        return Split((slice(0, tested),), (), slice(tested, length))
    ends = [tested * number // blocks for number in range(blocks + 1)]
    sizes = [held_out * (number + 1) // blocks - held_out * number // blocks for number in range(blocks)]
    begins = [end - size for end, size in zip(ends[1:], sizes, strict=True)]
    return Split(
        tuple(slice(start, stop) for start, stop in zip(ends, begins, strict=False)),
        tuple(slice(start, stop) for start, stop in zip(begins, ends[1:], strict=True)),
        slice(tested, length),
    )


def held_out_in_words(held_out: int, tested: int, blocks: int) -> str:
    """Where the `held_out` characters lie in a text of which the last `tested` are kept for a test."""
    if not held_out:
        return "no text is held out"
    if blocks > 1:
        return f"{held_out:,} characters are held out, in {blocks} blocks from all over the text"
    if tested:
        return f"{held_out:,} characters are held out, before the last {tested:,}, which are for a test"
    return f"the last {held_out:,} characters of the text are held out"
