"""How the messages between a run and its viewers are written as bytes.

A frame, numbers big-endian:

    4 bytes   length of all that follows
    4 bytes   length of the header
    header    JSON in ASCII: {"type": name, "fields": {name: value, …}, "same": [name, …]}
    buffers   the arrays' bytes, little-endian, each at a multiple of 8

A dataclass is an object with all its fields, a tuple is a list, and an array is {"dtype": "<f4",
"shape": [T, B], "offset": bytes into the buffers}. NaN, infinities and halves of surrogate pairs are
written as Python's `json` writes them; stricter JSON has none of these. `same` names the fields that
have not changed since the previous message of this type.

The first frame of each side is a `Hello`: it says which protocol follows. Then the run sends `RunInfo`
once, events as they happen, and one `Snapshot` for each `Take`; a viewer sends `Take` and commands.

`decode` returns only `Hello`, `Take` and the dataclasses of `engine.session.messages`, every field
checked against its annotation; anything else is a `WireError`. Nothing is compressed: memory for a
message stays within a small multiple of its frame.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import struct
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.arrays import frozen
from engine.config import Config, from_mapping
from engine.errors import ConfigError
from engine.runs.record import RunInfo
from engine.session import messages
from engine.setting import settings_of
from engine.text.vocabulary import Vocabulary

PROTOCOL = 3
COMMAND_LIMIT = 1 << 18  # bytes of a frame from a viewer
REPORT_LIMIT = 1 << 27  # bytes of a frame from a run
HEADER_LIMIT = 1 << 23  # bytes of its header, which as Python's objects takes many times as much memory
MAX_DIMENSIONS = 3  # of an array
MAX_SIZE = 1 << 28  # of one dimension, and of an offset
DTYPES = frozenset(["<f2", "<f4", "<f8", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8"])
ALIGNMENT = 8  # bytes: where an array may begin in the buffers

_LENGTHS = struct.Struct(">II")


class WireError(Exception):
    """Bytes that are no message of this protocol, or a message that cannot be written in it."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message of each side."""

    program: str = "charrnn-tui"
    protocol: int = PROTOCOL


@dataclass(frozen=True, slots=True)
class Take:
    """A viewer asks for the next snapshot; it gets none without asking."""


COMMANDS: tuple[type, ...] = typing.get_args(messages.Command)
EVENTS: tuple[type, ...] = typing.get_args(messages.Event)
_KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (*vars(messages).values(), Hello, Take)
    if inspect.isclass(kind) and dataclasses.is_dataclass(kind)
}
_HINTS: dict[type, dict[str, Any]] = {kind: typing.get_type_hints(kind) for kind in _KINDS.values()}  # by field


def encode(message: Any, previous: Any = None, limit: int = REPORT_LIMIT) -> bytes:
    """One frame of at most `limit` bytes. Raises `WireError` if `message` cannot be written as one.

    Parts that are the same objects in `previous`, the message of this type sent before, are not written again.
    """
    kind, buffers = type(message), list[bytes]()
    same = [name for name in _HINTS[kind] if type(previous) is kind and _is_same_part(message, previous, name)]
    fields = {name: _write(getattr(message, name), buffers) for name in _HINTS[kind] if name not in same}
    try:
        header = json.dumps({"type": kind.__name__, "fields": fields, "same": same}).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise WireError(f"{kind.__name__} cannot be written: {error}") from None
    length = 4 + len(header) + sum(map(len, buffers))
    if length > limit or len(header) > HEADER_LIMIT:
        raise WireError(f"{kind.__name__} is too large: {length:,} bytes, at most {limit:,}")
    return b"".join([_LENGTHS.pack(length, len(header)), header, *buffers])


def _is_same_part(message: Any, previous: Any, name: str) -> bool:
    """Whether a field holds a dataclass and has not changed. A number is as short as a reference to it."""
    part = getattr(message, name)
    return part is getattr(previous, name) and dataclasses.is_dataclass(part)


def decode(frame: bytes, kinds: tuple[type, ...], previous: Any = None) -> Any:
    """The message in a frame (without its first 4 bytes). Raises `WireError` if it is not one of `kinds`.

    `previous` is the message of the same type before it. Arrays are read-only views of the frame's bytes.
    """
    header_end = 4 + int.from_bytes(frame[:4], "big")
    if len(frame) < header_end:
        raise WireError("a frame shorter than its header")
    if header_end > HEADER_LIMIT:
        raise WireError(f"a header of {header_end:,} bytes; at most {HEADER_LIMIT:,} are read")
    try:
        header = json.loads(frame[4:header_end].decode("ascii"))
    except (ValueError, RecursionError):
        raise WireError("a header that is not JSON") from None
    match header:
        case {"type": str(name), "fields": dict(fields), "same": list(same), **rest} if not rest:
            kind = _KINDS.get(name)
        case _:
            raise WireError("a header without type, fields and same")
    if kind is None or kind not in kinds:
        raise WireError("a message of an unexpected type")
    hints = _HINTS[kind]
    if sorted([*fields, *map(str, same)]) != sorted(hints):
        raise WireError(f"a {name} with other fields than it has")
    if same and type(previous) is not kind:
        raise WireError(f"a {name} that refers to one before, and there is none")
    buffers = frame[header_end:]
    values = {part: getattr(previous, part) for part in same}
    values |= {part: _read(hints[part], value, buffers) for part, value in fields.items()}
    return kind(**values)


