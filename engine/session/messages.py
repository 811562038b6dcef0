"""What a run and its viewers say to each other: frozen dataclasses, their arrays copied and read-only.

Out of a run come `RunInfo` (once), `Snapshot` (the latest state; older ones may be skipped) and events (every one
arrives). Into it go commands. They hold only numbers, strings, tuples, NumPy arrays and each other, so that they can
cross a socket (`engine.remote.codec`) as they cross from one thread to another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, Protocol

# "as" makes a name one of this module too: a viewer finds here all that crosses between it and the run.
from engine.network.cells.cell import cell_of as cell_of
from engine.probes.lyapunov import memory_time as memory_time
from engine.probes.reach import REACH_BEFORE as REACH_BEFORE
from engine.probes.results import Candidate as Candidate
from engine.probes.results import Cells as Cells
from engine.probes.results import Connectivity as Connectivity
from engine.probes.results import ConnectivityMode as ConnectivityMode
from engine.probes.results import Context as Context
from engine.probes.results import Contexts as Contexts
from engine.probes.results import Eigenvalues as Eigenvalues
from engine.probes.results import Equation as Equation
from engine.probes.results import Exponents as Exponents
from engine.probes.results import Feature as Feature
from engine.probes.results import FixedPoint as FixedPoint
from engine.probes.results import GradientFlow as GradientFlow
from engine.probes.results import GradientView as GradientView
from engine.probes.results import Inside as Inside
from engine.probes.results import Portrait as Portrait
from engine.probes.results import Sample as Sample
from engine.probes.results import Saturation as Saturation
from engine.probes.results import Source as Source
from engine.probes.results import Where as Where
from engine.runs.history import History as History
from engine.runs.record import RunInfo as RunInfo
from engine.runs.record import State as State
from engine.text.counting import Ladder as Ladder
from engine.text.counting import Rung as Rung

ALIVE: tuple[State, ...] = ("starting", "training", "paused")  # the run can still be stopped
OVER: tuple[State, ...] = ("finished", "stopped", "failed", "crashed")  # nothing can change the run any more
# "diverged" is in neither: while its process lives, the run waits for a `RollBack`.

# Instruments a viewer has on its screen at first; an instrument that no viewer shows is not computed.
INSTRUMENTS = ("samples", "gradients", "connectivity", "cells")

# Characters that `View.prompt` is cut to. The time for an answer grows with the square: with a GRU of 128 units 1 s
# for 500, 4 s for 1,000, and the training waits for it. The answer has a number for every pair of characters: 2 MB for
# 500, 8 MB for 1,000.
LONGEST_PROMPT = 500


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """How samples are drawn. They belong to the run: all its viewers see the same, and a checkpoint holds them."""

    temperature: float = 0.8  # 0 is greedy
    top_k: int = 0  # 0: all
    top_p: float = 1.0
    prompt: str = ""  # what a sample begins with
    length: int = 400  # characters


# --- commands: applied between two steps ---
#
# A viewer sees the run a little late, and there may be other viewers. So a command says what changes, never what the
# viewer believes to hold: two viewers that change different settings do not undo each other's work.


@dataclass(frozen=True, slots=True)
class Pause:
    pass


@dataclass(frozen=True, slots=True)
class Resume:
    pass


@dataclass(frozen=True, slots=True)
class StepOnce:
    """Make one step; a run that trains is paused first."""


@dataclass(frozen=True, slots=True)
class ScaleLearningRate:
    """Multiply the base learning rate; a schedule still multiplies the result."""

    factor: float


@dataclass(frozen=True, slots=True)
class SetSampling:
    """Change some of the sampling settings; those that are None stay as they are."""

    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    prompt: str | None = None
    length: int | None = None


@dataclass(frozen=True, slots=True)
class ShiftSampling:
    """Move sampling settings from where they are."""

    temperature: float = 0.0  # is added; the temperature does not fall below 0
    top_k: int = 0  # places along the usual values (`sample_stream.TOP_KS`); negative is fewer candidates
    top_p: int = 0  # places along the usual values (`sample_stream.TOP_PS`); negative is a smaller share


@dataclass(frozen=True, slots=True)
class SampleAgain:
    """Begin another sample with the settings that hold."""


@dataclass(frozen=True, slots=True)
class InsideQuestion:
    """Which time step of which text is taken apart.

    `of` is the view's prompt, or a sequence of the window that is trained next. The window also stands in for a prompt
    with fewer than two characters that the network knows; held-out text stands in for the window of a run that is over.
    """

    of: Literal["prompt", "window"] = "prompt"
    sequence: int = 0  # of the window, 0 … B − 1
    position: int = -1  # t; -1 is the last step that has a loss
    layer: int = 0


@dataclass(frozen=True, slots=True)
class View:
    """Which instruments a viewer shows, and how. Sent whole each time one of these changes."""

    visible: tuple[str, ...] = INSTRUMENTS
    prompt: str = ""
    position: int = -1  # the caret in the prompt; -1 is its end
    mode: ConnectivityMode = "logit"
    candidate: str = ""  # ask about this character at `position`, not the actual or most probable one
    occlusion: bool = False  # check the picture at `position` by replacing characters
    moment: int | None = None  # answer everything with the weights kept at this step; None is now
    beside_now: bool = False  # at a moment, answer with the present weights too, see `Snapshot.now`
    gradient_view: GradientView = "single"
    gradient_layer: int = 0
    gradient_state: Literal["h", "c"] = "h"
    cells_layer: int = 0
    cells_kind: str = "h"
    cells_sort: str = "index"  # "index", "variance", a feature's name, or / and a regular expression
    cells_unit: int = -1  # whose contexts are shown; -1 is the one that follows the feature best
    cells_feature: str = ""  # a feature's name, or / and a regular expression; "" is the one that a unit follows best
    portrait_feature: str = ""  # by which the states are coloured, likewise; "" is the depth of brackets, or the kind
    portrait_constant: str = ""  # the character of the fixed points; "" is the most frequent one
    inside: InsideQuestion | None = None  # one step taken apart; it covers the other instruments
    spectrum_layer: int = 0
    gates_layer: int = 0


@dataclass(frozen=True, slots=True)
class SetView:
    view: View


@dataclass(frozen=True, slots=True)
class Held:
    """A unit whose h is held at `value` in the cells and in samples. Layer and unit count from 0."""

    layer: int
    unit: int
    value: float


@dataclass(frozen=True, slots=True)
class Clamp:
    """Hold a unit at `value`, or free it (None), in samples, in cells and in a validation of its own."""

    layer: int
    unit: int
    value: float | None


@dataclass(frozen=True, slots=True)
class RollBack:
    """Go back to the last good weights, with the learning rate multiplied by `lr_factor`, and go on."""

    lr_factor: float = 0.5


@dataclass(frozen=True, slots=True)
class MarkMoment:
    """Keep the present weights as a moment that stays as long as the run."""


@dataclass(frozen=True, slots=True)
class Save:
    pass


@dataclass(frozen=True, slots=True)
class Stop:
    save: bool = True


Command = (
    Pause
    | Resume
    | StepOnce
    | ScaleLearningRate
    | SetSampling
    | ShiftSampling
    | SampleAgain
    | SetView
    | Clamp
    | RollBack
    | MarkMoment
    | Save
    | Stop
)


# --- events: every one arrives ---


@dataclass(frozen=True, slots=True)
class Saved:
    step: int
    path: str
    why: Literal["interval", "asked", "end"]


@dataclass(frozen=True, slots=True)
class SampleFinished:
    sample: Sample


@dataclass(frozen=True, slots=True)
class StateChanged:
    state: State
    step: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """The engine raised. `text` is the exception in one line, `log` the file with the traceback."""

    step: int
    text: str
    log: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence for the user, for example that saving failed, or that it works again."""

    text: str
    severity: Literal["information", "warning", "error"] = "information"


