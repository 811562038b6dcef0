"""Whatever a run's directory holds, every command gives an answer or one sentence, and touches nothing outside it.

Somebody may have damaged the run, or made it to harm its reader. Each example changes some of its files; the harm is
drawn by Hypothesis. CHARRNN_HOSTILE_RUNS sets how many directories are tried.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from engine.runs import checkpoint
from tests import hostile_runs
from tests.finished_run import finish_run
from tests.hostile_runs import Done

ROOT = Path(__file__).parent.parent
EXAMPLES = int(os.environ.get("CHARRNN_HOSTILE_RUNS", "12"))
MEGABYTES = 500  # that a command may take
JSONS = ("config.json", "state.json")
LOGS = ("metrics.jsonl", "samples.jsonl")
WEIGHTS = ("model.safetensors", "checkpoint.safetensors", "moments/0.safetensors")
FILES = (*JSONS, *LOGS, *WEIGHTS, "best.safetensors", "lock", "log.txt", "moments")

Harm = Callable[[Path], str]  # does it to the run in a directory; says what it did

VALUES: list[Any] = [
    10**400, -(10**400), 10**18, 10**9, 10**6, 300, -1, 0, 1.5, 1e308, float("inf"), float("-inf"), float("nan"),
    True, None, "", "x", "x" * 100_000, "\ud800", "\x1b]0;owned\x07", "\0", "../../canary", "/dev/zero", "/", [], [1],
    {}, [[]], {"a": {"b": 1}}, "0000-01-01T00:00:00+00:00", "9999-12-31T23:59:59-23:59", "training", "newer", 99,
]  # fmt: skip
TEXTS = [b"", b"{", b"[]", b"null", b"\0" * 1000, b"\xff\xfe{}", b'{"a": 1, "a": 2}', b"[" * 10_000, b'{"a":' * 10_000]


def _places(values: Any) -> list[tuple[Any, ...]]:
    """The path to every value in `values`, not more than the first three of a list."""
    if isinstance(values, dict):
        return [path for key in values for path in [(key,), *((key, *rest) for rest in _places(values[key]))]]
    if isinstance(values, list):
        return [path for at in range(min(3, len(values))) for path in [(at,), *((at, *r) for r in _places(values[at]))]]
    return []


def _changed(values: Any, place: int, value: Any) -> str:
    """Put `value` at a place of `values`; `...` removes what is there."""
    places = _places(values)
    if not places:
        return "nothing"
    *path, last = places[place % len(places)]
    for step in path:
        values = values[step]
    if value is ...:
        del values[last]
    elif place % 7 == 0 and isinstance(values, dict):
        values["surplus"] = value
    else:
        values[last] = value
    return f"{[*path, last]} = {str(value)[:30]!r}"


@st.composite
def json_harms(draw: st.DrawFn) -> Harm:
    """One value of a JSON file, or of one line of a log, is another one or missing."""
    file, place = draw(st.sampled_from([*JSONS, *JSONS, *LOGS])), draw(st.integers(0, 400))
    value = draw(st.sampled_from([..., *VALUES]))

    def harm(run: Path) -> str:
        lines = [(run / file).read_text()] if file in JSONS else (run / file).read_text().splitlines()
        at = place % len(lines)
        values = json.loads(lines[at])
        done = _changed(values, place, value)
        lines[at] = json.dumps(values)
        (run / file).write_text("\n".join(lines) + "\n")
        return f"{file}: {done}"

    return harm


@st.composite
def byte_harms(draw: st.DrawFn) -> Harm:
    """A file is other bytes, or huge."""
    file = draw(st.sampled_from([*JSONS, *LOGS, *WEIGHTS, "lock", "log.txt"]))
    content = draw(st.sampled_from([*TEXTS, None]))

    def harm(run: Path) -> str:
        if content is None:
            with (run / file).open("ab") as opened:
                opened.truncate(5 << 30)
            return f"{file}: 5 GB"
        (run / file).write_bytes(content + b"\n")
        return f"{file}: {content[:20]!r}"

    return harm


@st.composite
def node_harms(draw: st.DrawFn) -> Harm:
    """A file is a link, a pipe, a socket, a directory, or a device behind a link."""
    file = draw(st.sampled_from(FILES))
    kind = draw(st.sampled_from(["link", "dangling", "hard", "pipe", "socket", "directory", "zero", "loop", "none"]))

    def harm(run: Path) -> str:
        path, canary = run / file, run.parent.parent / "canaries"
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        match kind:
            case "link":
                path.symlink_to(canary / "file")
            case "dangling":
                path.symlink_to(canary / "not-there")
            case "hard":
                os.link(canary / "file", path)
            case "pipe":
                os.mkfifo(path)
            case "socket":
                with socket.socket(socket.AF_UNIX) as opened:
                    directory = os.open(path.parent, os.O_RDONLY)  # a socket's path must be short
                    opened.bind(f"/proc/self/fd/{directory}/{path.name}")
                    os.close(directory)
            case "directory":
                path.mkdir()
            case "zero":
                path.symlink_to("/dev/zero")
            case "loop":
                path.symlink_to(path)
        return f"{file}: {kind}"

    return harm


@st.composite
def tensor_harms(draw: st.DrawFn) -> Harm:
    """An array, or a value beside the arrays, is another one; checksum and header fit."""
    file, place = draw(st.sampled_from(WEIGHTS)), draw(st.integers(0, 100))
    kind = draw(st.sampled_from(["nan", "inf", "float64", "shape", "name", "missing", "integers", "value", "value"]))
    value = draw(st.sampled_from([..., *VALUES]))

    def harm(run: Path) -> str:
        arrays, meta = checkpoint.read(run / file)
        name = sorted(arrays)[place % len(arrays)]
        match kind:
            case "nan" | "inf":
                arrays[name].flat[0] = float(kind)
            case "float64":
                arrays[name] = arrays[name].astype(np.float64)
            case "shape":
                arrays[name] = arrays[name].reshape(-1, 1)
            case "name":
                arrays["x" * 1000] = arrays[name]
            case "missing":
                del arrays[name]
            case "integers":
                (run / file).write_bytes(save({**arrays, name: arrays[name].astype(np.int64)}))
                return f"{file}: integers"
            case "value":
                name = _changed(meta, place, value)
        checkpoint.write(run / file, arrays, meta)
        return f"{file}: {name} {kind}"

    return harm


@st.composite
def header_harms(draw: st.DrawFn) -> Harm:
    """The header of a file of arrays lies."""
    file = draw(st.sampled_from(WEIGHTS))
    length = draw(st.sampled_from([None, 0, 1, 2**40, 2**63]))
    place, value = draw(st.integers(0, 100)), draw(st.sampled_from([..., *VALUES]))

    def harm(run: Path) -> str:
        data = (run / file).read_bytes()
        size = int.from_bytes(data[:8], "little")
        if length is not None:
            (run / file).write_bytes(length.to_bytes(8, "little") + data[8:])
            return f"{file}: header of {length}"
        header = json.loads(data[8 : 8 + size])
        done = _changed(header, place, value)
        new = json.dumps(header).encode()
        (run / file).write_bytes(len(new).to_bytes(8, "little") + new + data[8 + size :])
        return f"{file}: header {done}"

    return harm


HARMS = st.lists(
    st.one_of(json_harms(), json_harms(), byte_harms(), node_harms(), tensor_harms(), header_harms()),
    min_size=1,
    max_size=2,
)


class Commands:
    """The process that runs the commands; it outlives an example, because it takes a second to begin."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", hostile_runs.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def on(self, run: Path) -> list[Done]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{run}\n")
        self._process.stdin.flush()
        return [Done(**values) for values in json.loads(self._process.stdout.readline())]

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    commands = Commands()
    yield commands
    commands.close()


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finish_run(tmp_path_factory.mktemp("good") / "calm-fox", workers=1)


