"""How far an instrument's answer lies behind the run: answers are renewed as the share of time for them allows."""

from __future__ import annotations

FAR_BEHIND = 1000  # steps


def is_older(step: int, now: int) -> bool:
    """Whether an answer of `step` lies far behind the run, which is at step `now`."""
    return now - step >= FAR_BEHIND


def at_step(step: int, older: bool) -> str:
    """The step of an answer, as a pane writes it."""
    return f"step {step:,}{' (older)' if older else ''}"
