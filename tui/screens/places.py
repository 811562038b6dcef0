"""The places of the dashboard, and the panes that take turns in each: a new view is a line here."""

from __future__ import annotations

from tui.panes.cells import CellsPane
from tui.panes.connectivity import ConnectivityPane
from tui.panes.contexts import ContextsPane
from tui.panes.gates import GatesPane
from tui.panes.gradients import GradientsPane
from tui.panes.loss import LossPane
from tui.panes.pane import Pane
from tui.panes.portrait import PortraitPane
from tui.panes.samples import SamplesPane
from tui.panes.spectrum import SpectrumPane
from tui.panes.where import WherePane

TITLES = {
    "loss": "Loss",
    "samples": "Samples",
    "gradients": "Gradients",
    "connectivity": "Connectivity",
    "cells": "Cells",
}
# The panes that take turns in each place: the first one is there at the beginning, `v` brings the next view.
PLACES: dict[str, tuple[type[Pane], ...]] = {
    "loss": (LossPane, WherePane),
    "samples": (SamplesPane,),
    "gradients": (GradientsPane, SpectrumPane),
    "connectivity": (ConnectivityPane,),
    "cells": (CellsPane, ContextsPane, GatesPane, PortraitPane),
}
LEFT, RIGHT = ("loss", "gradients"), ("samples", "connectivity", "cells")
