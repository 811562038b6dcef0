"""All that commands print: results, errors, a bar while something takes long, a last line about the run.

No other module prints. What is printed here is printable, whatever names, paths and errors are in it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import shlex
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from engine.errors import UserError
from engine.printable import printable, printable_lines
from engine.runs.files import write_where_told
from tui.terminal.attention import notification
from tui.terminal.streams import Output, OutputError, escapes, has_room
from tui.terminal.threads import can_start

if TYPE_CHECKING:
    from tui.app.app import CharrnnApp
    from tui.app.foreground import Foreground
    from tui.app.viewer import Viewer

BAR_AFTER = 1.0  # seconds before the bar appears
BAR = 40  # columns
ERASE_LINE = "\r\x1b[2K"


def say(line: str = "") -> None:
    """Print `line` on standard output at once. Raises `OutputError` if it cannot be written."""
    sys.stdout.write(printable(line) + "\n")
    sys.stdout.flush()


def wait_for_room(seconds: float) -> None:
    """Wait until standard output takes a line. Raises `OutputError` if it takes none for `seconds`."""
    if isinstance(sys.stdout, Output) and not has_room(sys.stdout.fileno(), seconds):
        raise OutputError(errno.EAGAIN, "nothing reads it")


def prints_into_file() -> bool:
    """Whether standard output is a file on a disk."""
    return isinstance(sys.stdout, Output) and stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)


def say_json(value: Any, indent: int | None = None) -> None:
    """Print `value` as JSON, all of it in ASCII. Raises `OutputError` if it cannot be written."""
    sys.stdout.write(json.dumps(value, indent=indent) + "\n")
    sys.stdout.flush()


def numbers(values: Iterable[float]) -> list[float | None]:
    """Values for `say_json`: JSON has no infinity and no NaN, for which null stands."""
    return [float(value) if math.isfinite(value) else None for value in values]


def say_text(text: str) -> None:
    """Print a piece of a text: as it is into a file or a pipe, in UTF-8; printable on a terminal.

    Raises `OutputError` if it cannot be written.
    """
    if sys.stdout.isatty():
        sys.stdout.write(printable_lines(text))
    else:
        sys.stdout.buffer.write(text.encode("utf-8", "surrogatepass"))
    sys.stdout.flush()


def write_file(file: str, text: str) -> None:
    """Write `text` in UTF-8 into the file that the user has named; what UTF-8 cannot hold is escaped.

    Raises `UserError` if that cannot be done; a file that was there before then stays as it was.
    """
    try:
        write_where_told(file, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise UserError(f"{file}: cannot be written ({error.strerror}); name another file") from None


def require_writable(file: str) -> None:
    """Raise `UserError` if `write_file` would fail by what is there now: said before hours of work, not after them."""
    is_there = os.path.exists(file)
    place = file if is_there else os.path.dirname(os.path.realpath(file))  # where a link that leads nowhere leads
    reason = ""
    if os.path.isdir(file):
        reason = "it is a directory"
    elif not file or not (is_there or os.path.isdir(place)):
        reason = "its directory is missing"
    elif not os.access(place, os.W_OK if is_there else os.W_OK | os.X_OK):
        reason = "it may not be written"
    elif not is_there and len(os.fsencode(os.path.basename(file))) > os.pathconf(place, "PC_NAME_MAX"):
        reason = "its name is too long"
    if reason:
        raise UserError(f"{file or repr(file)}: cannot be written ({reason}); name another file")


def remark(line: str) -> None:
    """Print `line` on standard error, if it can be written."""
    with contextlib.suppress(OSError):
        sys.stderr.write(printable(line) + "\n")
        sys.stderr.flush()


def complain(sentence: str) -> None:
    """Print `sentence` on standard error as a word of this program's, if it can be written."""
    remark(f"charrnn-tui: {sentence}")


def call_attention(text: str) -> None:
    """Ring the bell, and notify the desktop of `text`, if standard error is a terminal that understands that."""
    if sys.stderr.isatty():
        _draw(escapes(sys.stderr), notification(text))


