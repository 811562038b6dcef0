"""The command line: a module for each command, loaded when it runs."""

from __future__ import annotations

import errno
import importlib
import keyword
import os
import resource
import sys
import warnings
from collections.abc import Sequence

from engine.errors import ConfigError, UserError
from tui.cli.commands import COMMANDS, OF_THE_PROGRAM, build_parser
from tui.cli.output import complain, discard_output, require_writable
from tui.cli.parser import in_options
from tui.terminal import environment
from tui.terminal.streams import OutputError, take_over
from tui.terminal.threads import can_start

# Errors that say that a limit of the system is reached: open files, processes, memory, the size of a file, space.
LIMITS = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.EFBIG, errno.ENOSPC, errno.EDQUOT)

FILES = ("csv", "html", "svg", "json_file")  # options with files that are written when the work is done

FEW_PROCESSES = 4096  # with a lower limit, it is tried whether the system allows a BLAS its threads
LEAST_MEMORY = 220 << 20  # bytes of address space; with less, NumPy's BLAS ends the process with words of its own


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in `argv`, or the one this process was started with, whose standard streams are then made safe.

    Returns the exit code: 0 done, 1 the run failed, 2 a `UserError` or an output that cannot be written, 130 ctrl+c. A
    reader that has gone, as `| head` has, is no error.
    """
    if argv is None:
        take_over()
        if not sys.warnoptions:
            warnings.simplefilter("ignore")  # they are for programmers; what a user must know is said in a sentence
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except UserError as error:
        complain(in_options(error) if isinstance(error, ConfigError) else str(error))
        return 2
    except OutputError as error:
        if error.reader_is_gone:
            discard_output()
            return 0
        complain(f"standard output cannot be written ({error.strerror}); make room there, or redirect it")
        return 2
    except OSError as error:
        if error.errno not in LIMITS:
            raise
        complain(f"the system allows no more ({error.strerror}); raise its limit, or close other programs")
        return 2
    except MemoryError as error:
        complain(f"there is not enough memory ({error or 'none is left'}); choose a smaller network, batch or text")
        return 2
    except KeyboardInterrupt:
        return 130


def _run(arguments: list[str]) -> int:
    if not arguments or (arguments[0] not in COMMANDS and arguments[0].partition("=")[0] not in OF_THE_PROGRAM):
        arguments.insert(0, "train")
    name = arguments[0]
    options = build_parser(name).parse_args(arguments[1:] if name in COMMANDS else arguments)
    environment.tidy()
    _check_working_directory()
    _check_memory()
    _spare_threads()
    for option in FILES:
        if (file := getattr(options, option, None)) is not None:
            require_writable(file)
    module = f"{name}_" if keyword.iskeyword(name) else name if name in COMMANDS else "completion"
    code: int = importlib.import_module(f"tui.cli.{module}").run(options)
    return code


def _check_working_directory() -> None:
    try:
        os.getcwd()
    except OSError as error:
        raise UserError(f"the working directory is gone ({error.strerror}); change to one that exists") from None


def _check_memory() -> None:
    allowed, _ = resource.getrlimit(resource.RLIMIT_AS)
    if allowed != resource.RLIM_INFINITY and allowed < LEAST_MEMORY:
        raise UserError(
            f"the system allows {allowed >> 20:,} MB of memory, and the program needs {LEAST_MEMORY >> 20:,} MB at "
            "least; raise the limit (ulimit -v)"
        )


def _spare_threads() -> None:
    """Have NumPy's BLAS start no threads where the system refuses them: it would print words of its own."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if allowed != resource.RLIM_INFINITY and allowed < FEW_PROCESSES and not can_start(os.cpu_count() or 1):
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
