"""The batch shared between processes: each does its sequences on a core of its own, and gradients are averaged.

Two threads of one process would wait for each other's Python between the many short NumPy calls of a step;
two BLAS threads leave all arithmetic but the products to one core. Processes meet twice a step: when the
weights are ready, and when the gradients are. All arrays they share lie in one block of memory without a name,
which goes when its last process does.
"""

from __future__ import annotations

import dataclasses
import json
import mmap
import os
import subprocess
import sys
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

import engine
from engine.model import Model, State, Workspace
from engine.numerics import Codes
from engine.parameters import Architecture, Array, Parameters

STEP, FRESH_STEP, END_STATE, RESTORE = b"s", b"f", b"e", b"r"
DONE = b"d"


@dataclasses.dataclass(frozen=True, slots=True)
class Share:
    """What one process besides the main one computes: `batch` sequences of windows of `seq` steps."""

    architecture: Architecture
    seq: int
    batch: int
    last_only: bool
    dtype: str


class Block:
    """The arrays that both sides see: weights, gradient, a window, the loss, the hidden state, one after another."""

    def __init__(self, share: Share, file: int) -> None:
        architecture = share.architecture
        count = Parameters.size(architecture)
        dtype = np.dtype(share.dtype)
        parts = 2 if architecture.cell == "lstm" else 1
        shapes: dict[str, tuple[tuple[int, ...], DTypeLike]] = {
            "parameters": ((count,), dtype),
            "gradient": ((count,), dtype),
            "inputs": ((share.seq, share.batch), np.int64),
            "targets": ((share.seq, share.batch), np.int64),
            "loss": ((1,), np.float64),
            "state": ((architecture.layers, parts, architecture.hidden_size, share.batch), dtype),
        }
        sizes = {
            name: -(-int(np.prod(shape)) * np.dtype(kind).itemsize // 64) * 64 for name, (shape, kind) in shapes.items()
        }
        if os.fstat(file).st_size == 0:
            os.ftruncate(file, sum(sizes.values()))
        memory = mmap.mmap(file, sum(sizes.values()))
        arrays: dict[str, Any] = {}
        start = 0
        for name, (shape, kind) in shapes.items():
            arrays[name] = np.frombuffer(memory, kind, int(np.prod(shape)), start).reshape(shape)
            start += sizes[name]
        self.parameters: Array = arrays["parameters"]
        self.gradient: Array = arrays["gradient"]
        self.inputs: Codes = arrays["inputs"]
        self.targets: Codes = arrays["targets"]
        self.loss: Array = arrays["loss"]
        self.state: Array = arrays["state"]


class Helper:
    """The main process's end of one other process."""

    def __init__(self, share: Share) -> None:
        self.share = share
        with _nameless_file() as file:
            self.block = Block(share, file.fileno())
            self._process = subprocess.Popen(
                [sys.executable, "-m", "engine.shares", str(file.fileno()), json.dumps(dataclasses.asdict(share))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                pass_fds=[file.fileno()],
                cwd=Path(engine.__file__).parent.parent,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
            )
        self.close = weakref.finalize(self, _end, self._process)

    def begin(self, inputs: Codes, targets: Codes, *, fresh: bool) -> None:
        """Have the gradient of a window (T, B) computed with the weights in the block; `fresh`: from a zero state."""
        self.block.inputs[...] = inputs
        self.block.targets[...] = targets
        self._say(FRESH_STEP if fresh else STEP)

    def wait(self) -> float:
        """Its loss, once the gradient is in the block."""
        self._hear()
        return float(self.block.loss[0])

    def end_state(self) -> State:
        """Copies of its hidden state after the last step."""
        self._say(END_STATE)
        self._hear()
        return tuple(tuple(part.copy() for part in layer) for layer in self.block.state)

    def restore(self, state: State) -> None:
        """Make `state` the one it carries on from."""
        self.block.state[...] = np.array(state)
        self._say(RESTORE)
        self._hear()

    def _say(self, word: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(word)
        except OSError:
            raise self._gone() from None

    def _hear(self) -> None:
        assert self._process.stdout is not None
        if self._process.stdout.read(1) != DONE:
            raise self._gone()

    def _gone(self) -> RuntimeError:
        code = self._process.wait()
        return RuntimeError(
            f"a process that shared the work ended (exit code {code}); resume the run from its checkpoint"
        )


def _nameless_file() -> Any:
    """Memory as a file, where the system has it; else a file that is deleted already."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("charrnn-share"), "w+b")
    return tempfile.TemporaryFile()


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.wait()


def serve(file: int, share: Share) -> None:
    """The other process: do what is said on standard input until it is closed, as it is when the main process ends."""
    block = Block(share, file)
    model = Model(Parameters(share.architecture, share.dtype, flat=block.parameters), refresh=False)
    gradient = Parameters(share.architecture, share.dtype, flat=block.gradient)
    work = Workspace(model, share.seq, share.batch)
    while word := os.read(0, 1):
        if word == END_STATE:
            block.state[...] = np.array(work.end_state())
        elif word == RESTORE:
            work.restore(tuple(tuple(layer) for layer in block.state))
        else:
            model.refresh()
            work.reset() if word == FRESH_STEP else work.carry()
            block.loss[0] = model.loss_and_gradient(
                work, block.inputs, block.targets, gradient, last_only=share.last_only
            )
        os.write(1, DONE)


def main() -> None:
    """Entry point of the other process. Signals are for the main one: this one ends when its pipe closes."""
    import signal

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    values = json.loads(sys.argv[2])
    share = Share(**{**values, "architecture": Architecture(**values["architecture"])})
    with np.errstate(all="ignore"):
        serve(int(sys.argv[1]), share)


if __name__ == "__main__":
    main()
