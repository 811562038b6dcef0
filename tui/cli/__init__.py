"""The command line: a module for each command, loaded when it runs."""

from __future__ import annotations

import errno
import importlib
import sys
from collections.abc import Sequence

from engine.errors import ConfigError, UserError
from tui.cli.output import complain, discard_output
from tui.cli.parser import COMMANDS, build_parser, in_options

# Errors that say that a limit of the system is reached: open files, processes, memory, the size of a file, space.
LIMITS = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.EFBIG, errno.ENOSPC, errno.EDQUOT)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in `argv`. Returns the exit code: 0 done, 1 the run failed, 2 a `UserError`, 130 ctrl+c."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or (arguments[0] not in COMMANDS and arguments[0] not in ("-h", "--help", "--version")):
        arguments.insert(0, "train")
    name = arguments[0]
    options = build_parser(name).parse_args(arguments[1:] if name in COMMANDS else arguments)
    try:
        command = importlib.import_module(f"tui.cli.{name}")
        code: int = command.run(options)
    except UserError as error:
        complain(in_options(error) if isinstance(error, ConfigError) else str(error))
        return 2
    except OSError as error:
        if error.errno in (errno.EPIPE, errno.EIO):
            discard_output()
            return 0
        if error.errno not in LIMITS:
            raise
        complain(f"the system allows no more ({error.strerror}); raise its limit, or close other programs")
        return 2
    except MemoryError as error:
        complain(f"there is not enough memory ({error or 'none is left'}); choose a smaller network, batch or text")
        return 2
    except KeyboardInterrupt:
        return 130
    return code
