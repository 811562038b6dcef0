"""The numbers of the run, in one line, or in two on a narrow screen."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from engine.session.messages import Snapshot
from tui.rendering.numbers import bar, bits, clock, megabytes, nats, percent, plain, power, rate, with_error

ONE_LINE = 118  # cells that all fields need if the numbers have a usual length
BAR = 10  # cells of the progress bar
LOSS, POWER, PERCENT = 5, 6, 4  # cells of a usual loss, of 2.0e-3 and of 100%: what stands behind them keeps its place

Field = tuple[str, str, str]  # label, value, unit


@dataclass(frozen=True, slots=True)
class Fields:
    """What the status line shows."""

    progress: tuple[Field, ...] = ()
    learning: tuple[Field, ...] = ()
    error: str = ""  # the validation loss with its standard error, shown where there is room
    more: tuple[Field, ...] = ()  # of these as many as there is room for
    process: tuple[Field, ...] = ()  # as those, where one line is not enough; else the header has them


class StatusLine(Widget):
    """One or two lines, repainted only when one of the digits changes."""

    def __init__(self) -> None:
        self._fields = Fields()
        super().__init__()

    def begin(self) -> None:
        """Show nothing, until the first snapshot of another run."""
        self._fields = Fields()
        self.refresh()

    def show(self, snapshot: Snapshot) -> None:
        fields = fields_of(snapshot)
        if fields != self._fields:
            self._fields = fields
            self.refresh()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 1 if width >= ONE_LINE else 2

    def render(self) -> Content:
        width, height = self.size
        progress, learning, more = (
            list(part) for part in (self._fields.progress, self._fields.learning, self._fields.more)
        )
        if not learning:
            return Content("")
        exact = [learning[0], ("val", self._fields.error, ""), *learning[2:]]
        if height > 1:
            learning = exact if _fits(exact, width) else learning
            more[1:1] = self._fields.process
            return Content("\n").join([_line(_with(progress, more, width), width), _line(learning, width)])
        lines = [[*progress[:2], *middle, *progress[2:]] for middle in (exact, learning)]
        chosen = lines[0] if _fits(lines[0], width) else lines[1]
        return _line(_with(chosen, more, width), width)


def fields_of(snapshot: Snapshot) -> Fields:
    """The numbers of `snapshot` as the status line writes them.

    The loss is the smoothed one of the loss pane: that of a single step is mostly noise. Behind the last validation
    loss stands the best one, with its step.
    """
    progress: list[Field] = [
        ("step", f"{snapshot.step:,}", ""),
        ("epoch", f"{snapshot.epoch:.1f}", ""),
        ("", clock(snapshot.seconds), ""),
    ]
    if snapshot.steps:
        progress.append(("", f"▕{bar(snapshot.step / snapshot.steps, BAR):{BAR}}▏", ""))
    reached = snapshot.best_val_step
    last = nats(snapshot.val_loss).rjust(LOSS)
    learning: list[Field] = [
        ("loss", nats(snapshot.smoothed_loss).rjust(LOSS), ""),
        ("val", last, ""),
        ("best", nats(snapshot.best_val_loss).rjust(LOSS), "" if reached is None else f"at {reached:,}"),
        ("", f"{rate(snapshot.chars_per_second):>4}", "chars/s"),
        ("lr", power(snapshot.lr).ljust(POWER), ""),
    ]
    more: list[Field] = []
    if snapshot.grad_norm is not None:
        more.append(("|g|", plain(snapshot.grad_norm).ljust(POWER), ""))
    if snapshot.clipped is not None:
        more.append(("clipped", percent(snapshot.clipped).rjust(PERCENT), ""))
    if snapshot.val_loss is not None:
        more.append(("", bits(snapshot.val_loss), "bits"))
    exact = with_error(last, snapshot.val_loss_se)
    return Fields(tuple(progress), tuple(learning), exact, tuple(more), process_fields(snapshot))


def process_fields(snapshot: Snapshot) -> tuple[Field, ...]:
    """What the processes of the run take: 100% is one core."""
    fields: list[Field] = []
    if snapshot.cores is not None:
        fields.append(("cpu", f"{snapshot.cores:.0%}".rjust(PERCENT), ""))
    if snapshot.memory is not None:
        fields.append(("mem", megabytes(snapshot.memory), ""))
    return tuple(fields)


def _with(fields: list[Field], more: list[Field], width: int) -> list[Field]:
    """`fields`, and as many of `more` as then still have a blank between them."""
    counts = range(len(more), 0, -1)
    return next((both for count in counts if _fits(both := [*fields, *more[:count]], width)), fields)


def _fits(fields: list[Field], width: int) -> bool:
    # Asked of many lines in each frame, so without making their texts.
    return sum(cell_len(" ".join(filter(None, field))) + 1 for field in fields) < width


def _line(fields: list[Field], width: int) -> Content:
    """A line of the `fields`, without the last ones if they do not fit: half a number would be another number."""
    while len(fields) > 1 and not _fits(fields, width + 1):
        fields = fields[:-1]
    contents = [_field(*field) for field in fields]
    spare = width - 1 - sum(content.cell_length for content in contents)
    gap = min(max(spare // max(len(contents), 1), 1), 3)
    return Content.assemble(" ", Content(" " * gap).join(contents)).truncate(width)


def _field(label: str, value: str, unit: str) -> Content:
    parts = [(label, "$foreground-muted"), (value, "bold"), (unit, "$foreground-muted")]
    return Content(" ").join(Content.styled(text, style) for text, style in parts if text)