def tree(root: Path) -> dict[str, Any]:
    """All that is below `root`: kinds, contents and times."""
    found = {}
    for path in root.rglob("*"):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else None
        found[str(path)] = status.st_mode, status.st_size, status.st_mtime_ns, content
    return found


@pytest.fixture(scope="module")
def slowest() -> Iterator[dict[str, tuple[float, str]]]:
    """The most processor seconds and megabytes that a command took, and on what."""
    found = {"seconds": (0.0, ""), "megabytes": (0.0, "")}
    yield found
    print(f"\n{EXAMPLES} directories: {found}")


@given(harms=HARMS)
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_no_directory_harms_its_reader(
    tmp_path: Path, good: Path, commands: Commands, slowest: dict[str, tuple[float, str]], harms: list[Harm]
) -> None:
    """One sentence or an answer: no traceback, no hang, no memory, no control byte, nothing changed outside."""
    shutil.rmtree(tmp_path)
    runs, canaries = tmp_path / "runs", tmp_path / "canaries"
    canaries.mkdir(parents=True)
    (canaries / "file").write_text("a canary\n")
    run = shutil.copytree(good, runs / "hostile")
    shutil.copytree(good, runs / "neighbour")
    (canaries / "file").chmod(0o644)
    done = []
    for harm in harms:
        try:
            done.append(harm(run))
        except (OSError, ValueError, KeyError, IndexError, TypeError, OverflowError):
            continue  # the first harm left nothing for the second
        except Exception:
            continue
    before = tree(canaries), tree(runs / "neighbour")
    for result in commands.on(run):
        what = f"{result.command} after {done}: {result.code}\n{result.out[-2000:]}\n{result.err[-3000:]}"
        assert result.code in (0, 2), what
        assert "Traceback" not in result.out + result.err, what
        assert "Warning" not in result.out + result.err, what
        assert result.megabytes < MEGABYTES, what
        assert (result.code == 0) or len(result.err.strip().splitlines()) == 1, what
        printed = result.err if result.command == "sample" else result.out + result.err
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", printed), what
        if result.command == "runs":
            assert "neighbour" in result.out
            assert "hostile" in result.out or "config.json: none" in str(done), what
        slowest["seconds"] = max(slowest["seconds"], (result.seconds, what[:200]))
        slowest["megabytes"] = max(slowest["megabytes"], (result.megabytes, what[:200]))
    assert (tree(canaries), tree(runs / "neighbour")) == before, done
