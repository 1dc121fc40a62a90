"""The listening socket, made before anything slow starts: a taken port is told at once."""

from __future__ import annotations

import errno
import socket

from core.errors import ConfigurationError

BACKLOG = 1024


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; whoever connects before the service is ready waits for it.

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
            errno.EADDRINUSE: "the port is taken; choose another with --port or PORT",
            errno.EACCES: "only root may use this port; choose another with --port or PORT",
        }
        reason = reasons.get(error.errno or 0, error.strerror)
        raise ConfigurationError(f"cannot listen on {host} port {port}: {reason}") from error
    return listener
