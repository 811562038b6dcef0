"""The numbers of the run, in one line, or in two on a narrow screen."""

from __future__ import annotations

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from engine.session.messages import Snapshot
from tui.rendering.numbers import bar, bits, clock, nats, power, rate

ONE_LINE = 118  # cells that all fields need if the numbers have a usual length
BAR = 10  # cells of the progress bar

Field = tuple[str, str, str]  # label, value, unit


class StatusLine(Widget):
    """One or two lines, repainted only when one of the digits changes."""

    def __init__(self) -> None:
        self._fields: tuple[list[Field], list[Field]] = ([], [])
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
        if (progress, learning) != self._fields:
            self._fields = (progress, learning)
            self.refresh()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 1 if width >= ONE_LINE else 2

    def render(self) -> Content:
        progress, learning = self._fields
        width, height = self.size
        if height > 1:
            return Content("\n").join([_line(progress, width), _line(learning, width)])
        return _line([*progress[:2], *learning, *progress[2:]], width)


def _line(fields: list[Field], width: int) -> Content:
    contents = [_field(*field) for field in fields]
    spare = width - 1 - sum(content.cell_length for content in contents)
    gap = min(max(spare // max(len(contents), 1), 1), 3)
    return Content.assemble(" ", Content(" " * gap).join(contents)).truncate(width)


def _field(label: str, value: str, unit: str) -> Content:
    parts = [(label, "$foreground-muted"), (value, "bold"), (unit, "$foreground-muted")]
    return Content(" ").join(Content.styled(text, style) for text, style in parts if text)
