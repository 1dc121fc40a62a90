"""REDIS_URL: what is read out of it, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.adapters.redis import server_at
from core.adapters.telemetry.metrics import PrometheusMetrics
from core.config.redis_address import RedisAddress
from core.errors import ConfigurationError

PLAIN = RedisAddress(
    host="cache.example.com",
    port=6379,
    database=0,
    username=None,
    password=None,
    tls=False,
    ca=None,
    cluster=False,
)


def test_a_host_is_enough() -> None:
    """The port and the database have the usual defaults."""
    assert RedisAddress.parse("redis://cache.example.com") == PLAIN


def test_everything_can_be_said() -> None:
    """With characters of passwords in their percent form, as everywhere in URLs."""
    address = RedisAddress.parse("rediss://app:p%40s%2Fs@[::1]:7000/0?cluster=true&ca=/etc/ca.pem")
    assert address == RedisAddress(
        host="::1",
        port=7000,
        database=0,
        username="app",
        password="p@s/s",
        tls=True,
        ca="/etc/ca.pem",
        cluster=True,
    )
    assert RedisAddress.parse("redis://:secret@h/5").database == 5


def test_a_password_is_not_shown() -> None:
    """In no log line and no traceback."""
    assert "hunter2" not in repr(RedisAddress.parse("redis://app:hunter2@h"))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hunter2",
        "http://hunter2",
        "redis://",
        "redis:///hunter2",
        "redis://[::1/hunter2",
        "redis://hunter2:99999",
        "redis://hunter2:0",
        "redis://hunter2:port",
        "redis://h/hunter2",
        "redis://h/-1",
        "redis://h/\u0661",
        "redis://h#hunter2",
        "redis://h?hunter2",
        "redis://h?hunter2=1",
        "redis://h?cluster=hunter2",
        "redis://h/1?cluster=true",
        "redis://h?ca=/hunter2.pem",
        "redis://h?ssl_cert_reqs=none",
    ],
)
def test_what_cannot_be_used_is_refused(url: str) -> None:
    """In words that quote nothing of the URL, which holds a password."""
    with pytest.raises(ValueError, match=r"^(must|may|cannot|has) ") as refused:
        RedisAddress.parse(url)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("[::1]", True),
        ("localhost", True),
        ("[::2]", False),
        ("localhost.example.com", False),
        ("10.0.0.1", False),
        ("cache", False),
    ],
)
def test_only_this_machine_is_loopback(host: str, loopback: bool) -> None:
    """There nobody listens in on what is not encrypted."""
    assert RedisAddress.parse(f"redis://{host}").loopback is loopback


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_that_cannot_be_read_is_told_at_the_start(tmp_path: Path, content: str | None) -> None:
    """And not by the first request."""
    if content:
        (tmp_path / "ca.pem").write_text(content)
    address = RedisAddress.parse(f"rediss://h?ca={tmp_path}/ca.pem")
    with pytest.raises(ConfigurationError, match="REDIS_URL"):
        server_at(address, metrics=PrometheusMetrics(version="test"))
