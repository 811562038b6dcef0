"""What a run is doing, as `state.json` says it for lists of runs."""

from __future__ import annotations

import dataclasses
import errno
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.runs.directory import RunDirectory
from engine.runs.files import overwrite, read_file
from engine.runs.record import State
from engine.typed_json import Count, MalformedError, Measured, parse, read

STATE = "state.json"
LARGEST = 1 << 20  # bytes
UNSAVED = "its end could not be saved"  # in the reason of a run that ended on a full disk, say
UNFINISHED = ("starting", "training", "paused")  # states of a run that goes on; without a process, it has crashed


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The content of `state.json`. Losses are in nats per character."""

    state: State = "starting"
    reason: str = ""
    step: Count = 0
    loss: Measured | None = None  # of the last report
    val_loss: Measured | None = None  # the last one measured
    best_val_loss: Measured | None = None
    reach: Measured | None = None  # characters, the last one measured
    gradient_norms: tuple[Measured, ...] = ()  # ‖G_0‖ … ‖G_T−1‖ of the weights kept last
    chars_per_second: Measured | None = None
    time: Measured | None = None  # seconds of training
    pid: Count | None = None  # the process that wrote it
    updated: float = 0.0  # when it was written, seconds since 1970


OF_A_REPORT = ("step", "loss", "val_loss", "reach", "chars_per_second", "time")


def of_report(row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `Status` that a report, a line of the metrics, renews: those that it has."""
    return {name: row[name] for name in OF_A_REPORT if row.get(name) is not None}


def write_status(directory: RunDirectory, status: Status) -> None:
    """Write `status` into a run's directory. Raises `OSError`.

    Where the disk is full, over the old ones: a list should say all the same how the run ended.
    """
    data = json.dumps(dataclasses.asdict(status)).encode() + b"\n"
    try:
        directory.write(STATE, data, durable=False)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        overwrite(STATE, data, dir_fd=directory.descriptor)


def read_status(directory: Path) -> Status:
    """The status of the run in `directory`; that of a run which begins if there is no file, or a power cut emptied it.

    Raises `UserError` if the file cannot be read, or does not hold a `Status`.
    """
    path = directory / STATE
    try:
        data = read_file(path, LARGEST)
        if not data.strip(b"\0 \n"):
            return Status()
        return read(Status, parse(data))
    except (FileNotFoundError, NotADirectoryError):
        return Status()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); delete it, the run does not need it") from None
    except MalformedError as error:
        raise UserError(f"{path}: is damaged ({error}); delete it, the run does not need it") from None


def read_state(path: Path) -> Status:
    """The status of the run in the directory `path`; that of a run which begins if it cannot be read."""
    try:
        return read_status(path)
    except UserError:  # the writer replaces it
        return Status()


def state_now(status: Status, pid: int | None) -> State:
    """The state of a run with this `status`, which process `pid` writes, or None: then an unfinished one has crashed.

    It may have ended before it wrote any state.
    """
    return "crashed" if status.state in UNFINISHED and pid is None else status.state