def require_terminal(otherwise: str) -> None:
    """Raise `UserError` if there is no terminal to draw on, or the system allows too few threads to do so.

    `otherwise` tells the user what to do without a screen.
    """
    if os.environ.get("TERM", "") in ("", "dumb") or not (sys.stdout.isatty() and sys.__stderr__.isatty()):  # type: ignore[union-attr]
        raise UserError(f"there is no terminal to draw on; {otherwise}")
    if not can_start():
        raise UserError(f"the system allows too few threads for a screen; raise its limit; {otherwise}")


@contextlib.contextmanager
def progress_bar(doing: str = "reading the text") -> Iterator[Callable[[float], None] | None]:
    """A context that gives a function. It shows the share of the work that is done, 0 … 1, as a bar on standard error.

    `doing` says what the work is. If standard error is not a terminal, the context gives None.
    """
    if not sys.stderr.isatty():
        yield None
        return
    stream = escapes(sys.stderr)  # Textual, if it runs meanwhile, has another one
    started = time.monotonic()
    shown = False

    def show(share: float) -> None:
        nonlocal shown
        if time.monotonic() - started < BAR_AFTER:
            return
        shown = True
        filled = round(share * BAR)
        bar = "█" * filled + "░" * (BAR - filled)
        _draw(stream, f"\r{doing} {bar} {share:4.0%}")

    try:
        yield show
    finally:
        if shown:
            _draw(stream, ERASE_LINE)


def _draw(stream: TextIO, sequence: str) -> None:
    with contextlib.suppress(OSError):
        stream.write(sequence)
        stream.flush()


def show_until_left(app: CharrnnApp, foreground: Foreground) -> int:
    """Show the dashboard until the user leaves; then end the run in `foreground` and print the farewell.

    Returns the exit code.
    """
    try:
        code = app.run_until_left()
    finally:
        foreground.say = complain
        foreground.end()
    print_farewell(Path(app.viewer.link.info.directory))
    return code


def print_farewell(directory: Path) -> None:
    """Print, after the dashboard, what became of the run in `directory`, and how to come back to it."""
    from engine.runs.listing import ROOT
    from engine.runs.reader import RunReader
    from engine.session.messages import OVER

    try:
        run = RunReader(directory)
    except UserError:  # the run was deleted while the dashboard showed it
        return
    here = _is_root(run.path.parent)
    name = run.path.name if here else str(run.path)
    # A name with a dash in front would be an option; a path is none.
    argument = shell_word(str(ROOT / name) if here and name.startswith("-") else name)
    step = run.status.step
    if run.pid is not None and run.state not in OVER:
        say(f"{name} goes on: charrnn-tui attach {argument}")
    elif run.state == "finished":
        say(f"{name}: finished at step {step:,}")
    else:
        say(f"{name}: {run.state} at step {step:,}; to go on: charrnn-tui train --resume {argument}")


def print_far_farewell(viewer: Viewer, address: str) -> None:
    """Print, after the dashboard, what became of a run on another host, which `charrnn-tui attach ADDRESS` opens."""
    from engine.session.messages import OVER

    name, snapshot = viewer.link.info.name, viewer.latest
    if snapshot is not None and snapshot.state in OVER:
        say(f"{name}: {snapshot.state} at step {snapshot.step:,}")
    else:
        say(f"{name} goes on: charrnn-tui attach {address}")


def _is_root(directory: Path) -> bool:
    from engine.runs.listing import ROOT

    with contextlib.suppress(OSError):
        return directory.samefile(ROOT)
    return False


def shell_word(text: str) -> str:
    """`text` as one word for a shell to read: as it is, or in quotes, or as `$'…'` if it could not be printed."""
    if printable(text) == text == text.encode(sys.stdout.encoding, "replace").decode(sys.stdout.encoding):
        return shlex.quote(text)
    plain = (
        chr(byte) if 0x20 <= byte < 0x7F and chr(byte) not in "\\'" else f"\\x{byte:02x}" for byte in os.fsencode(text)
    )
    return f"$'{''.join(plain)}'"


def discard_output() -> None:
    """Discard all further output, because it has no reader any more: `| head` has ended, or the terminal is closed.

    Otherwise Python would complain at exit that it cannot write the rest.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
