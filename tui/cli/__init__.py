"""The command line: a module for each command, loaded when it runs."""

from __future__ import annotations

import errno
import importlib
import sys
from collections.abc import Sequence

from engine.errors import ConfigError, UserError
from tui.cli.output import complain, discard_output
from tui.cli.parser import COMMANDS, build_parser, in_options


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
        if error.errno not in (errno.EPIPE, errno.EIO):
            raise
        discard_output()
        return 0
    except KeyboardInterrupt:
        return 130
    return code
