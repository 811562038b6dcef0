"""What a run and its viewers say to each other: frozen dataclasses, their arrays copied and read-only.

Out of a run come `RunInfo` (once), `Snapshot` (the latest state; older ones may be skipped) and events (every one
arrives). Into it go commands. They hold only numbers, strings, tuples, NumPy arrays and each other, so that they can
cross a socket (`engine.remote.codec`) as they cross from one thread to another.
"""

from __future__ import annotations

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
from engine.probes.results import Stability as Stability
from engine.probes.results import Where as Where
from engine.runs.history import History as History
from engine.runs.record import RunInfo as RunInfo
from engine.runs.record import State as State
from engine.session.messages.commands import Clamp as Clamp
from engine.session.messages.commands import Command as Command
from engine.session.messages.commands import MarkMoment as MarkMoment
from engine.session.messages.commands import Pause as Pause
from engine.session.messages.commands import Resume as Resume
from engine.session.messages.commands import RollBack as RollBack
from engine.session.messages.commands import SampleAgain as SampleAgain
from engine.session.messages.commands import SamplingSettings as SamplingSettings
from engine.session.messages.commands import Save as Save
from engine.session.messages.commands import ScaleLearningRate as ScaleLearningRate
from engine.session.messages.commands import SetSampling as SetSampling
from engine.session.messages.commands import SetView as SetView
from engine.session.messages.commands import ShiftSampling as ShiftSampling
from engine.session.messages.commands import StepOnce as StepOnce
from engine.session.messages.commands import Stop as Stop
from engine.session.messages.events import Event as Event
from engine.session.messages.events import Failed as Failed
from engine.session.messages.events import Notice as Notice
from engine.session.messages.events import Plateau as Plateau
from engine.session.messages.events import SampleFinished as SampleFinished
from engine.session.messages.events import Saved as Saved
from engine.session.messages.events import StateChanged as StateChanged
from engine.session.messages.link import Link as Link
from engine.session.messages.snapshot import ALIVE as ALIVE
from engine.session.messages.snapshot import OVER as OVER
from engine.session.messages.snapshot import Answers as Answers
from engine.session.messages.snapshot import Held as Held
from engine.session.messages.snapshot import Snapshot as Snapshot
from engine.session.messages.view import INSTRUMENTS as INSTRUMENTS
from engine.session.messages.view import LONGEST_PROMPT as LONGEST_PROMPT
from engine.session.messages.view import InsideQuestion as InsideQuestion
from engine.session.messages.view import View as View
from engine.text.counting import Ladder as Ladder
from engine.text.counting import Rung as Rung
