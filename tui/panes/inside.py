"""One time step taken apart: the plain cell's own lines with the numbers of one unit, forward and back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from textual.binding import BindingType
from textual.strip import Strip

from engine.session.messages import Inside, InsideQuestion, RunInfo, Snapshot
from tui.panes import keys
from tui.panes.pane import PaintedPane, ViewChanged
from tui.rendering.colour import Palette
from tui.rendering.inside_picture import back_lines, column_at, forward_lines, loss_in_words, overview
from tui.rendering.numbers import at_step, nats
from tui.rendering.strips import DIM, PLAIN, line, paragraph

WIDE = 170  # columns from which the way forward and the way back stand side by side
GAP = 3  # columns between them
NOTCH = 3  # lines for each notch of the wheel
NO_NUMBERS = "There are no numbers: the run has no weights, memory is short, or the cell has no plain equations."
MANY = 10  # units for a key with shift


class InsidePane(PaintedPane):
    """Asks for one step of `prompt`, or of the window that the run of `info` trains next if `prompt` is empty.

    The answer has the numbers of all units: only another step, layer or text is asked for.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*keys.INSIDE]
    HELP: ClassVar[str] = """\
## Inside a step

One time step t of one layer, with every number of it, forward and back: enough to do a step of back-propagation through
time by hand. The text is your prompt, if you have typed one with two known characters or more. Otherwise it is a
sequence of the window that is **trained next**: what you see is what the next training step will compute. `.` makes
that step, and the numbers move. After a run's end, held-out text takes the window's place.

The top lines have the characters around t, and what the network expects after step t. ℓ_t is the loss of this step
alone. **ℓ** is the loss that goes back; the line below says which it is.

**Forward.** The dim lines are those of `engine/network/cells/plain`. Below each stand the **numbers** of one unit
(↑ ↓; `G` goes to the one with the largest gradient) in place of the names. At the right are the mean over all units and
a small histogram of them: from 0 to 1 if all lie there, otherwise from −x to x, where x is the largest. `x @ W.T`
is a sum over all inputs or units; the remark says which row of W it takes.

**Back.** The first line is ∂ℓ/∂h_t, a sum: what comes *from above* (this step's own loss through the head, or the layer
above), and what comes from step t + 1, path by path: through each gate, or *straight*, past all weights. As it is
written it adds up exactly. The lines below it go backwards through the cell; `d_y` is ∂ℓ/∂y. The lines marked **δ_t**
give the gradient inside the non-linearities: times x_t or h_{t−1}, and summed over all steps, it is the gradient of the
weights. The `through_…` lines and *straight* are what step t − 1 gets: press ← and find them there.

What it does not tell: how ℓ changes when a weight changes *much*. The numbers are of one sequence, in double precision
and without dropout; training adds up all sequences of the batch, clips, and lets the optimiser choose the step.
"""

    def __init__(self, prompt: str, info: RunInfo, **options: Any) -> None:
        super().__init__(**options)
        self._prompt = prompt
        self._question = InsideQuestion()
        self._answer: Inside | None = None
        self._unit = 0
        self._rank: int | None = None  # of the unit by its gradient, 0 for the largest; None if it was chosen itself
        self._top = 0  # the first line of the equations that is shown
        self._room = 1  # lines of equations that fit
        self._lines = 0  # lines of equations
        self._back = 0  # the line where the way back begins
        self._stays_back = False  # the first line shown is that one, at other time steps, too
        self._characters = info.vocabulary
        self._layers, self._batch = int(info.config.get("layers", 1)), int(info.config.get("batch", 1))
        self._dropout = bool(info.config.get("dropout", 0))
        self._has_none = False  # the run has said that there is no answer
        self._status = ""

    @property
    def answer(self) -> Inside | None:
        """What is on the screen; None until the first answer to the last question is there."""
        return self._answer if self._answer is not None and self._fits(self._answer) else None

    @property
    def unit(self) -> int:
        """The unit whose numbers are written out."""
        return self._unit

    @property
    def shows_back(self) -> bool:
        """Whether the beginning of the way back is on the screen."""
        return self._lines > 0 and self._top <= self._back < self._top + self._room

    # --- from the run ----------------------------------------------------------------------

    def on_mount(self) -> None:
        self._ask()

    def show(self, snapshot: Snapshot, *, is_answered: bool = True) -> None:
        """Draw the newest snapshot; `is_answered` says that it is no older than the last question."""
        answer = snapshot.inside or self._answer
        has_none = answer is None and is_answered
        status = f"{snapshot.state} at step {snapshot.step:,} · loss {nats(snapshot.loss)}"
        if answer is not None and answer.step != snapshot.step:
            status = f"weights of {at_step(answer.step, self.is_older(answer.step, snapshot.step))} · {status}"
        if answer is self._answer and (status, has_none) == (self._status, self._has_none):
            return
        self._answer, self._status, self._has_none = answer, status, has_none
        self._changed()

    # --- drawing ---------------------------------------------------------------------------

    def _changed(self) -> None:
        answer, question = self._answer, self._question
        if answer is None:
            self.entitle("Inside a step", self._status)
        else:
            step = f"t = {answer.position}" + ("" if self._fits(answer) else " …")
            layer = f"layer {answer.layer + 1}/{self._layers}"
            if answer.layer != question.layer:
                layer = f"layer {answer.layer + 1} → {question.layer + 1} …"
            self.entitle(
                f"Inside a step · {step} of 0…{len(answer.codes) - 1} · {layer} · unit {self._unit} of "
                f"0…{answer.hidden_size - 1}",
                self._status,
            )
        self.repaint()

    def _fits(self, answer: Inside) -> bool:
        """Whether the answer is about the step that was asked for."""
        return self._question.position < 0 or answer.position == self._question.position

    def paint(self, width: int, height: int, palette: Palette) -> list[Strip]:
        answer = self._answer
        if answer is None:
            text = NO_NUMBERS if self._has_none else "Waiting for the numbers …"
            return paragraph(text, width, height, DIM)
        words = loss_in_words(answer)
        if self._dropout and answer.source == "window":
            words += " Dropout is left out."
        head = overview(answer, self._characters, width)
        head += paragraph(words, width, 3, DIM)
        body = self._equations(answer, width)
        head = head[: max(height // 2, 2)]
        room = height - len(head) - 1
        self._lines, self._room = len(body), max(room, 1)
        if self._stays_back:
            self._top = self._back
        self._top = min(max(self._top, 0), max(len(body) - self._room, 0))
        below = len(body) - self._top - self._room
        more = [f"↑ {self._top} lines"] * (self._top > 0) + [f"↓ {below} lines"] * (below > 0)
        rule = " · ".join([*more, "page up, page down"]) if more else ""
        return [*head, line([(rule, DIM)], width), *body[self._top : self._top + self._room]]

    def _equations(self, answer: Inside, width: int) -> list[Strip]:
        """The way forward and the way back: side by side where there is room, else one below the other."""
        if width < WIDE:
            forward, back = forward_lines(answer, self._unit, width), back_lines(answer, self._unit, width)
            self._back = len(forward) + 1
            return [*forward, line([], width), *back]
        self._back = 0
        half = (width - GAP) // 2
        columns = [forward_lines(answer, self._unit, half), back_lines(answer, self._unit, half)]
        longest = max(map(len, columns))
        left, right = ([*lines, *[line([], half)] * (longest - len(lines))] for lines in columns)
        gap = line([(" " * GAP, PLAIN)], width - 2 * half)
        return [Strip.join([one, gap, other]) for one, other in zip(left, right, strict=True)]

    # --- asking ----------------------------------------------------------------------------

    def _ask(self, **changes: Any) -> None:
        self._question = replace(self._question, **changes)
        self._rank = None
        self.post_message(ViewChanged(inside=self._question))
        self._changed()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        match action:
            case "layer":
                return self._layers > 1
            case "other_text":
                return bool(self._prompt)
            case "sequence":
                return self._answer is None or (self._answer.source == "window" and self._batch > 1)
            case "turn":
                return self.size.width < WIDE
        return True

    def action_walk(self, steps: int) -> None:
        if self._answer is not None:
            here = self._question.position if self._question.position >= 0 else self._answer.position
            self._ask(position=min(max(here + steps, 0), len(self._answer.codes) - 1))

    def action_go(self, position: int) -> None:
        self._ask(position=position)

    def action_layer(self, by: int) -> None:
        self._ask(layer=(self._question.layer + by) % self._layers)

    def action_other_text(self) -> None:
        """Change between the prompt and the window; begin there at the last step."""
        self._ask(of="window" if self._question.of == "prompt" else "prompt", position=-1)

    def action_sequence(self, by: int) -> None:
        self._ask(sequence=(self._question.sequence + by) % self._batch)

    # --- what needs no question ------------------------------------------------------------

    def action_unit(self, by: int) -> None:
        if self._answer is not None:
            self._unit, self._rank = min(max(self._unit + by, 0), self._answer.hidden_size - 1), None
            self._changed()

    def action_strongest(self) -> None:
        """Go to the unit with the largest |∂ℓ/∂h_t|; from there to the one with the next largest, and so on."""
        if self._answer is not None:
            order = np.argsort(-np.abs(self._answer.values["d_h"]), kind="stable").tolist()
            self._rank = (self._rank + 1) % len(order) if self._rank is not None else 0
            self._unit = order[self._rank]
            self._changed()

    def action_turn(self) -> None:
        """Scroll to the way back, or from there to the way forward."""
        self._stays_back = self._top < min(self._back, self._lines - self._room)
        self._top = self._back if self._stays_back else 0
        self.repaint()

    def action_scroll_lines(self, pages: int) -> None:
        self._scroll(pages * max(self._room - 1, 1))

    def _scroll(self, lines: int) -> None:
        self._stays_back = False
        self._top += lines
        self.repaint()

    def wheel(self, by: int, column: int) -> None:
        self._scroll(by * NOTCH)

    def clicked(self, column: int, row: int) -> None:
        """Take the time step apart whose character was clicked on."""
        step = column_at(column, self._answer) if self._answer is not None and row < 2 else None
        if step is not None:
            self._ask(position=step)
