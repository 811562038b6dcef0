"""Waiting for what another thread or process does."""

import time


def wait_for(condition, seconds=20.0):
    """The first true value of `condition()`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.005)
    return value
