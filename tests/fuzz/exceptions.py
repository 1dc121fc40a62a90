"""Where the fuzzer is wrong about this API, and why. Everything else that it finds is a bug."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Exemption:
    """A finding that is none: a refusal of what the schema allows.

    `problem` is the name of the answer's problem, `detail` how its detail begins, and `fault`
    matches a fault of the input, as pointer and detail with a blank between.
    """

    problem: str
    reason: str
    detail: str = ""
    fault: str | None = None


FAILURE = "RejectedPositiveData"
"""The class that schemathesis raises for all of them. No other finding is ever let off."""

EXEMPTIONS = (
    Exemption(problem="invalid-code", reason="codes come by mail, which the fuzzer does not read"),
    Exemption(
        problem="invalid-cursor", reason="only a cursor that a list gave out is accepted by it"
    ),
    Exemption(
        problem="idempotency-key-reused",
        reason="a key belongs to the first request that it came with",
    ),
    Exemption(
        problem="version-mismatch",
        reason="If-Match names a version that the resource does not have",
    ),
    Exemption(
        problem="bad-request",
        detail="If-Match has to be an ETag",
        reason="a list of entity tags has a grammar that its schema leaves out",
    ),
    Exemption(
        problem="bad-request",
        detail="The header authorization was sent more than once.",
        reason="proxies choose either of two tokens, so the fuzzer's second one is refused",
    ),
    Exemption(
        problem="invalid-input",
        fault="/.* must hold no NUL and no lone surrogate",
        reason="PostgreSQL stores neither, and a schema cannot exclude them everywhere",
    ),
    Exemption(
        problem="invalid-input",
        fault=r"/(new_)?password .*",
        reason="how long a password has to be is a setting, and it must not resemble its owner",
    ),
    Exemption(
        problem="invalid-input",
        fault="/current_password is wrong",
        reason="the fuzzer does not know the password",
    ),
    Exemption(
        problem="invalid-input",
        fault=r"/(query/)?(email|username|\w+_name|phone|locale|time_zone|picture|attributes) .*",
        reason="rules of core/domain/profile.py and addresses.py that the schema leaves out",
    ),
    Exemption(
        problem="invalid-input",
        fault="/description must have at most 500 visible characters"
        "|/(query/)?q must be 3 to 200 visible characters, two of them letters or digits",
        reason="which characters are refused is left out of the schema",
    ),
    Exemption(
        problem="invalid-input",
        fault="/limit must be a whole number",
        reason="50.0 is an integer for a schema, and not for this service",
    ),
    Exemption(
        problem="malformed-json",
        detail="An integer is beyond 2^53 - 1",
        reason="it would lose digits in other readers (RFC 7493), wherever it is in attributes",
    ),
)


def exempt(failure: str, body: bytes) -> bool:
    """Whether a finding with this answer is none."""
    try:
        problem = json.loads(body)
    except ValueError:
        return False
    if failure != FAILURE or not isinstance(problem, dict) or "detail" not in problem:
        return False
    rows = [
        row
        for row in EXEMPTIONS
        if problem["type"] == f"/problems/{row.problem}"
        and problem["detail"].startswith(row.detail)
    ]
    faults = problem.get("errors", [])
    return bool(rows) and all(_foreseen(fault, rows) for fault in faults)


def _foreseen(fault: dict[str, Any], rows: list[Exemption]) -> bool:
    text = f"{fault['pointer']} {fault['detail']}"
    return any(row.fault is not None and re.fullmatch(row.fault, text, re.DOTALL) for row in rows)
