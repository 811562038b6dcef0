"""The protocol between a run and its viewers: everything crosses unchanged, and nothing else gets through."""

import dataclasses
import inspect
import json
import math
import struct
import tracemalloc
from typing import Any

import numpy as np
import pytest

from engine.config import Config
from engine.remote import codec
from engine.remote.codec import WireError
from engine.session import messages
from engine.session.messages import (
    Candidate,
    Cells,
    Connectivity,
    Feature,
    GradientFlow,
    History,
    Ladder,
    Notice,
    Rung,
    RunInfo,
    Sample,
    SampleFinished,
    SamplingSettings,
    Saved,
    SetView,
    Snapshot,
    View,
)
from tests.example_messages import FLOATS, MESSAGES, SAMPLE, SNAPSHOT, is_equal

KINDS = tuple({type(message) for message in MESSAGES})


def frame_of(header: object, buffers: bytes = b"") -> bytes:
    """A frame as `decode` takes it, with any header: bytes as they are, anything else as JSON."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack(">I", len(text)) + text + buffers


def valid_frame(message: object) -> bytes:
    return codec.encode(message)[4:]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_round_trip(message: object) -> None:
    assert is_equal(message, codec.decode(valid_frame(message), KINDS))


def test_every_message_is_tried() -> None:
    kinds = {kind for _, kind in inspect.getmembers(messages, dataclasses.is_dataclass)}
    parts = {Ladder, Rung, History, Sample, GradientFlow, Candidate, Connectivity, Feature, Cells, View}
    parts |= {messages.Eigenvalues, messages.Exponents, messages.Saturation, messages.Where, messages.Answers}
    parts |= {SamplingSettings, messages.Inside, messages.Equation, messages.InsideQuestion}
    parts |= {messages.Held, messages.Contexts, messages.Context, messages.Portrait, messages.FixedPoint}
    assert kinds == (set(KINDS) | parts) - {codec.Hello, codec.Take}


def test_arrays_arrive_read_only() -> None:
    snapshot = codec.decode(valid_frame(SNAPSHOT), (Snapshot,))
    for array in (snapshot.history.step, snapshot.cells.values, snapshot.connectivity.matrix):
        assert not array.flags.writeable


def test_non_native_and_scalar_numpy_values_cross() -> None:
    scalars: dict[str, Any] = {"step": np.int64(3), "val_loss": np.float32(0.5)}
    big_endian = dataclasses.replace(SAMPLE, probability=FLOATS.astype(">f4"), **scalars)
    sample = codec.decode(valid_frame(SampleFinished(big_endian)), (SampleFinished,)).sample
    np.testing.assert_array_equal(sample.probability, FLOATS.astype("<f4"))
    assert (sample.step, sample.val_loss) == (3, 0.5)


def test_unchanged_parts_are_sent_once_and_keep_their_identity() -> None:
    following = dataclasses.replace(SNAPSHOT, step=6, cells=None)
    first = codec.decode(valid_frame(SNAPSHOT), (Snapshot,))
    frame = codec.encode(following, SNAPSHOT)[4:]
    second = codec.decode(frame, (Snapshot,), first)
    assert is_equal(second, following)
    assert second.connectivity is first.connectivity
    assert len(frame) < len(valid_frame(following)) / 4
    with pytest.raises(WireError, match="refers to one before"):
        codec.decode(frame, (Snapshot,))


@pytest.mark.parametrize(
    "message",
    [
        Notice(object()),  # type: ignore[arg-type] # which is what is tried
        Saved(1, b"bytes", "end"),  # type: ignore[arg-type] # which is what is tried
        dataclasses.replace(SAMPLE, probability=np.array(["text"])),
        dataclasses.replace(SAMPLE, probability=np.array([object()])),
        dataclasses.replace(SAMPLE, probability=np.zeros((1, 1, 1, 1))),
    ],
)
def test_what_cannot_be_written_is_refused(message: object) -> None:
    with pytest.raises(WireError, match="cannot be written"):
        codec.encode(SampleFinished(message) if isinstance(message, Sample) else message)


def test_a_frame_beyond_the_limit_is_not_made() -> None:
    with pytest.raises(WireError, match="too large"):
        codec.encode(SetView(View(prompt="x" * codec.COMMAND_LIMIT)), limit=codec.COMMAND_LIMIT)


def array_header(**changes: object) -> dict[str, Any]:
    """The header of a sample whose array of two numbers is described otherwise."""
    frame = valid_frame(SampleFinished(SAMPLE))
    header: dict[str, Any] = json.loads(frame[4 : 4 + int.from_bytes(frame[:4], "big")])
    header["fields"]["sample"]["probability"] = {"dtype": "<f8", "shape": [2], "offset": 0} | changes
    return header


def test_array_header_is_right_where_nothing_is_changed() -> None:
    sample = codec.decode(frame_of(array_header(), bytes(16)), KINDS).sample
    assert sample.probability.tolist() == [0, 0]


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": [3]},
        {"shape": [-2]},
        {"shape": [2**62, 4]},
        {"shape": [2**28, 2**28, 2**28]},
        {"shape": [2**80]},
        {"shape": [0, 2**40]},
        {"shape": [1, 1, 1, 1]},
        {"shape": [True]},
        {"shape": [2.0]},
        {"shape": 2},
        {"shape": None},
        {"offset": 1},
        {"offset": -8},
        {"offset": 2**64},
        {"offset": "0"},
        {"dtype": "O"},
        {"dtype": "|O"},
        {"dtype": "<U1000000"},
        {"dtype": "<i8"},
        {"dtype": ">f8"},
        {"dtype": "f8,f8"},
        {"dtype": ["<f8"]},
        {"dtype": None},
        {"more": 1},
    ],
    ids=str,
)
def test_arrays_of_unknown_types_or_outside_the_frame_are_refused(changes: dict[str, object]) -> None:
    frame = frame_of(array_header(**changes), bytes(16))
    with pytest.raises(WireError, match="a value of another type than its field"):
        codec.decode(frame, KINDS)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("ScaleLearningRate", {"factor": "fast"}),
        ("ScaleLearningRate", {"factor": True}),
        ("ScaleLearningRate", {"factor": None}),
        ("ScaleLearningRate", {"factor": 10**300}),
        ("ScaleLearningRate", {}),
        ("ScaleLearningRate", {"factor": 1.0, "momentum": 0.9}),
        ("SetSampling", {"temperature": 1.0}),
        ("ShiftSampling", {"temperature": 1.0, "top_k": None, "top_p": 0}),
        ("Clamp", {"layer": 0, "unit": 2**63, "value": None}),
        ("Clamp", {"layer": 0.5, "unit": 1, "value": None}),
        ("Stop", {"save": 1}),
        ("Notice", {"text": "x", "severity": "fatal"}),
        ("Notice", {"text": ["x"], "severity": "error"}),
        ("SetView", {"view": None}),
        ("SetView", {"view": {"prompt": "x"}}),
        ("SetView", {"view": [1]}),
        ("Saved", {"step": 1, "path": "x", "why": ["best"]}),
    ],
)
def test_fields_of_other_types_are_refused(name: str, fields: dict[str, object]) -> None:
    frame = frame_of({"type": name, "fields": fields, "same": []})
    with pytest.raises(WireError, match=f"a value of another type than its field|a {name} with other fields"):
        codec.decode(frame, KINDS)


@pytest.mark.parametrize(
    ("sentence", "frame"),
    [
        ("shorter than its header", b""),
        ("shorter than its header", b"\0\0"),
        ("shorter than its header", b"\xff\xff\xff\xff{}"),
        ("not JSON", frame_of(b"")),
        ("not JSON", frame_of(b"\xff\xfe")),
        ("not JSON", frame_of("é".encode())),
        ("not JSON", frame_of(b"[" * 100_000)),
        ("not JSON", frame_of(b'{"a":' * 100_000)),
        ("not JSON", frame_of(b"1" * 10_000)),
        ("without type, fields and same", frame_of([])),
        ("without type, fields and same", frame_of({})),
        ("without type, fields and same", frame_of({"type": "Pause", "fields": {}})),
        ("without type, fields and same", frame_of({"type": "Pause", "fields": {}, "same": [], "more": 0})),
        ("without type, fields and same", frame_of({"type": "Pause", "fields": [], "same": []})),
        ("without type, fields and same", frame_of({"type": ["Pause"], "fields": {}, "same": []})),
        ("other fields", frame_of({"type": "Pause", "fields": {}, "same": ["x"]})),
        ("other fields", frame_of({"type": "Pause", "fields": {}, "same": [[]]})),
        ("other fields", frame_of({"type": "Stop", "fields": {"save": True}, "same": ["save"]})),
        ("unexpected type", frame_of({"type": "Link", "fields": {}, "same": []})),
        ("unexpected type", frame_of({"type": "object", "fields": {}, "same": []})),
        ("unexpected type", frame_of({"type": "History", "fields": {}, "same": []})),
        ("there is none", frame_of({"type": "Stop", "fields": {}, "same": ["save"]})),
    ],
)
def test_frames_without_a_message_are_refused(frame: bytes, sentence: str) -> None:
    with pytest.raises(WireError, match=sentence):
        codec.decode(frame, KINDS)


def test_a_header_that_would_take_gigabytes_as_objects_is_not_read() -> None:
    """Brackets of three bytes become objects of sixty."""
    text = b'{"type":"Pause","fields":{},"same":[' + b"[]," * (codec.HEADER_LIMIT // 3) + b"[]]}"
    tracemalloc.start()
    with pytest.raises(WireError, match=r"a header of 8,388,6.. bytes; at most 8,388,608 are read"):
        codec.decode(frame_of(text), KINDS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * codec.HEADER_LIMIT
    with pytest.raises(WireError, match="too large"):
        codec.encode(Notice("x" * codec.HEADER_LIMIT))


def test_only_the_expected_types_are_read() -> None:
    frame = valid_frame(SNAPSHOT)
    with pytest.raises(WireError, match="unexpected type"):
        codec.decode(frame, (codec.Take, *codec.COMMANDS))


def test_frames_are_cut_wherever_the_stream_is_split() -> None:
    stream = b"".join(map(codec.encode, MESSAGES))
    rng = np.random.default_rng(2)
    frames, place = codec.Frames(codec.REPORT_LIMIT), 0
    found: list[bytes] = []
    while place < len(stream):
        size = int(rng.integers(1, 700))
        found += frames.feed(stream[place : place + size])
        place += size
    assert found == [valid_frame(message) for message in MESSAGES]


def test_an_announced_giant_is_refused_before_it_arrives() -> None:
    tracemalloc.start()
    with pytest.raises(WireError, match="a frame of 4,294,967,295 bytes"):
        list(codec.Frames(codec.COMMAND_LIMIT).feed(b"\xff\xff\xff\xff" + bytes(100)))
    for shape in ([2**28], [2**28, 0], [2**28, 2**28]):
        frame = frame_of(array_header(shape=shape, offset=1))
        with pytest.raises(WireError, match="a value of another type than its field"):
            codec.decode(frame, KINDS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


INFO = RunInfo("otter", "", Config().to_json(), ("a", "b"), "text", 100, 9, 1, held_out=10)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"config": {"layers": "many"}}, "layers"),
        ({"config": {"seq": [1]}}, "seq"),
        ({"config": {"hidden": 0}}, "hidden: 0 is too small"),
        ({"config": {"blocks": None}}, "blocks"),
        ({"vocabulary": ()}, "at least one character"),
        ({"vocabulary": ("ab",)}, "a vocabulary is"),
        ({"text_length": -1}, "numbers that no run has"),
        ({"held_out": 101}, "numbers that no run has"),
        ({"entropy": math.nan}, "numbers that no run has"),
    ],
)
def test_a_run_that_cannot_be_is_not_believed(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(WireError, match=said):
        codec.possible_run(dataclasses.replace(INFO, **changes))


def test_a_run_of_another_version_has_all_settings_of_this_one() -> None:
    assert codec.possible_run(INFO) == INFO
    older = dataclasses.replace(INFO, config={"hidden": 9, "one that only they have": 1})
    assert codec.possible_run(older).config == Config(hidden=9).to_json()
