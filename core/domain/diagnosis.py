"""What an operator is told about an installation: one line a check, and how to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class CheckStatus(StrEnum):
    """`WARN` works today; `SKIP` could not be looked at, because of another check's failure."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True)
class Finding:
    """What one check found; a `remedy` stands with every status but ok."""

    status: CheckStatus
    detail: str
    remedy: str | None = None


@dataclass(frozen=True, kw_only=True)
class Check:
    """A finding under the name of its check; names are stable."""

    name: str
    status: CheckStatus
    detail: str
    remedy: str | None


def ok(detail: str) -> Finding:
    """All is as it should be."""
    return Finding(CheckStatus.OK, detail)


def warn(detail: str, remedy: str) -> Finding:
    """The service works, and somebody should look."""
    return Finding(CheckStatus.WARN, detail, remedy)


def fail(detail: str, remedy: str) -> Finding:
    """Something does not work until it is mended."""
    return Finding(CheckStatus.FAIL, detail, remedy)


def skip(detail: str, remedy: str) -> Finding:
    """Nothing could be looked at, because of something else."""
    return Finding(CheckStatus.SKIP, detail, remedy)


def overall(checks: Sequence[Check]) -> CheckStatus:
    """The worst of them; what was skipped counts through the failure that caused it."""
    found = {check.status for check in checks}
    for status in (CheckStatus.FAIL, CheckStatus.WARN):
        if status in found:
            return status
    return CheckStatus.OK
