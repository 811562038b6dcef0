"""The values of a message as JSON and bytes, and back: written as they are, read only as their annotations allow."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_DIMENSIONS = 3
MAX_SIZE = 1 << 28  # of one dimension
DTYPES = frozenset(["<f2", "<f4", "<f8", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8"])
ALIGNMENT = 8  # of an array in the buffers


class WireError(Exception):
    """Bytes that are no message of this protocol, or a message that cannot be written in it."""


def write(value: Any, buffers: list[bytes]) -> Any:
    """`value` as `json` takes it; the bytes of its arrays are appended to `buffers`."""
    if type(value) in (str, float, int):
        return value
    if isinstance(value, np.ndarray):
        return _write_array(value, buffers)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (tuple, list)):
        return [write(item, buffers) for item in value]
    if isinstance(value, dict):
        return {key: write(item, buffers) for key, item in value.items()}
    if dataclasses.is_dataclass(value):
        return {name: write(getattr(value, name), buffers) for name in hints(type(value))}
    return value


def _write_array(array: NDArray[Any], buffers: list[bytes]) -> dict[str, Any]:
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    if little.dtype.str not in DTYPES or little.ndim > MAX_DIMENSIONS:
        raise WireError(f"an array of {array.dtype} with {array.ndim} dimensions cannot be written")
    offset = sum(map(len, buffers))
    data = little.tobytes()
    buffers.append(data + bytes(-len(data) % ALIGNMENT))
    return {"dtype": little.dtype.str, "shape": list(little.shape), "offset": offset}


_HINTS: dict[type, dict[str, Any]] = {}


def hints(kind: type) -> dict[str, Any]:
    """The annotation of every field of a dataclass."""
    if kind not in _HINTS:
        _HINTS[kind] = typing.get_type_hints(kind)
    return _HINTS[kind]


def read(hint: Any, value: Any, buffers: bytes) -> Any:
    """What `write` made `value` from, if that is what the annotation `hint` allows; else `WireError`."""
    if dataclasses.is_dataclass(hint):
        return _read_dataclass(typing.cast(type, hint), value, buffers)
    arguments = typing.get_args(hint)
    match typing.get_origin(hint):
        case typing.Literal:
            return _checked(value, isinstance(value, str) and value in arguments)
        case types.UnionType:
            some, _ = arguments  # the other is None, always
            return None if value is None else read(some, value, buffers)
        case builtin if builtin is tuple:
            return _read_tuple(arguments, value, buffers)
        case builtin if builtin is dict:
            _checked(value, isinstance(value, dict))
            return {key: read(arguments[1], item, buffers) for key, item in value.items()}
        case np.ndarray:
            (scalar,) = typing.get_args(arguments[1])
            return _read_array(typing.get_origin(scalar) or scalar, value, buffers)
    return _read_scalar(hint, value)


def _checked(value: Any, condition: bool) -> Any:
    if not condition:
        raise WireError("a value of another type than its field")
    return value


def _read_scalar(hint: Any, value: Any) -> Any:
    if hint is Any:
        return value
    if hint is float and type(value) is int:
        return float(_checked(value, abs(value) < 2**63))
    if hint is int:
        return _checked(value, type(value) is int and abs(value) < 2**63)
    return _checked(value, type(value) is hint)


def _read_dataclass(kind: type, value: Any, buffers: bytes) -> Any:
    fields = hints(kind)
    _checked(value, isinstance(value, dict) and value.keys() == fields.keys())
    return kind(**{name: read(hint, value[name], buffers) for name, hint in fields.items()})


def _read_tuple(arguments: tuple[Any, ...], value: Any, buffers: bytes) -> tuple[Any, ...]:
    _checked(value, isinstance(value, list))
    if arguments[-1] is Ellipsis:
        return tuple(read(arguments[0], item, buffers) for item in value)
    _checked(value, len(value) == len(arguments))
    return tuple(read(hint, item, buffers) for hint, item in zip(arguments, value, strict=True))


def _read_array(scalar: type, value: Any, buffers: bytes) -> NDArray[Any]:
    """A read-only view of the buffers, after its place and size were checked against theirs."""
    _checked(value, isinstance(value, dict) and value.keys() == {"dtype", "shape", "offset"})
    name, shape, offset = value["dtype"], value["shape"], value["offset"]
    _checked(name, isinstance(name, str) and name in DTYPES)
    _checked(shape, isinstance(shape, list) and len(shape) <= MAX_DIMENSIONS)
    for size in (*shape, offset):
        _checked(size, type(size) is int and 0 <= size <= MAX_SIZE)
    dtype, count = np.dtype(name), math.prod(shape)
    _checked(dtype, issubclass(dtype.type, scalar))
    _checked(count, offset + count * dtype.itemsize <= len(buffers))
    array = np.frombuffer(buffers, dtype, count, offset) if count else np.zeros(0, dtype)
    array = array.reshape(shape)
    array.flags.writeable = False
    return array
