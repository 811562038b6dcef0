"""JSON is read into the types of a dataclass's fields; what does not fit is named by its field."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.arrays import Array, Integers
from engine.typed_json import MOST, Count, MalformedError, Measured, parse, read


@dataclass(frozen=True)
class Inner:
    name: str
    at: tuple[int, ...] = ()


@dataclass(frozen=True)
class Outer:
    count: Count
    share: float
    loss: Measured | None = None
    kind: Literal["a", "b"] = "a"
    flag: bool = False
    pair: tuple[int, str] = (0, "")
    inner: Inner | None = None
    by_name: dict[str, float | None] = field(default_factory=dict)
    numbers: Array | None = None
    codes: Integers | None = None


GOOD: dict[str, Any] = {"count": 3, "share": 1}


def test_every_kind_of_field_is_read() -> None:
    values = {
        **GOOD, "loss": math.inf, "kind": "b", "flag": True, "pair": [1, "x"], "inner": {"name": "n", "at": [1, 2]},
        "by_name": {"r": 0.5, "z": None}, "numbers": [[1, None], [0.5, 2]], "codes": [1, 2], "of a later version": [],
    }  # fmt: skip
    found = read(Outer, parse(json.dumps(values).encode()))
    assert (found.share, found.loss, found.kind, found.flag, found.pair) == (1.0, math.inf, "b", True, (1, "x"))
    assert type(found.share) is float
    assert found.inner == Inner("n", (1, 2))
    assert found.by_name == {"r": 0.5, "z": None}
    np.testing.assert_array_equal(found.numbers, [[1, np.nan], [0.5, 2]])
    assert found.codes is not None
    assert found.codes.dtype == np.int64
    assert not found.codes.flags.writeable


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"count": 3}, "share: is missing"),
        ({"count": True}, "count: True is no whole number"),
        ({"count": 1.0}, "count: 1.0 is no whole number"),
        ({"count": "3"}, "count: '3' is no whole number"),
        ({"count": [3]}, r"count: \[3\] is no whole number"),
        ({"count": -1}, "count: -1 is outside 0 … 1e"),
        ({"count": 10**400}, r"count: 1000\d*\.\.\.\d*000 is outside"),
        ({"share": math.nan}, "share: nan is outside"),
        ({"share": math.inf}, "share: inf is outside"),
        ({"share": 1e300}, r"share: 1e\+300 is outside"),
        ({"share": 10**300}, "share: 1000"),
        ({"share": None}, "share: None is no number"),
        ({"loss": "low"}, "loss: 'low' is no number"),
        ({"loss": 1e300}, "loss: "),
        ({"kind": "c"}, "kind: 'c' is none of a, b"),
        ({"kind": ["a"]}, r"kind: \['a'\] is none of a, b"),
        ({"flag": 1}, "flag: 1 is no true or false"),
        ({"pair": [1]}, r"pair: \[1\] has 1 items, not 2"),
        ({"pair": [1, 2]}, r"pair\[1\]: 2 is no text"),
        ({"pair": "ab"}, "pair: 'ab' is no list"),
        ({"inner": []}, r"inner: \[\] is no object"),
        ({"inner": {}}, "inner.name: is missing"),
        ({"inner": {"name": "n", "at": [0, None]}}, r"inner.at\[1\]: None is no whole number"),
        ({"by_name": {"r": "0"}}, "by_name.'r': '0' is no number"),
        ({"numbers": [[1], [1, 2]]}, "numbers: .* is no array of numbers"),
        ({"numbers": ["1"]}, "numbers: .* is no array of numbers"),
        ({"numbers": [10**400]}, "numbers: .* is no array of numbers"),
        ({"numbers": [1e400]}, "numbers: has numbers that are infinite"),
        ({"numbers": [True]}, "numbers: .* is no array of numbers"),
        ({"codes": [1.5]}, "codes: .* is no array of numbers"),
        ({"codes": [None]}, "codes: .* is no array of numbers"),
        ({"codes": [2**63]}, "codes: .* is no array of numbers"),
        ({"inner": {"name": "x" * 10**6, "at": 1}}, "inner.at: 1 is no list"),
    ],
)
def test_what_does_not_fit_is_named(values: dict[str, Any], sentence: str) -> None:
    values = values if values.keys() == {"count"} and values["count"] == 3 else GOOD | values
    with pytest.raises(MalformedError, match=f"^{sentence}") as caught:
        read(Outer, values)
    assert len(str(caught.value)) < 200, "a sentence stays short whatever it quotes"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "no JSON"),
        (b"\0\0", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b'{"a": 1, "b": 2, "a": 1}', "'a' is there twice"),
        (b"[" * 10_000, "nested too deeply"),
        (b'{"a":' * 10_000, "nested too deeply"),
        (b"1" * 5000, "no JSON"),
    ],
)
def test_what_is_no_json_says_so(data: bytes, sentence: str) -> None:
    with pytest.raises(MalformedError, match=sentence):
        parse(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(values=st.fixed_dictionaries({}, optional=dict.fromkeys(Outer.__dataclass_fields__, JSON)))
def test_anything_is_read_or_refused(values: dict[str, Any]) -> None:
    """There is no third way: no other exception, and what is read has the types and bounds of its fields."""
    try:
        found = read(Outer, parse(json.dumps(values).encode()))
    except MalformedError:
        return
    assert type(found.count) is int
    assert 0 <= found.count <= MOST
    assert math.isfinite(found.share)
    assert found.kind in ("a", "b")
