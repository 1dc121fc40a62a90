"""What stands between a client and Redis: TLS, a slow network, a connection that breaks."""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field

_STOP_SECONDS = 30.0
_RESET = struct.pack("ii", 1, 0)


@dataclass
class RedisProxy:
    """Passes everything on, until `delay` (seconds, for each reply) or `cut` (bytes of a reply
    after which the connection is reset) is set, or `passing` is not: replies wait for it."""

    port: int
    target: int
    delay: float = 0.0
    cut: int | None = None
    connections: int = 0
    passing: threading.Event = field(default_factory=threading.Event)

    def serve(self, caller: socket.socket, tls: ssl.SSLContext | None) -> None:
        with suppress(OSError), ExitStack() as stack:
            stack.callback(caller.close)
            if tls is not None:
                caller = tls.wrap_socket(caller, server_side=True)
                stack.callback(caller.close)
            server = socket.create_connection(("127.0.0.1", self.target), timeout=_STOP_SECONDS)
            with closing(server):
                while self._pass_on(caller, server):
                    pass

    def _pass_on(self, caller: socket.socket, server: socket.socket) -> bool:
        readable, _, _ = select.select([caller, server], [], [])
        if caller in readable:
            asked = caller.recv(65536)
            server.sendall(asked)
            return bool(asked)
        reply = server.recv(65536)
        time.sleep(self.delay)
        self.passing.wait(_STOP_SECONDS)
        if self.cut is not None:
            caller.sendall(reply[: self.cut])
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            return False
        caller.sendall(reply)
        return bool(reply)


@contextmanager
def redis_proxy(target: int, *, tls: ssl.SSLContext | None = None) -> Iterator[RedisProxy]:
    """In front of `target`, on a free port of 127.0.0.1; with `tls` it speaks nothing else."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    proxy = RedisProxy(port=listener.getsockname()[1], target=target)
    proxy.passing.set()
    threads: list[threading.Thread] = []
    callers: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                caller, _ = listener.accept()
                proxy.connections += 1
                callers.append(caller)
                threads.append(threading.Thread(target=proxy.serve, args=(caller, tls)))
                threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield proxy
    finally:
        proxy.passing.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(_STOP_SECONDS)
        for caller in callers:
            with suppress(OSError):
                caller.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(_STOP_SECONDS)
