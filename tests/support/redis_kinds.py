"""URLs of real servers in every mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.certificates import certificate
from tests.support.redis_proxy import redis_proxy
from tests.support.redis_server import redis_cluster, redis_server
from tests.support.server import free_port

PASSWORD = "p@ss/word %"
QUOTED = "p%40ss%2Fword%20%25"
KINDS = ("memory", "redis", "password and database", "tls", "cluster", "tls cluster", "nobody")


@contextmanager
def redis_kinds(folder: Path) -> Iterator[Callable[[str], str]]:
    """Gives the URL of a kind of KINDS, whose servers start when it is first asked for; "nobody" is
    a port that nothing listens on."""
    made: dict[str, str] = {}
    with ExitStack() as stack:

        def url(kind: str) -> str:
            if kind not in made:
                home = folder / kind.replace(" ", "-")
                home.mkdir()
                made[kind] = stack.enter_context(_OPENERS[kind](home))
            return made[kind]

        yield url


@contextmanager
def _single(folder: Path) -> Iterator[str]:
    with redis_server(folder) as server:
        yield server.url


@contextmanager
def _with_password(folder: Path) -> Iterator[str]:
    with redis_server(folder, password=PASSWORD) as server:
        yield f"redis://default:{QUOTED}@127.0.0.1:{server.port}/3"


@contextmanager
def _tls(folder: Path) -> Iterator[str]:
    context, _ = certificate(folder, address="127.0.0.1")
    with redis_server(folder) as server, redis_proxy(server.port, tls=context) as proxy:
        yield f"rediss://127.0.0.1:{proxy.port}/?ca={folder}/127.0.0.1.pem"


@contextmanager
def _cluster(folder: Path) -> Iterator[str]:
    with redis_cluster(folder) as servers:
        yield f"{servers[1].url}/?cluster=true"


@contextmanager
def _tls_cluster(folder: Path) -> Iterator[str]:
    """One node, which tells the port of the proxy that speaks TLS for it."""
    context, _ = certificate(folder, address="127.0.0.1")
    port = free_port()
    with (
        redis_proxy(port, tls=context) as proxy,
        redis_cluster(folder, proxy.port, nodes=1, first_port=port),
    ):
        yield f"rediss://127.0.0.1:{proxy.port}/?cluster=true&ca={folder}/127.0.0.1.pem"


@contextmanager
def _nobody(folder: Path) -> Iterator[str]:
    yield f"redis://127.0.0.1:{free_port()}"


_OPENERS = {
    "redis": _single,
    "password and database": _with_password,
    "tls": _tls,
    "cluster": _cluster,
    "tls cluster": _tls_cluster,
    "nobody": _nobody,
}
