"""An answer that lies far behind the run says so in its pane."""

from __future__ import annotations

import dataclasses

import pytest

from tests.tui.fake_run import FakeLink
from tests.tui.one_pane import OnePane
from tui.panes.cells import CellsPane
from tui.panes.connectivity import ConnectivityPane
from tui.panes.gates import GatesPane
from tui.panes.gradients import GradientsPane
from tui.panes.pane import Pane
from tui.panes.spectrum import SpectrumPane


@pytest.mark.parametrize("pane", [GradientsPane, SpectrumPane, ConnectivityPane, CellsPane, GatesPane])
async def test_an_answer_grows_old_and_is_renewed(pane: type[Pane]) -> None:
    link = FakeLink()
    link.view = dataclasses.replace(link.view, prompt="the", visible=(pane.INSTRUMENT,))
    app = OnePane(pane(), link)
    async with app.run_test(size=(100, 20)):
        snapshot = link.snapshot()
        for behind, older in ((999, False), (1000, True), (0, False)):
            app.pane.show(dataclasses.replace(snapshot, step=link.step + behind))
            assert f"step {link.step:,}" in app.text()
            assert ("(older)" in app.text()) == older


@pytest.mark.parametrize("pane", [GradientsPane, ConnectivityPane, CellsPane])
async def test_weights_that_were_asked_for_are_not_called_older(pane: type[Pane]) -> None:
    link = FakeLink()
    link.view = dataclasses.replace(link.view, prompt="the")
    app = OnePane(pane(), link)
    async with app.run_test(size=(100, 20)):
        app.answer()
        app.pane.look_at(10)
        answers = {name: getattr(link, name)(10) for name in ("gradients", "connectivity", "cells")}
        app.pane.show(dataclasses.replace(link.snapshot(), step=10**6, **answers))
        assert "step 10" in app.text()
        assert "(older)" not in app.text()
