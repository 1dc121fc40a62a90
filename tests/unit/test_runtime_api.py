"""The emulator of the Lambda Runtime API treats a function as Lambda does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.runtime_api import InitFailed, InvocationFailed, RuntimeApi

PROBE = "tests.support.runtime_probe.answer"


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeApi]:
    log = tmp_path_factory.mktemp("probe") / "log"
    with RuntimeApi(PROBE, {"PROBE": "set"}, log) as runtime:
        yield runtime


def test_a_function_answers_in_one_process(function: RuntimeApi) -> None:
    """Events reach the handler as JSON, with a context, and each gets its own answer."""
    event = {"text": "\u00e9\u20ac\U0001f600", "deep": [{"a": None}, 1.5, True]}
    first, second = function.invoke(event, seconds=60), function.invoke({})
    assert (first["event"], second["event"]) == (event, {})
    assert first["pid"] == second["pid"] == function.process.pid
    assert first["request_id"] != second["request_id"]
    assert 30_000 < first["remaining"] <= 60_000
    assert first["setting"] == "set"


def test_a_warm_call_is_quick(function: RuntimeApi) -> None:
    """No delayed acknowledgement (40 ms) hides in the emulator's own answers: it would be in each,
    but for the first ones, and a busy machine is quick now and then."""
    for _ in range(10):
        function.invoke({})
    for _ in range(200):
        start = time.perf_counter()
        function.invoke({})
        if time.perf_counter() - start < 0.03:
            return
    raise AssertionError("no call took less than 30 ms")


def test_an_exception_is_told_and_survived(function: RuntimeApi) -> None:
    """An error of the function reaches the caller by name, and the next call works."""
    with pytest.raises(InvocationFailed, match="ValueError: on purpose") as failure:
        function.invoke({"raise": "on purpose"})
    assert failure.value.report["errorType"] == "ValueError"
    assert function.invoke({})["event"] == {}


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        ("tests.support.nowhere.answer", "Runtime.ImportModuleError"),
        ("tests.support.runtime_probe.nothing", "Runtime.HandlerNotFound"),
    ],
)
def test_a_broken_module_is_told_at_once(tmp_path: Path, handler: str, reason: str) -> None:
    """A function that cannot start fails with the reason that Lambda would log."""
    with pytest.raises(InitFailed, match=reason), RuntimeApi(handler, {}, tmp_path / "log"):
        pass


def test_a_function_that_hangs_is_ended(tmp_path: Path) -> None:
    """No call waits longer than its deadline."""
    with RuntimeApi(PROBE, {}, tmp_path / "log") as runtime:
        start = time.monotonic()
        with pytest.raises(InvocationFailed, match=r"no answer within 0\.5 s"):
            runtime.invoke({"sleep": 60}, seconds=0.5)
        assert 0.5 <= time.monotonic() - start < 30


def test_a_function_that_dies_is_noticed(tmp_path: Path) -> None:
    """A process that ends within a call is a failure of that call, at once."""
    with RuntimeApi(PROBE, {}, tmp_path / "log") as runtime:
        with pytest.raises(InvocationFailed, match="process ended"):
            runtime.invoke({"exit": 3})
        assert runtime.process.returncode == 3


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """After the block the process is gone, and it left without being killed."""
    with RuntimeApi(PROBE, {}, tmp_path / "log") as runtime:
        runtime.invoke({})
    assert runtime.process.returncode == 1
