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
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.arrays import frozen

MOST = 10**15  # of a whole number; float64 holds all up to it exactly
LARGEST = 1e200  # of another number: its sums and means stay finite
MAY_BE_NAN = "may be NaN or infinite"

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class Between:
    """The bounds of a number, both included."""

    least: float
    most: float


Count = Annotated[int, Between(0, MOST)]
Measured = Annotated[float, MAY_BE_NAN]  # a loss, which a network that diverges makes infinite


class MalformedError(ValueError):
    """JSON that is not what it should be; the text names the field, and says what is wrong with it."""


def parse(data: bytes) -> Any:
    """The values of the JSON document `data`. Raises `MalformedError`, also for a name that an object has twice."""
    try:
        return json.loads(data, object_pairs_hook=_object)
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


def read(kind: type[Record], values: Any, where: str = "", **known: Any) -> Record:
    """The `kind` of dataclass that `values` describes; `known` has the fields that are read already.

    `where` stands before a field's name in the text of `MalformedError`.
    """
    if not isinstance(values, Mapping):
        raise MalformedError(f"{where}: {shown(values)} is no object" if where else f"{shown(values)} is no object")
    found = dict(known)
    for name, hint, required in _fields(typing.cast(Hashable, kind)):
        if name in known:
            continue
        if name in values:
            found[name] = _value(hint, values[name], f"{where}.{name}" if where else name)
        elif required:
            raise MalformedError(f"{where}.{name} is missing" if where else f"{name} is missing")
    return kind(**found)


@functools.cache
def _fields(kind: Any) -> list[tuple[str, Any, bool]]:
    """Name and annotation of each field, and whether it must be there."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return [
        (
            field.name,
            hints[field.name],
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
        )
        for field in dataclasses.fields(kind)
    ]


def _value(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return read(typing.cast(type, hint), value, where)
    arguments = typing.get_args(hint)
    match typing.get_origin(hint):
        case typing.Annotated:
            return _number(arguments[0], value, where, arguments[1])
        case typing.Literal:
            if isinstance(value, str) and value in arguments:
                return value
            raise MalformedError(f"{where}: {shown(value)} is none of {', '.join(arguments)}")
        case types.UnionType | typing.Union:
            return None if value is None else _value(arguments[0], value, where)
        case builtin if builtin is tuple:
            if not isinstance(value, list):
                raise MalformedError(f"{where}: {shown(value)} is no list")
            hints = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
            if len(value) != len(hints):
                raise MalformedError(f"{where}: {shown(value)} has {len(value)} items, not {len(hints)}")
            items = enumerate(zip(hints, value, strict=True))
            return tuple(_value(hint, item, f"{where}[{place}]") for place, (hint, item) in items)
        case builtin if builtin is dict:
            if not isinstance(value, dict):
                raise MalformedError(f"{where}: {shown(value)} is no object")
            return {name: _value(arguments[1], item, f"{where}.{shown(name)}") for name, item in value.items()}
        case np.ndarray:
            (scalar,) = typing.get_args(arguments[1])
            return _array(typing.get_origin(scalar) or scalar, value, where)
    if hint is Any:
        return value
    if hint in (int, float):
        return _number(hint, value, where, None)
    if type(value) is not hint:
        raise MalformedError(f"{where}: {shown(value)} is no {'text' if hint is str else 'true or false'}")
    return value


def _number(kind: type, value: Any, where: str, bounds: Between | Literal["may be NaN or infinite"] | None) -> Any:
    if type(value) is not int and not (kind is float and type(value) is float):
        raise MalformedError(f"{where}: {shown(value)} is no {'whole ' if kind is int else ''}number")
    if bounds == MAY_BE_NAN and isinstance(value, float) and not math.isfinite(value):
        return value
    most: float = MOST if kind is int else LARGEST
    limits = bounds if isinstance(bounds, Between) else Between(-most, most)
    if not limits.least <= value <= limits.most:  # NaN is not between
        raise MalformedError(f"{where}: {shown(value)} is outside {limits.least:g} … {limits.most:g}")
    return kind(value)


def _array(scalar: type, value: Any, where: str) -> NDArray[Any]:
    """The array in the nested lists `value`, read-only: float64 with NaN for null, or int64."""
    if not isinstance(value, list):
        raise MalformedError(f"{where}: {shown(value)} is no list of numbers")
    whole = issubclass(scalar, np.integer)
    kinds = (int,) if whole else (int, float, type(None))
    try:
        if not all(type(item) in kinds for item in _items(value)):
            raise ValueError
        array = np.array(value, np.int64 if whole else np.float64)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise MalformedError(f"{where}: {shown(value)} is no array of numbers") from None
    if np.isinf(array).any() or (array.size and np.nanmax(np.abs(array), initial=0) > LARGEST):
        raise MalformedError(f"{where}: has numbers that are infinite or too large")
    return frozen(array)


def _items(value: list[Any]) -> Iterator[Any]:
    for item in value:
        if isinstance(item, list):
            yield from _items(item)
        else:
            yield item


def shown(value: Any) -> str:
    """`value` as a sentence quotes it: the beginning and the end, if it is long."""
    return reprlib.repr(value)
