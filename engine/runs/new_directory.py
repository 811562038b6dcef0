"""Makes a new directory for a run, with a readable name if none is given; removes it if the run cannot begin."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import SystemRandom

from engine.errors import UserError
from engine.runs.files import PRIVATE_DIRECTORY, is_unfinished, make_directory
from engine.runs.lock import NAME as LOCK


@contextmanager
def new_directory(directory: Path | None, root: Path) -> Iterator[Path]:
    """A context that gives the absolute path of an empty directory: `directory`, or a new one in `root`.

    Only its owner can read it, and what was made above it. Its name survives a power cut. A new one in `root` has a
    readable name, see `names`. Raises `UserError` if `directory` exists and is not empty; a lock and unfinished files,
    left by a process that was killed before its run had begun, count as nothing. An `OSError` in the `with` block
    becomes a `UserError`. After any exception all that was made is removed.
    """
    path = Path(os.path.abspath(root if directory is None else directory))
    made: list[Path] = []
    empty = False
    try:
        if directory is None:
            _make_parents(path / "run", made)
            path = _make_named(path, made)
        else:
            _make_parents(path, made)
            _take(path, made)
        empty = True
        yield path
    except BaseException as error:
        # A UserError from the block says that another process has taken the directory: its files stay.
        _undo(path if empty and not isinstance(error, UserError) else None, made)
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            raise UserError(f"{path}: cannot be written ({reason}); choose another place for the run") from None
        raise


def _make_parents(path: Path, made: list[Path]) -> None:
    for parent in reversed(path.parents):
        if not parent.is_dir():
            make_directory(parent)
            made.append(parent)


def _make_named(root: Path, made: list[Path]) -> Path:
    for name in names():
        path = root / name
        with contextlib.suppress(FileExistsError):
            make_directory(path)
            made.append(path)
            break
    return path


def _take(path: Path, made: list[Path]) -> None:
    """Make the directory `path`, or use the empty one that is there."""
    if path.is_dir():
        if not all(file.name == LOCK or is_unfinished(file.name) for file in path.iterdir()):
            raise UserError(f"{path}: is there already and is not empty; choose another name, or resume the run in it")
        path.chmod(PRIVATE_DIRECTORY)
    else:
        make_directory(path)
        made.append(path)


def _undo(filled: Path | None, made: list[Path]) -> None:
    with contextlib.suppress(OSError):
        for file in filled.iterdir() if filled else ():
            file.unlink()
    for directory in reversed(made):
        with contextlib.suppress(OSError):
            directory.rmdir()


ADJECTIVES = (
    "able agile amber apt bold brave breezy bright brisk calm candid clever cosmic crisp daring deft eager early "
    "fair fleet fond fresh gentle glad golden grand happy hardy honest humble jolly keen kind light lively lucid "
    "lucky mellow merry mild misty modest nimble noble patient placid plucky polite prime proud quick quiet rapid "
    "ready rosy rustic sage serene silent silver sleek smooth snug solar spry steady still sunny sure swift tame "
    "tidy tranquil true upbeat vivid warm wise witty young zesty"
)
ANIMALS = (
    "alpaca badger bat beaver beetle bison bittern bream buzzard camel carp cat cicada cod crab crane cricket crow "
    "curlew deer dingo dolphin donkey dove duck eagle eel egret elk falcon ferret finch fox frog gecko gibbon goat "
    "goose grouse gull hare hawk hedgehog heron ibex ibis jackal jay kestrel kiwi koala lark lemur linnet lizard "
    "llama loon lynx magpie marmot marten mole moose moth mouse newt ocelot osprey otter owl panda perch pika plover "
    "pony puffin quail rabbit raven robin salmon seal shrew skink sparrow squid starling stoat stork swan tapir "
    "tern thrush toad trout turtle vole walrus weasel whale wolf wombat wren yak zebra"
)


def names() -> Iterator[str]:
    """Yields random names for a run, such as "calm-fox"; after the first 20 each ends with a growing number.

    The names do not depend on the run's seed: two runs with the same seed have different names.
    """
    random = SystemRandom()
    attempt = 0
    while True:
        attempt += 1
        name = f"{random.choice(ADJECTIVES.split())}-{random.choice(ANIMALS.split())}"
        yield name if attempt <= 20 else f"{name}-{attempt}"
