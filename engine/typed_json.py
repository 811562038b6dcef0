"""Reads JSON that anybody may have written: each value has the type of its field, or `MalformedError` names the field.

A dataclass describes an object, and nothing else does. Its fields may be `int`, `float`, `str`, `bool`, `Literal`,
`X | None`, `tuple[X, ...]`, `tuple[X, Y]`, `dict[str, X]`, arrays, and dataclasses of these. Numbers are finite and
within ±`MOST` or ±`LARGEST`, unless they are `Annotated` with a `Between` or with `MAY_BE_NAN`. A field with a default
may be missing. Values that no field describes are ignored, because a later version may have written them.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import reprlib
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.arrays import frozen

MOST = 10**15  # of a whole number; float64 holds all up to it exactly
LARGEST = 1e200  # of another number: its sums and means stay finite
MAY_BE_NAN = "may be NaN or infinite"

Record = TypeVar("Record")
Reader = Callable[[Any], Any]  # the checked value; raises `MalformedError`


@dataclass(frozen=True, slots=True)
class Between:
    """The bounds of a number, both included."""

    least: float
    most: float


Count = Annotated[int, Between(0, MOST)]
Measured = Annotated[float, MAY_BE_NAN]  # a loss, which a network that diverges makes infinite


class MalformedError(ValueError):
    """JSON that is not what it should be; the text names the field, and says what is wrong with it."""

    def __init__(self, problem: str, place: str = "") -> None:
        self.problem, self.place = problem, place
        super().__init__(f"{place}: {problem}" if place else problem)

    def inside(self, name: str) -> MalformedError:
        """The same error, of a field of the field `name`, or of an item if `place` begins with a bracket."""
        dot = "." if self.place and not self.place.startswith("[") else ""
        return MalformedError(self.problem, f"{name}{dot}{self.place}")


def parse(data: bytes) -> Any:
    """The values of the JSON document `data`. Raises `MalformedError`, also for a name that an object has twice."""
    try:
        return _decoder.decode(data.decode(json.detect_encoding(data), "surrogatepass"))
    except MalformedError:
        raise
    except RecursionError:
        raise MalformedError("it is nested too deeply") from None
    except ValueError as error:
        raise MalformedError(f"it is no JSON: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        seen = set[str]()
        for name, _ in pairs:
            if name in seen:
                raise MalformedError(f"{shown(name)} is there twice")
            seen.add(name)
    return values


_decoder = json.JSONDecoder(object_pairs_hook=_object)


def read(kind: type[Record], values: Any, **known: Any) -> Record:
    """The `kind` of dataclass that `values` describes; `known` has the fields that are read already."""
    if type(values) is not dict and not isinstance(values, Mapping):  # the second takes ten times as long
        raise MalformedError(f"{shown(values)} is no object")
    found = known
    for name, reader, is_required in _fields(typing.cast(Any, kind)):
        if name in known:
            continue
        if name in values:
            try:
                found[name] = reader(values[name])
            except MalformedError as error:
                raise error.inside(name) from None
        elif is_required:
            raise MalformedError("is missing", name)
    return kind(**found)


def shown(value: Any) -> str:
    """`value` as a sentence quotes it: the beginning and the end, if it is long."""
    return reprlib.repr(value)


@functools.cache
def _fields(kind: Any) -> list[tuple[str, Reader, bool]]:
    """Name and reader of each field, and whether it must be there."""
    hints, missing = typing.get_type_hints(kind, include_extras=True), dataclasses.MISSING
    return [
        (field.name, _reader(hints[field.name]), field.default is missing and field.default_factory is missing)
        for field in dataclasses.fields(kind)
    ]


@functools.cache  # a log has millions of lines
def _reader(hint: Any) -> Reader:
    """The function that reads a value for a field with the annotation `hint`."""
    if dataclasses.is_dataclass(hint):
        return functools.partial(read, typing.cast(type, hint))
    arguments = typing.get_args(hint)
    match typing.get_origin(hint):
        case typing.Annotated:
            return _number_reader(arguments[0], arguments[1])
        case typing.Literal:
            return _choice_reader(arguments)
        case types.UnionType | typing.Union:  # with None, always
            some = _reader(arguments[0])
            return lambda value: None if value is None else some(value)
        case builtin if builtin is tuple:
            return _tuple_reader(arguments)
        case builtin if builtin is dict:
            return _dict_reader(_reader(arguments[1]))
        case np.ndarray:
            (scalar,) = typing.get_args(arguments[1])
            return _array_reader(
                np.int64 if issubclass(typing.get_origin(scalar) or scalar, np.integer) else np.float64
            )
    if hint in (int, float):
        return _number_reader(hint, None)
    return _plain_reader(hint)


def _plain_reader(kind: Any) -> Reader:
    def plain(value: Any) -> Any:
        if kind is Any or type(value) is kind:
            return value
        raise MalformedError(f"{shown(value)} is no {'text' if kind is str else 'true or false'}")

    return plain


def _choice_reader(choices: tuple[str, ...]) -> Reader:
    def choice(value: Any) -> str:
        if isinstance(value, str) and value in choices:
            return value
        raise MalformedError(f"{shown(value)} is none of {', '.join(choices)}")

    return choice


def _number_reader(kind: type, rule: Between | str | None) -> Reader:
    largest: float = MOST if kind is int else LARGEST
    bounds = rule if isinstance(rule, Between) else Between(-largest, largest)
    least, most = bounds.least, bounds.most
    may_be_nan = rule == MAY_BE_NAN

    def number(value: Any) -> Any:
        if not (type(value) is int or (kind is float and type(value) is float)):
            raise MalformedError(f"{shown(value)} is no {'whole ' if kind is int else ''}number")
        if least <= value <= most:  # NaN is not between
            return float(value) if kind is float else value
        if may_be_nan and isinstance(value, float) and not math.isfinite(value):
            return value
        raise MalformedError(f"{shown(value)} is outside {least:g} … {most:g}")

    return number


def _tuple_reader(hints: tuple[Any, ...]) -> Reader:
    fixed = None if hints[-1] is Ellipsis else [_reader(hint) for hint in hints]
    each = _reader(hints[0])
    plain = hints[0] if fixed is None and hints[0] is str else None

    def items(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise MalformedError(f"{shown(value)} is no list")
        if fixed is not None and len(value) != len(fixed):
            raise MalformedError(f"{shown(value)} has {len(value)} items, not {len(fixed)}")
        if plain and all(type(item) is plain for item in value):  # a vocabulary has thousands, and a directory of runs
            return tuple(value)
        found = []
        for place, item in enumerate(value):
            try:
                found.append((fixed[place] if fixed else each)(item))
            except MalformedError as error:
                raise error.inside(f"[{place}]") from None
        return tuple(found)

    return items


def _dict_reader(reader: Reader) -> Reader:
    def values(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise MalformedError(f"{shown(value)} is no object")
        found = {}
        for name, item in value.items():
            try:
                found[name] = reader(item)
            except MalformedError as error:
                raise error.inside(shown(name)) from None
        return found

    return values


def _array_reader(dtype: type[np.generic]) -> Reader:
    kinds = (int,) if dtype is np.int64 else (int, float, type(None))

    def array(value: Any) -> NDArray[Any]:
        """The array in nested lists, read-only: float64 with NaN for null, or int64."""
        try:
            if not isinstance(value, list) or not all(type(item) in kinds for item in _leaves(value)):
                raise ValueError
            found = np.array(value, dtype)
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise MalformedError(f"{shown(value)} is no array of numbers") from None
        if (np.abs(found) > LARGEST).any():
            raise MalformedError("has numbers that are infinite or too large")
        return frozen(found)

    return array


def _leaves(value: list[Any]) -> Iterator[Any]:
    for item in value:
        if isinstance(item, list):
            yield from _leaves(item)
        else:
            yield item
