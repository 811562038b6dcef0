"""What the loss pane says around its curves: its title, the legend, the values at the cursor, what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.style import Style
from textual.content import Content
from textual.style import Style as ContentStyle

from engine.session.messages import History, Ladder, RunInfo, Snapshot
from tui.rendering.loss_chart import ROOMY, CursorValues, LossView
from tui.rendering.numbers import nats, with_error

LONG_NAMES, SHORT_NAMES = ("raw", "smoothed", "validation"), ("raw", "smooth", "val")


def legend(styles: Sequence[Style], snapshot: Snapshot | None, scale: float, width: int) -> Content:
    """The marks of the three curves in their `styles`, the validation loss and the regret, as fits into `width` cells.

    `scale` is units per nat.
    """
    choices = [
        _legend(styles, names, snapshot, scale, errors)
        for names in ((LONG_NAMES, SHORT_NAMES) if width >= ROOMY else (SHORT_NAMES,))
        for errors in (True, False)
    ]
    return next((each for each in choices if each.cell_length <= width - 2), choices[-1])


def _legend(
    styles: Sequence[Style], names: Sequence[str], snapshot: Snapshot | None, scale: float, errors: bool
) -> Content:
    """The numbers stand with their standard errors if `errors`; without, the validation loss is left out."""
    parts: list[Any] = []
    for mark, name, style in zip("▚━◆", names, styles, strict=True):
        parts += [(mark, ContentStyle.from_rich_style(style)), f" {name} "]

    def number(value: float, error: float | None) -> str:
        return with_error(nats(value * scale), error * scale if errors and error is not None else None)

    if snapshot is not None and snapshot.val_loss is not None and errors:
        parts.append(f"{number(snapshot.val_loss, snapshot.val_loss_se)} ")
    if snapshot is not None and snapshot.regret is not None:
        parts.append(f"· regret {number(snapshot.regret, snapshot.regret_se)}")
    return Content.assemble(*parts).rstrip()


def title(view: LossView) -> str:
    """The pane's title: the unit, and every choice that differs from the default."""
    parts = ["Loss", f"{view.unit}/char"]
    if view.log:
        parts.append("log")
    if view.along != "step":
        parts.append(f"by {view.along}")
    if view.visible.width is not None:
        parts.append("zoom" if view.visible.right is None else "zoom, past")
    return " · ".join(parts)


def cursor_words(values: CursorValues, wide: bool) -> str:
    """The values at the cursor, in short words unless `wide`."""
    names = ("raw", "smoothed", "validation") if wide else ("raw", "~", "val")
    losses = (values.raw, values.smoothed, values.validation)
    parts = [f"{name} {'–' if loss is None else f'{loss:.3f}'}" for name, loss in zip(names, losses, strict=True)]
    return f"{'step ' if wide else ''}{values.step:,}: {' '.join(parts)}"


def beside_words(values: CursorValues, history: History, view: LossView) -> str:
    """The smoothed and the validation loss at the cursor, and the newest ones."""
    then = [values.smoothed, *([] if values.validation is None else [values.validation])]
    now = [float(loss[-1]) * view.scale for loss in (history.smoothed, history.val_loss) if len(loss)]
    named = ((f"step {values.step:,}", then), ("now", now))
    words = (f"{name} " + " ◆ ".join(f"{loss:.3f}" for loss in losses) for name, losses in named)
    return " · ".join(words)


def measured_words(info: RunInfo, ladder: Ladder | None) -> str:
    """A paragraph that says how much text a validation measures, and in how much the n-grams were counted."""
    if not info.validated:
        return ""
    words = (
        f"\n**In this run** the validation loss is the mean over {_share(info.validated, info.held_out)} held-out "
        "characters; before each stretch of them the network reads what comes before it."
    )
    if ladder is not None:
        last = "" if ladder.counted == info.trained else "the last "
        words += f" The n-grams were counted in {last}{_share(ladder.counted, info.trained)} characters for training."
    words += f" {info.held_out_place[0].upper()}{info.held_out_place[1:]}."
    if notice := info.held_out_notice:
        words += f" {notice[0].upper()}{notice[1:]}."
    return words + "\n"


def _share(part: int, whole: int) -> str:
    """`part` of the `whole`, in words."""
    return f"all {whole:,}" if part == whole else f"{part:,} of the {whole:,}"
