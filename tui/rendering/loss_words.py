"""What the border of the loss pane says."""

from __future__ import annotations

from tui.rendering.loss_chart import LossView, Reading


def title(view: LossView) -> str:
    """What is shown, and how, as far as it is not the usual."""
    parts = ["Loss", f"{view.unit}/char"]
    if view.log:
        parts.append("log")
    if view.along != "step":
        parts.append(f"by {view.along}")
    if view.window.width is not None:
        parts.append("zoom" if view.window.right is None else "zoom, past")
    return " · ".join(parts)


def reading_line(reading: Reading, *, wide: bool) -> str:
    """The values at the cursor."""
    names = ("raw", "smoothed", "validation") if wide else ("raw", "~", "val")
    values = (reading.raw, reading.smoothed, reading.validation)
    shown = [f"{name} {'–' if value is None else f'{value:.3f}'}" for name, value in zip(names, values, strict=True)]
    return f"{'step ' if wide else ''}{reading.step:,}: {' '.join(shown)}"
