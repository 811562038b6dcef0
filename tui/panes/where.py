"""The view of the loss by classes of characters: where it is, beside the best counting model."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.strip import Strip

from engine.session.messages import RunInfo, Where
from tui.panes import keys
from tui.panes.answer import AnswerPane
from tui.rendering.colour import Palette
from tui.rendering.numbers import at_step, bits, nats
from tui.rendering.strips import DIM, paragraph
from tui.rendering.where_picture import in_bits, where_picture


class WherePane(AnswerPane):
    """Rows of classes: their shares, the network's loss on them, and a counting model's."""

    INSTRUMENT = "where"
    ANSWERS = ("where",)
    VIEWS = ("where",)
    BINDINGS: ClassVar[list[BindingType]] = [*keys.WHERE]
    HELP: ClassVar[str] = """\
## Where the loss is

The held-out characters that a validation measures, sorted by what one must know to predict them. Each belongs to the
first class that fits: line end, blank, digit, punctuation and other signs; the **first letter** of a word; a letter of
a **rare word**, which stands fewer than 5 times in the training text; of a **recent word**, which stood within the
1,000 characters before; any **other letter**. Words count as they are written: "The" is not "the".

- **chars**: the share of the characters that are of this class. **loss**: its share of the total loss. A class with
  much more of the loss than of the characters is where there is most to learn, or most that cannot be known.
- **net**: the network's mean loss on the class, in nats per character, and the length of the bar; bold if counting
  does better. **n-gram**: the loss of the best counting model on the same characters, marked by │.
- **since**: by how much the network's loss has changed since the last moment whose weights are kept.

How to read it: letters of recent words need memory beyond a few characters; if the network is no better there than
counting, it does not use what it has read. Blanks and line ends show whether it knows where words end.

What it does not tell: why a class is hard. First letters stay hard for any model, because the next word is open. A
class with few characters has an uncertain mean.
"""

    _answer: Where | None
    _unit = "nats"
    _held_out = 1

    def begin(self, info: RunInfo) -> None:
        super().begin(info)
        self._held_out = info.held_out
        self._changed()

    def _changed(self) -> None:
        subtitle = ""
        if self._answer is not None:
            found = self._answer
            loss = nats(found.loss) if self._unit == "nats" else f"{bits(found.loss)} bits"
            subtitle = f"{loss} on {found.characters:,} characters · {at_step(found.step, self._older)}"
        self.entitle("Loss", subtitle)
        self.repaint()

    def paint(self, width: int, height: int, palette: Palette) -> list[Strip]:
        if self._answer is None:
            words = (
                "The held-out text is being read …"
                if self._held_out
                else "No text was held out: train with a share for validation."
            )
            return paragraph(words, width, height, DIM)
        shown = self._answer if self._unit == "nats" else in_bits(self._answer)
        return where_picture(shown, width, height, palette, self._unit)

    def action_unit(self) -> None:
        self._unit = "bits" if self._unit == "nats" else "nats"
        self._changed()
