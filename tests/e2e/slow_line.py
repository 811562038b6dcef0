"""A line to a port of this machine that takes its time, and that can be cut and mended."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable

Item = tuple[float, bytes]  # when the bytes may arrive; none: the end


class SlowLine:
    """Listens on `port` of 127.0.0.1; every byte reaches `to`, or comes from there, `seconds` later."""

    def __init__(self, to: int, seconds: float) -> None:
        self._to, self._seconds = to, seconds
        self._ends: list[socket.socket] = []
        self._carriers: list[threading.Thread] = []
        self._is_cut = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def cut(self) -> None:
        """Break all connections, and let none begin."""
        self._is_cut = True
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Let connections begin again."""
        self._is_cut = False

    def close(self) -> None:
        """Break it for good."""
        self.cut()
        self._listener.shutdown(socket.SHUT_RDWR)  # which wakes the thread that waits there
        for thread in (self._acceptor, *self._carriers):
            thread.join()
        for each in (self._listener, *self._ends):
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it was closed
            while True:
                here, _ = self._listener.accept()
                if self._is_cut:
                    here.close()
                    continue
                there = socket.create_connection(("127.0.0.1", self._to))
                self._ends += [here, there]
                for source, sink in ((here, there), (there, here)):
                    waiting: queue.SimpleQueue[Item] = queue.SimpleQueue()
                    self._carry(self._read, source, waiting)
                    self._carry(self._write, sink, waiting)

    def _carry(self, carry: Callable[..., None], end: socket.socket, waiting: queue.SimpleQueue[Item]) -> None:
        thread = threading.Thread(target=carry, args=(end, waiting), daemon=True)
        thread.start()
        self._carriers.append(thread)

    def _read(self, source: socket.socket, waiting: queue.SimpleQueue[Item]) -> None:
        data = b"-"
        while data:
            try:
                data = source.recv(1 << 16)
            except OSError:
                data = b""
            waiting.put((time.monotonic() + self._seconds, data))

    def _write(self, sink: socket.socket, waiting: queue.SimpleQueue[Item]) -> None:
        with contextlib.suppress(OSError):
            while True:
                at, data = waiting.get()
                time.sleep(max(0.0, at - time.monotonic()))
                if not data:
                    break
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