def require_possible(snapshot: messages.Snapshot) -> None:
    """Raise `WireError` if `snapshot` has numbers that no run has; losses may well be NaN."""
    amounts = (snapshot.step, snapshot.epoch, snapshot.seconds, snapshot.chars_per_second, snapshot.lr)
    if not all(0 <= amount < math.inf for amount in amounts) or (snapshot.steps or 0) < 0:
        raise WireError("a snapshot with numbers that no run has")


def possible_run(info: RunInfo) -> RunInfo:
    """`info` with all settings of this version, those that it lacks as they are by default.

    Raises `WireError` if it describes no run: what shows it relies on its settings, characters and numbers.
    """
    known = settings_of(Config)
    try:
        config = from_mapping({name: value for name, value in info.config.items() if name in known})
        Vocabulary(info.vocabulary)
    except (ConfigError, ValueError) as error:
        raise WireError(f"a run that cannot be: {error}") from None
    counts = (info.text_length, info.parameters, info.threads, info.validated, info.held_out, info.tested, info.trained)
    if min(counts) < 0 or not 0 <= (info.entropy or 0.0) < math.inf:
        raise WireError("a run with numbers that no run has")
    return dataclasses.replace(info, config=config.to_json())


class Frames:
    """Cuts a stream of bytes into frames of at most `limit` bytes; holds only bytes that have arrived."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames that `data` completes, each without its first 4 bytes. Raises `WireError` for a longer one."""
        self._bytes += data
        while len(self._bytes) >= 4:
            length = int.from_bytes(self._bytes[:4], "big")
            if length > self._limit:
                raise WireError(f"a frame of {length:,} bytes; at most {self._limit:,} are read")
            if len(self._bytes) < 4 + length:
                return
            frame = bytes(self._bytes[4 : 4 + length])
            del self._bytes[: 4 + length]
            yield frame


def _write(value: Any, buffers: list[bytes]) -> Any:
    """`value` as `json` takes it; appends the bytes of its arrays to `buffers`."""
    if type(value) in (str, float, int):
        return value
    if isinstance(value, np.ndarray):
        return _write_array(value, buffers)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (tuple, list)):
        return [_write(item, buffers) for item in value]
    if isinstance(value, dict):
        return {key: _write(item, buffers) for key, item in value.items()}
    if dataclasses.is_dataclass(value):
        return {name: _write(getattr(value, name), buffers) for name in _HINTS[type(value)]}
    return value


def _write_array(array: NDArray[Any], buffers: list[bytes]) -> dict[str, Any]:
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    if little.dtype.str not in DTYPES or little.ndim > MAX_DIMENSIONS:
        raise WireError(f"an array of {array.dtype} with {array.ndim} dimensions cannot be written")
    offset = sum(map(len, buffers))
    data = little.tobytes()
    buffers.append(data + bytes(-len(data) % ALIGNMENT))
    return {"dtype": little.dtype.str, "shape": list(little.shape), "offset": offset}


def _read(hint: Any, value: Any, buffers: bytes) -> Any:
    """The object from which `_write` made `value`. Raises `WireError` if the annotation `hint` does not allow it."""
    if dataclasses.is_dataclass(hint):
        return _read_dataclass(typing.cast(type, hint), value, buffers)
    arguments = typing.get_args(hint)
    match typing.get_origin(hint):
        case typing.Literal:
            return _checked(value, isinstance(value, str) and value in arguments)
        case types.UnionType:
            some, _ = arguments  # the other is None, always
            return None if value is None else _read(some, value, buffers)
        case builtin if builtin is tuple:
            return _read_tuple(arguments, value, buffers)
        case builtin if builtin is dict:
            _checked(value, isinstance(value, dict))
            return {key: _read(arguments[1], item, buffers) for key, item in value.items()}
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
    hints = _HINTS[kind]
    _checked(value, isinstance(value, dict) and value.keys() == hints.keys())
    return kind(**{name: _read(hint, value[name], buffers) for name, hint in hints.items()})


def _read_tuple(arguments: tuple[Any, ...], value: Any, buffers: bytes) -> tuple[Any, ...]:
    _checked(value, isinstance(value, list))
    if arguments[-1] is Ellipsis:
        return tuple(_read(arguments[0], item, buffers) for item in value)
    _checked(value, len(value) == len(arguments))
    return tuple(_read(hint, item, buffers) for hint, item in zip(arguments, value, strict=True))


def _read_array(scalar: type, value: Any, buffers: bytes) -> NDArray[Any]:
    """A read-only view of the buffers, once its place and size are known to lie inside them."""
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
    return frozen(array.reshape(shape))
