"""Work that must not hold up the screen, in threads that do not hold up the end of the program either."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

Result = TypeVar("Result")


async def in_thread(work: Callable[[], Result]) -> Result:
    """What `work` returns or raises, from a daemon thread.

    `asyncio.to_thread` would do, but its threads are joined before the program may end.
    """
    future: Future[Result] = Future()
    future.set_running_or_notify_cancel()  # who waits may be cancelled, the work is not

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, name="charrnn-background", daemon=True).start()
    return await asyncio.wrap_future(future)
