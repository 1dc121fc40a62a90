"""What a process under test says of itself, and what it takes."""

from __future__ import annotations

import time

import httpx
import psutil

from tests.support.metric_pages import series, value


def status(url: str, path: str) -> int | None:
    try:
        return httpx.get(url + path, timeout=30, trust_env=False).status_code
    except httpx.TransportError:
        return None


def drains(url: str) -> bool:
    """A probe of a slow database is unready too."""
    try:
        answer = httpx.get(f"{url}/health/ready", timeout=30, trust_env=False)
    except httpx.TransportError:
        return False
    return bool(answer.json()["status"] == "draining")


def cpu_in_a_second(process: psutil.Process) -> float:
    before = sum(process.cpu_times()[:2])
    time.sleep(1)
    return float(sum(process.cpu_times()[:2]) - before)


def in_flight(port: int) -> float:
    """Requests at work in the process whose metrics are at this port."""
    page = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30, trust_env=False)
    return value(series(page.text), "http_requests_in_flight")
