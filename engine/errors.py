"""Errors whose text is shown to the user, and what is closed after an error."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping


class UserError(Exception):
    """Something the user can mend. Its text is one clear sentence: what, where, what to do.

    The command line prints it without a traceback and exits with code 2.
    """


class ConfigError(UserError):
    """Settings that cannot be used, or not with this text or on this machine.

    `problems` maps a setting's name to what is wrong with it. The engine does not know how settings are entered: the
    command line names the option, a form shows the problem beside the field.
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__("; ".join(f"{name}: {problem}" for name, problem in self.problems.items()))


@contextlib.contextmanager
def closed_on_failure(close: Callable[[], object]) -> Iterator[None]:
    """Call `close` if the `with` block fails, and only then."""
    try:
        yield
    except BaseException:
        close()
        raise
