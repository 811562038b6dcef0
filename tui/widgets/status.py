"""The numbers of the run, in one line, or in two on a narrow screen."""

from __future__ import annotations

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from engine.session.messages import Snapshot
from tui.rendering.numbers import bar, bits, clock, nats, percent, plain, power, rate, with_error

ONE_LINE = 118  # cells that all fields need if the numbers have a usual length
ERROR = 8  # cells for the standard error of the validation loss, which is shown where they are left
BAR = 10  # cells of the progress bar

Field = tuple[str, str, str]  # label, value, unit


class StatusLine(Widget):
    """One or two lines, repainted only when one of the digits changes."""

    def __init__(self) -> None:
        self._fields: tuple[list[Field], list[Field]] = ([], [])
        self._validation: tuple[str, str] = ("", "")  # the loss without and with its standard error
        self._gradient: list[Field] = []  # shown as far as there is room
        super().__init__()

    def begin(self) -> None:
        """Show nothing, until the first snapshot of another run."""
        self._fields = ([], [])
        self.refresh()

    def show(self, snapshot: Snapshot) -> None:
        progress: list[Field] = [
            ("step", f"{snapshot.step:,}", ""),
            ("epoch", f"{snapshot.epoch:.1f}", ""),
            ("", clock(snapshot.seconds), ""),
        ]
        if snapshot.steps:
            progress.append(("", f"▕{bar(snapshot.step / snapshot.steps, BAR):{BAR}}▏", ""))
        in_bits = "" if snapshot.val_loss is None else f"({bits(snapshot.val_loss)} bits)"
        learning: list[Field] = [
            ("loss", nats(snapshot.loss), ""),
            ("val", nats(snapshot.val_loss), in_bits),
            ("", f"{rate(snapshot.chars_per_second):>4}", "chars/s"),
            ("lr", power(snapshot.lr), ""),
        ]
        gradient: list[Field] = []
        if snapshot.grad_norm is not None:
            gradient.append(("|g|", plain(snapshot.grad_norm), ""))
        if snapshot.clipped is not None:
            gradient.append(("clipped", percent(snapshot.clipped), ""))
        loss = nats(snapshot.val_loss)
        validation = loss, with_error(loss, snapshot.val_loss_se)
        if (progress, learning, validation, gradient) != (*self._fields, self._validation, self._gradient):
            self._fields, self._validation, self._gradient = (progress, learning), validation, gradient
            self.refresh()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 1 if width >= ONE_LINE else 2

    def render(self) -> Content:
        progress, learning = self._fields
        width, height = self.size
        if learning and (height > 1 or width >= ONE_LINE + ERROR):
            label, _, in_bits = learning[1]
            learning = [learning[0], (label, self._validation[1], in_bits), *learning[2:]]
        if height > 1:
            return Content("\n").join([_line(_with(progress, self._gradient, width), width), _line(learning, width)])
        return _line(_with([*progress[:2], *learning, *progress[2:]], self._gradient, width), width)


def _with(fields: list[Field], more: list[Field], width: int) -> list[Field]:
    """`fields`, and as many of `more` as then still have a blank between them."""
    for count in range(len(more), 0, -1):
        both = [*fields, *more[:count]]
        if sum(_field(*field).cell_length + 1 for field in both) < width:
            return both
    return fields


def _line(fields: list[Field], width: int) -> Content:
    contents = [_field(*field) for field in fields]
    spare = width - 1 - sum(content.cell_length for content in contents)
    gap = min(max(spare // max(len(contents), 1), 1), 3)
    return Content.assemble(" ", Content(" " * gap).join(contents)).truncate(width)


def _field(label: str, value: str, unit: str) -> Content:
    parts = [(label, "$foreground-muted"), (value, "bold"), (unit, "$foreground-muted")]
    return Content(" ").join(Content.styled(text, style) for text, style in parts if text)
