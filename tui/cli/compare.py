"""`charrnn-tui compare`: train an RNN, a GRU and an LSTM on one text with one seed, and compare them."""

from __future__ import annotations

import math
import os
import signal
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.arrays import Array
from engine.config import Config
from engine.errors import UserError
from engine.probes.reach import Reach, standard_error
from engine.runs.kept_text import load_asked
from engine.session.messages import GradientFlow
from engine.session.start import new_session
from engine.training import memory
from tui.app.foreground import first_remark
from tui.cli.headless import Lines, train_headless
from tui.cli.options import config_of
from tui.cli.output import complain, progress_bar, say
from tui.cli.parser import COMPARED
from tui.rendering.gradient_windows import ratio, typical_norms, windows_of
from tui.rendering.norm_axis import NormAxis, norm_axis, norm_limits
from tui.rendering.numbers import LEVELS, clock, power, signed
from tui.rendering.strips import spread, wrap
from tui.rendering.text import path_from_here

CELLS = ("rnn", "gru", "lstm")
ERRORS = 2  # standard errors; of differences that are chance, about one in twenty lies outside them
COLUMNS = 79  # of the text
CURVE = 65  # columns of a curve
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True)
class Outcome:
    """One network, before and after its training."""

    cell: str
    run: Path
    state: str
    steps: int
    seconds: float  # of training
    val_loss: float | None
    before: GradientFlow
    after: GradientFlow
    reach: Reach


def run(options: Namespace) -> int:
    """Train the three networks, one after the other, and print the comparison. Returns the exit code.

    A signal saves the network that trains, and ends the comparison after it.
    """
    config = config_of(options, COMPARED)
    directory = Path(options.run) if options.run else None
    for cell in CELLS:
        if directory and os.path.lexists(directory / cell):
            raise UserError(f"{directory / cell}: exists already; give --run another directory")
    with progress_bar() as progress:
        corpus = load_asked(config, progress, say=complain)
    for cell in CELLS:  # before the first has trained for an hour
        memory.require(config.replace(cell=cell), len(corpus.vocabulary))
    outcomes: list[Outcome] = []
    code = 0
    for place, cell in enumerate(CELLS, start=1):
        session = new_session(config.replace(cell=cell), directory and directory / cell, corpus=corpus)
        if place == 1 and (first := first_remark(session)):
            complain(first)
        lines = Lines(session)
        lines.say(f"{cell.upper()}, {place} of {len(CELLS)}")
        before = session.gradient_flow()
        handlers = {number: signal.getsignal(number) for number in SIGNALS}
        code = max(code, train_headless(session, lines))
        for number, handler in handlers.items():  # otherwise a later signal would go to the run that has ended
            signal.signal(number, handler)
        outcomes.append(
            Outcome(
                cell=cell,
                run=session.directory,
                state=session.state,
                steps=session.steps,
                seconds=session.loop.progress.seconds,
                val_loss=session.val_loss,
                before=before,
                after=session.gradient_flow(),
                reach=session.reach(),
            )
        )
        if session.state == "stopped":
            break
    for line in ("", *report(outcomes, config)):
        say(line)
    return code


def report(outcomes: Sequence[Outcome], config: Config) -> list[str]:
    """The lines of the comparison: a table, two curves of ‖G_t‖ for each network, and the verdict."""
    last = config.seq - 1
    rows = {
        "": [each.cell for each in outcomes],
        "steps": [f"{each.steps:,}" for each in outcomes],
        "training time": [clock(each.seconds) for each in outcomes],
        "validation loss, nats": ["–" if each.val_loss is None else f"{each.val_loss:.3f}" for each in outcomes],
        f"‖G_0‖/‖G_{last}‖ at step 0": [power(ratio(each.before).median) for each in outcomes],
        f"‖G_0‖/‖G_{last}‖ at the end": [power(ratio(each.after).median) for each in outcomes],
        "reach, characters": [f"{each.reach.mean:.2f}" for each in outcomes],
        "its standard error": [f"{each.reach.standard_error:.2f}" for each in outcomes],
    }
    axis = norm_axis(norm_limits([flow for each in outcomes for flow in (each.before, each.after)], bands=False))
    return [
        *(f"{name:<26}" + "".join(f"{value:>10}" for value in values) for name, values in rows.items()),
        "",
        f"‖G_t‖ from t = 0 to t = {last}, logarithmic: {LEVELS[0]} is 1e{axis.low}, {LEVELS[-1]} is 1e{axis.high}",
        *(
            f"{each.cell:<5}{when:<9}{curve(typical_norms(flow), axis)}"
            for each in outcomes
            for when, flow in (("step 0", each.before), ("the end", each.after))
        ),
        "",
        *(f"{each.cell:<5}{path_from_here(each.run)}" for each in outcomes),
        "",
        *wrap(
            "G_t is the gradient of the last step's loss in the first layer, and its norm and ratio are medians over "
            f"{windows_of(outcomes[0].before)}. The reach is how many characters back, on "
            f"average, a prediction looks, {_where(outcomes, config)}: what lies further back is not seen.",
            COLUMNS,
            9,
        ),
        "",
        *wrap(verdict(outcomes), COLUMNS, 9),
    ]


def _where(outcomes: Sequence[Outcome], config: Config) -> str:
    reach = outcomes[0].reach
    text = "held-out" if config.validation else "the training"
    return f"at {len(reach.distances)} places of {text} text after {reach.before} characters each"


def curve(norms: Array, axis: NormAxis) -> str:
    """`norms` (T,) as bars on `axis`, t = 0 first; blank if zero or not finite."""
    chosen = np.asarray(norms, float)[spread(len(norms), CURVE)[::-1]]
    return "".join(LEVELS[axis.place(norm, len(LEVELS))] if 0 < norm < math.inf else " " for norm in chosen)


def verdict(outcomes: Sequence[Outcome]) -> str:
    """Says in words whether the gated networks reach further back than the RNN."""
    by_cell = {each.cell: each for each in outcomes}
    if len(by_cell) < len(CELLS):
        return "Stopped before all three were trained: there is nothing to compare yet."
    plain = by_cell["rnn"].reach
    words = [f"the {cell.upper()} {_beside(by_cell[cell].reach, plain)}" for cell in ("gru", "lstm")]
    troubled = [cell.upper() for cell, each in by_cell.items() if each.state != "finished"]
    but = f" But the {' and the '.join(troubled)} did not finish." if troubled else ""
    return (
        f"The RNN reaches {plain.mean:.2f} characters back; {', '.join(words)}.{but} "
        "This is one run of each: another seed, or more steps, may change it."
    )


def _beside(reach: Reach, plain: Reach) -> str:
    """Whether `reach` is larger, by the differences at the same places of the text: those of the places cancel."""
    differences = reach.distances - plain.distances
    difference, error = float(differences.mean()), standard_error(differences)
    if not math.isfinite(error):
        return f"reaches {reach.mean:.2f}, which cannot be compared over one place of the text"
    if abs(difference) <= ERRORS * error:
        return f"reaches {reach.mean:.2f} (difference {signed(difference)} ± {error:.2f}, which may be chance)"
    words = "reaches further" if difference > 0 else "does not reach as far"
    return f"{words}, {reach.mean:.2f} (difference {signed(difference)} ± {error:.2f})"