@dataclass(frozen=True, slots=True)
class Plateau:
    """The validation loss has stopped falling: the last `validations` were not below the best one, `best_val_loss`."""

    step: int
    validations: int
    best_val_loss: float  # nats per character


Event = Saved | SampleFinished | StateChanged | Failed | Notice | Plateau


# --- snapshots: the latest one counts ---


@dataclass(frozen=True, slots=True)
class Now:
    """The present weights' answers, to be laid over those of a moment."""

    gradients: GradientFlow | None = None
    connectivity: Connectivity | None = None
    cells: Cells | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a run, with the instruments that one viewer's `View` shows. Losses in nats per character."""

    state: State
    reason: str  # why it is in this state; empty where that is plain
    step: int
    steps: int | None  # the last one it will make; None: it goes on until it is stopped
    epoch: float
    loss: float
    val_loss: float | None
    best_val_loss: float | None
    lr: float  # of the next step: the base learning rate times the schedule's factor
    chars_per_second: float
    seconds: float  # of training, pauses not counted
    history: History
    warning: str = ""  # stays until its cause is gone, as "disk full: …"
    sample: Sample | None = None
    gradients: GradientFlow | None = None
    connectivity: Connectivity | None = None
    cells: Cells | None = None
    sampling: SamplingSettings | None = None  # None where no process draws samples any more
    obeyed: int = 0  # how many commands of this viewer the run had obeyed, counted in the order they were sent
    val_loss_se: float | None = None  # the standard error of `val_loss`, see `engine.text.stretches`
    regret: float | None = None  # how far `best_val_loss` lies above an oracle's loss on the same characters
    regret_se: float | None = None  # its standard error
    ladder: Ladder | None = None  # None while n-grams are being counted
    inside: Inside | None = None
    grad_norm: float | None = None  # of the last step, before clipping
    clipped: float | None = None  # share of the last 100 steps whose gradient was clipped; None where nothing clips
    contexts: Contexts | None = None
    portrait: Portrait | None = None
    eigenvalues: Eigenvalues | None = None
    exponents: Exponents | None = None
    saturation: Saturation | None = None
    where: Where | None = None
    moments: tuple[int, ...] = ()  # the steps whose weights are kept, in rising order
    moment: int | None = None  # the one whose weights gave the sample and the answers; None: the present weights did
    now: Now | None = None  # at a moment, if the view asks for it
    held: tuple[Held, ...] = ()  # units that `Clamp` holds fixed
    seconds_left: float | None = None  # of training, at the speed of late; None where no end is known
    cores: float | None = None  # that the run's processes use on average; None where that is not known
    memory: int | None = None  # bytes that they take
    # Whether a process has the run and obeys commands. If not, a state in `ALIVE` is the one in which the run was last
    # seen: the viewer knows nothing of it any more.
    live: bool = True

    def without_answers(self) -> Snapshot:
        """The state of the run alone, for a viewer that asks about another moment by now."""
        return replace(
            self,
            sample=None,
            gradients=None,
            connectivity=None,
            cells=None,
            inside=None,
            contexts=None,
            portrait=None,
            eigenvalues=None,
            exponents=None,
            saturation=None,
            where=None,
            now=None,
        )

    @property
    def smoothed_loss(self) -> float:
        """The exponential mean of the training loss, as its curve ends; the last step's before there is a curve."""
        smoothed = self.history.smoothed
        return float(smoothed[-1]) if len(smoothed) else self.loss

    @property
    def best_val_step(self) -> int | None:
        """The step at which `best_val_loss` was measured; None if the curve does not show it."""
        losses = self.history.val_loss
        if self.best_val_loss is None or not len(losses):
            return None
        place = int(losses.argmin())
        return int(self.history.val_step[place]) if math.isclose(losses[place], self.best_val_loss) else None

    @property
    def is_over(self) -> bool:
        """Whether nothing can change the run any more. A diverged run can go on while its process lives."""
        return self.state in OVER or not self.live

    @property
    def is_out_of_touch(self) -> bool:
        """Whether the run may go on, but this viewer does not know."""
        return self.state in ALIVE and not self.live


class Link(Protocol):
    """A viewer's end of a run: in this process, in another one, or a finished run on disk.

    The screen calls them from its timer: none of the methods blocks, but `close` may wait a second or two.
    """

    @property
    def info(self) -> RunInfo: ...

    @property
    def is_remote(self) -> bool:
        """Whether another process has the run, which goes on when this viewer leaves."""

    def take(self) -> Snapshot | None:
        """The newest snapshot, or None if it was taken already."""

    def events(self) -> list[Event]:
        """Everything that happened since the last call, in order."""

    def send(self, command: Command) -> int:
        """Have a command applied before the next step.

        Returns its number among this link's commands, from 1: a snapshot whose `obeyed` is no smaller shows its effect,
        unless the connection was lost on the way.
        A command that cannot be sent, or that a run of the past ignores, is not counted.
        """

    def close(self) -> None:
        """Leave. The run goes on."""
