"""What is due after which step: lines of metrics, validations, and moments to be kept."""

from __future__ import annotations

REPORT_EVERY = 10  # steps to a line of metrics, and twice as many from each doubling on
DENSE = 100_000  # the step from which on that distance is doubled, as it is at each doubling of the steps
VALIDATE_EVERY = 500  # steps, doubled as the distance of reports is
VALIDATE_EARLY = (50, 100, 250)  # steps besides, so that the curve starts soon
MOMENTS_EARLY = (0, 1, 2, 5, 10, 20, 50, 100, 200)  # steps
MOMENT_EVERY = 500  # steps
MOMENTS_PER_DOUBLING = 4  # moments while the steps double, from 4,000 steps on


def is_report_due(step: int) -> bool:
    """Whether step number `step` closes a line of metrics.

    Lines grow rarer with the logarithm of the steps, or the lines of a day would take minutes to read again.
    """
    return step % (REPORT_EVERY << _doublings(step)) == 0


def is_validation_due(step: int) -> bool:
    """Whether step number `step` is followed by a validation."""
    return step in VALIDATE_EARLY or step % (VALIDATE_EVERY << _doublings(step)) == 0


def is_moment(step: int) -> bool:
    """Whether the gradient flow and the weights of `step` are kept.

    These are steps 0, 1, 2, 5, 10, 20, 50, 100, 200, then every 500 steps, and from 4,000 on four in each
    doubling of the steps: some 50 in a million, less than 100 in a hundred million.
    """
    if step < MOMENT_EVERY:
        return step in MOMENTS_EARLY
    doublings = max(0, (step // (MOMENT_EVERY * MOMENTS_PER_DOUBLING)).bit_length() - 1)
    return step % (MOMENT_EVERY << doublings) == 0


def _doublings(step: int) -> int:
    """How many times the distance between two reports has doubled by `step`."""
    return (step // DENSE).bit_length()
