"""A setting and its description: all that a parser, a form, a file and an error message need to know of it.

A field of a settings class is written `hidden: int = setting(128, "network", "units in each layer", least=1)`. Its type
and its default are the dataclass's own; the rest is a `Setting` in the field's metadata, which `settings_of` completes.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

LARGEST = 1e38  # bound of a number with a fraction that has no other: float32, in which is trained, holds up to 3.4e38
MOST = 10**15  # bound of a whole number that has no other: products of a few of them are still finite floats
LONGEST = 200  # characters of a text, so that an error can quote it


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting, as `settings_of` describes it.

    `kind` is `int`, `float`, `str` or `tuple` (of texts). `optional` says that None, an empty text in a form, is a
    value too. A number is at least `least`, at most `most`, greater than `above` and less than `below`. `choices`
    lists all possible values, or is empty. `syntax` parses a text and raises `ValueError` if it cannot.
    """

    default: Any
    group: str  # under which it is listed
    help: str  # one short line
    metavar: str = ""  # what stands for its value in a usage line
    shown_as: str = ""  # the default in words, where its value says too little
    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    list_choices: Callable[[], tuple[str, ...]] = tuple  # asked each time: what is registered later is a choice too
    syntax: Callable[[str], object] | None = None
    kept: bool = False  # where a preset does not name it; other settings then go back to their defaults
    may_change: bool = False  # a resumed run may be given another value
    name: str = ""
    kind: type = str
    optional: bool = False

    @property
    def choices(self) -> tuple[str, ...]:
        """All possible values; empty where they cannot be listed."""
        return self.list_choices()

    @property
    def usage(self) -> str:
        """What stands for its value in a usage line."""
        return self.metavar or "|".join(self.choices) or {int: "N", float: "X"}.get(self.kind, "TEXT")

    def convert(self, value: Any) -> Any:
        """`value`, as TOML, JSON, a form or the command line has it, in this setting's type.

        Raises `ValueError` with what is wrong.
        """
        if self.optional and value in (None, ""):
            return None
        if type(value) is self.kind and self.kind is not tuple:  # a list of runs converts hundreds of thousands
            return value
        try:
            if self.kind is tuple:
                return (value,) if isinstance(value, str) else tuple(map(_text, _listed(value)))
            if self.kind is str:
                return _text(value)
            if isinstance(value, bool) or (self.kind is int and isinstance(value, float) and not value.is_integer()):
                raise ValueError
            return self.kind(value)
        except (ValueError, TypeError, OverflowError):
            wanted = {int: "a whole number", float: "a number"}.get(self.kind, "a text")
            raise ValueError(f"{reprlib.repr(value)} is not {wanted}") from None

    def problem(self, value: Any) -> str:
        """Why `value`, of the right type, cannot be taken; empty where it can."""
        if value is None or value == self.default:
            return ""
        if self.kind is tuple:
            return "" if value else "name at least one"
        if self.kind is str and len(value) > LONGEST:
            return f"{reprlib.repr(value)} is too long; at most {LONGEST} characters"
        if self.choices and value not in self.choices:
            return f"{value!r} is none of {', '.join(self.choices)}"
        if self.syntax:
            try:
                self.syntax(value)
            except ValueError as error:
                return str(error)
        return self._out_of_bounds(value) if self.kind in (int, float) else ""

    def _out_of_bounds(self, value: float) -> str:
        most = self.most
        if most is None and self.below is None:
            most = MOST if self.kind is int else LARGEST
        if isinstance(value, float) and not math.isfinite(value):
            problem = "is not a finite number"
        elif self.least is not None and value < self.least:
            problem = f"is too small; at least {self.least}"
        elif self.above is not None and value <= self.above:
            problem = f"is too small; it must be above {self.above}"
        elif most is not None and value > most:
            problem = f"is too large; at most {most}"
        elif self.below is not None and value >= self.below:
            problem = f"is too large; it must be below {self.below}"
        else:
            return ""
        return f"{reprlib.repr(value)} {problem}"


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):  # a bare number, as in `clip = 5`
        raise TypeError
    return str(value)


def _listed(value: Any) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise TypeError
    return value


def setting(default: Any, group: str, help: str, **details: Any) -> Any:
    """A dataclass field that is a setting; `details` are further fields of `Setting`."""
    described = Setting(default=default, group=group, help=help, **details)
    return dataclasses.field(default=default, metadata={"setting": described})


def settings_of(cls: type) -> dict[str, Setting]:
    """The settings of a dataclass by name, in the order of its fields. A `Literal` type gives the choices."""
    return _settings_of(cls)  # apart, because mypy takes a dataclass itself for unhashable, like its instances


@functools.cache
def _settings_of(cls: type) -> dict[str, Setting]:
    types = get_type_hints(cls)
    return {field.name: _complete(field, types[field.name]) for field in dataclasses.fields(cls)}


def groups_of(cls: type) -> dict[str, list[Setting]]:
    """The settings of a dataclass by group, in the order in which they are shown."""
    groups: dict[str, list[Setting]] = {}
    for each in settings_of(cls).values():
        groups.setdefault(each.group, []).append(each)
    return groups


def _complete(field: dataclasses.Field[Any], annotation: Any) -> Setting:
    described: Setting = field.metadata["setting"]
    given = [each for each in get_args(annotation) if each is not NoneType]
    if get_origin(annotation) is Literal:
        return dataclasses.replace(described, name=field.name, list_choices=lambda: tuple(given))
    optional = NoneType in get_args(annotation)
    kind = given[0] if optional else get_origin(annotation) or annotation
    return dataclasses.replace(described, name=field.name, kind=kind, optional=optional)
