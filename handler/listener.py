"""Listening sockets, made before anything slow starts: a taken port is told at once."""

from __future__ import annotations

import contextlib
import errno
import socket

from core.errors import ConfigurationError

BACKLOG = 1024


def listen(host: str, port: int, *, chosen_by: str = "--port or PORT") -> socket.socket:
    """A listening socket; whoever connects before the service is ready waits for it.

    `chosen_by` is what the message names when the port is taken. Port 0 is any that is free.

    Raises:
        ConfigurationError: the port is taken, or the address is none of this machine's.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
        # With its protocol named, asyncio sets TCP_NODELAY on what it accepts.
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        reasons = {
            errno.EADDRINUSE: f"the port is taken; choose another with {chosen_by}",
            errno.EACCES: f"only root may use this port; choose another with {chosen_by}",
        }
        reason = reasons.get(error.errno or 0, error.strerror)
        raise ConfigurationError(f"cannot listen on {host} port {port}: {reason}") from error
    return listener


def listen_beside(
    host: str, port: int, *, chosen_by: str
) -> contextlib.AbstractContextManager[socket.socket | None]:
    """As `listen`, for a port that a process may do without: 0 is for none."""
    return listen(host, port, chosen_by=chosen_by) if port else contextlib.nullcontext()
