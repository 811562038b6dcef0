"""Runs slow work in a thread, so that it delays neither the screen nor the end of the program."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

Result = TypeVar("Result")


async def in_thread(work: Callable[[], Result]) -> Result:
    """Call `work` in a daemon thread; returns or raises what it does.

    Python waits for the threads of `asyncio.to_thread` before the program ends, but not for daemon threads.
    """
    future: Future[Result] = Future()
    future.set_running_or_notify_cancel()  # cancelling the caller does not cancel the work

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, name="charrnn-background", daemon=True).start()
    return await asyncio.wrap_future(future)
