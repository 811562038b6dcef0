"""Hypothesis against the codec: every message crosses, and no bytes give anything but a message or the one error."""

import dataclasses
import json
import re
import tracemalloc
import types
import typing
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from engine.remote import codec
from engine.remote.codec import WireError
from engine.session.messages import Snapshot
from tests.example_messages import MESSAGES, SNAPSHOT, is_equal

KINDS = tuple({type(message) for message in MESSAGES})
MANY = settings(
    max_examples=300,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

TEXT = st.text(st.characters(exclude_categories=()), max_size=8)  # half a surrogate pair too: file names have them
INTEGERS = st.integers(-(2**63) + 1, 2**63 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats() | TEXT,
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(TEXT, parts, max_size=3),
    max_leaves=5,
)
SCALARS = {bool: st.booleans(), int: INTEGERS, float: st.floats(), str: TEXT, type(None): st.none(), Any: JSON}


def values(hint: Any) -> st.SearchStrategy[Any]:
    """A strategy for the values that an annotation allows."""
    arguments = typing.get_args(hint)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return st.builds(hint, **{name: values(part) for name, part in typing.get_type_hints(hint).items()})
    origin: Any = typing.get_origin(hint)
    match origin:
        case typing.Literal:
            return st.sampled_from(arguments)
        case types.UnionType:
            return st.one_of(*map(values, arguments))
        case builtin if builtin is tuple and arguments[-1] is Ellipsis:
            return st.lists(values(arguments[0]), max_size=3).map(tuple)
        case builtin if builtin is tuple:
            return st.tuples(*map(values, arguments))
        case builtin if builtin is dict:
            return st.dictionaries(TEXT, values(arguments[1]), max_size=3)
        case np.ndarray:
            (scalar,) = typing.get_args(arguments[1])
            kind = typing.get_origin(scalar) or scalar
            dtypes = [name for name in sorted(codec.DTYPES) if issubclass(np.dtype(name).type, kind)]
            shapes = arrays.array_shapes(min_dims=0, max_dims=codec.MAX_DIMENSIONS, min_side=0, max_side=4)
            return arrays.arrays(st.sampled_from(dtypes), shapes)
    return SCALARS[hint]


ANY_MESSAGE = st.sampled_from(sorted(KINDS, key=lambda kind: kind.__name__)).flatmap(values)


@MANY
@given(ANY_MESSAGE)
def test_every_message_crosses(message: object) -> None:
    assert is_equal(message, codec.decode(codec.encode(message)[4:], KINDS))


FIELDS = typing.get_type_hints(Snapshot)


@MANY
@given(st.data())
def test_a_snapshot_that_refers_to_the_one_before_crosses(data: st.DataObject) -> None:
    names = data.draw(st.sets(st.sampled_from(sorted(FIELDS)), max_size=3))
    changes = {name: data.draw(values(FIELDS[name])) for name in names}
    message = dataclasses.replace(SNAPSHOT, **changes)
    frame = codec.encode(message, SNAPSHOT)[4:]
    assert is_equal(message, codec.decode(frame, (Snapshot,), SNAPSHOT))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A frame of which some bytes, or some numbers and names in the header, are others."""
    frame = bytearray(codec.encode(draw(st.sampled_from(MESSAGES)))[4:])
    for _ in range(draw(st.integers(1, 4))):
        end = 4 + int.from_bytes(frame[:4], "big")
        tokens = list(re.finditer(rb'-?[0-9.e+]+|"[^"]*"|true|null|NaN', frame[4:end]))
        place = draw(st.integers(0, len(frame)))
        match draw(st.sampled_from(["header", "change", "cut", "remove", "insert"])):
            case "header" if tokens:
                start, stop = draw(st.sampled_from(tokens)).span()
                value = draw(JSON | st.integers(-(2**80), 2**80) | st.sampled_from(sorted(codec.DTYPES)))
                header = bytes(frame[4 : 4 + start]) + json.dumps(value).encode() + bytes(frame[4 + stop : end])
                frame[:end] = len(header).to_bytes(4, "big") + header
            case "change":
                frame[place : place + 1] = draw(st.binary(min_size=1, max_size=1))
            case "cut":
                del frame[place:]
            case "remove":
                del frame[place : place + draw(st.integers(1, 20))]
            case _:
                frame[place:place] = draw(st.binary(min_size=1, max_size=20))
    return bytes(frame)


@MANY
@given(damaged() | st.binary(max_size=200))
def test_damaged_frames_give_a_message_or_the_one_error(frame: bytes) -> None:
    tracemalloc.start()
    try:
        message = codec.decode(frame, KINDS)
    except WireError:
        message = None
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert message is None or type(message) in KINDS
    assert peak < 100 * len(frame) + 20_000  # bytes: as Python's objects a header takes many times its own
