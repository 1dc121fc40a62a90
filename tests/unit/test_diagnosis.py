"""What the doctor makes of facts that no test can bring about for real."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from core.config.examination import Examination
from core.domain.diagnosis import Check, CheckStatus, overall
from core.ports.inspection import ClockReading, InspectionFailed, ServerFacts
from core.ports.storage import SigningKey
from core.services.diagnosis import database, operation
from tests.support.clock import START
from tests.support.storage import settings_for

SETTINGS = settings_for(
    "postgresql://user_api@db.example.com/user_api", database_statement_timeout=2.0
)
SERVER = ServerFacts(
    version=150_004,
    version_text="15.4",
    standby=False,
    encoding="UTF8",
    time_zone="UTC",
    encrypted=True,
    local=False,
    durable=True,
    connections=12,
    max_connections=97,
)


def reading(*, ours: float = 0, server: float = 0, round_trip: float = 0.002) -> ClockReading:
    """Both clocks in seconds after START; the server is asked half a round trip later."""
    return ClockReading(
        asked_at=START + timedelta(seconds=ours),
        server=START + timedelta(seconds=server + round_trip / 2),
        round_trip=timedelta(seconds=round_trip),
    )


@pytest.mark.parametrize(
    ("difference", "status", "words"),
    [
        (0.0, "ok", "0.000 s"),
        (0.9, "ok", "0.900 s behind"),
        (-0.9, "ok", "0.900 s ahead"),
        (1.1, "warn", "1.100 s behind"),
        (-29.0, "warn", "29.000 s ahead"),
        (31.0, "fail", "31.000 s behind the database's"),
        (-31.0, "fail", "31.000 s ahead of the database's"),
    ],
)
def test_clocks_may_differ_by_a_second(difference: float, status: str, words: str) -> None:
    """Beyond a second it is a warning, beyond 30 a failure, whichever of the two is ahead."""
    found = database.clock(reading(ours=5, server=5 + difference))
    assert found.status == status
    assert words in found.detail


def test_a_slow_line_is_no_wrong_clock() -> None:
    """The answer is compared with the middle of the wait for it."""
    found = database.clock(reading(round_trip=4))
    assert found.status == "ok"
    assert "within 2.000 s" in found.detail


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({}, "ok", "primary, over TLS, 2.0 ms"),
        ({"encrypted": False}, "warn", "no TLS"),
        ({"encrypted": False, "local": True}, "ok", "this machine"),
        ({"standby": True}, "warn", "standby"),
    ],
)
def test_how_the_database_is_reached(changes: Any, status: str, words: str) -> None:
    found = database.database(replace(SERVER, **changes), reading())
    assert (found.status, words in found.detail) == (status, True)


def test_a_database_far_away_is_a_warning() -> None:
    assert database.database(SERVER, reading(round_trip=0.021)).status == "warn"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "ok"),
        ({"version": 149_999, "version_text": "14.99"}, "fail"),
        ({"encoding": "SQL_ASCII"}, "fail"),
        ({"time_zone": "Europe/Berlin"}, "warn"),
        ({"durable": False}, "warn"),
    ],
)
def test_how_the_database_is_set_up(changes: Any, status: str) -> None:
    assert database.server(replace(SERVER, **changes)).status == status


@pytest.mark.parametrize(("used", "status"), [(87, "ok"), (88, "warn")])
def test_one_more_process_has_to_find_its_connections(used: int, status: str) -> None:
    assert SETTINGS.database_pool_size == 10
    assert database.connections(replace(SERVER, connections=used), SETTINGS).status == status


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "ok"),
        ({"lock_timeout": "0"}, "warn"),
        ({"statement_timeout": "2001"}, "warn"),
        ({"default_transaction_isolation": "serializable"}, "warn"),
    ],
)
def test_limits_of_the_role(changes: dict[str, str], status: str) -> None:
    """The server has to give up no later than the service does."""
    found = {
        "statement_timeout": "2000",
        "lock_timeout": "1000",
        "idle_in_transaction_session_timeout": "5000",
        "default_transaction_isolation": "read committed",
        "TimeZone": "UTC",
    }
    assert database.limits(found | changes, SETTINGS).status == status


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ('FATAL:  password authentication failed for user "user_api"', "ALTER ROLE"),
        ("could not translate host name", "name service"),
        ("FATAL:  sorry, too many clients already", "max_connections"),
        ("SSL error: certificate verify failed", "sslrootcert"),
        ("something new", "log of the server"),
    ],
)
def test_what_libpq_says_has_a_remedy(reason: str, remedy: str) -> None:
    found = database.unreachable(InspectionFailed(reason, lost=True))
    assert remedy in (found.remedy or "")


# --- keys --------------------------------------------------------------------------------------


def key(kid: str, **changes: Any) -> SigningKey:
    found = SigningKey(
        kid=kid,
        public_jwk={},
        sealed_private=b"",
        created_at=START - timedelta(days=40),
        active_from=START - timedelta(days=39),
        retired_at=None,
    )
    return replace(found, **changes)


def judged(*keys: SigningKey, closed: str = "") -> tuple[str, str]:
    def open_key(each: SigningKey) -> None:
        if each.kid == closed:
            raise ValueError

    found = operation.signing_keys(keys, open_key=open_key, now=START)
    return found.status.value, found.detail


def test_the_key_that_signs_is_named_with_its_age_and_end() -> None:
    ends = START + timedelta(days=8)
    assert judged(key("a")) == ("ok", "a signs, 40 days old, 1 published, without an end")
    assert judged(key("a", retired_at=ends))[0] == "ok"


def test_an_end_without_a_successor_is_a_warning() -> None:
    """Less than a week before nobody can log in any more."""
    week = START + timedelta(days=7)
    assert judged(key("a", retired_at=week))[0] == "ok"
    ending = key("a", retired_at=week - timedelta(microseconds=1))
    assert judged(ending)[0] == "warn"
    coming = key("b", active_from=START + timedelta(days=1))
    assert judged(ending, coming)[0] == "ok"


def test_a_key_whose_time_has_not_come_signs_nothing() -> None:
    assert judged(key("a", active_from=START + timedelta(days=1)))[0] == "fail"


def test_one_key_of_another_secret_is_named() -> None:
    """Some process runs under another SECRET_KEY, or the row is damaged."""
    status, detail = judged(key("a"), key("b"), closed="b")
    assert status == "fail"
    assert detail.startswith("b does not open")


# --- hashing, and the whole --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "memory", "passes", "status"),
    [
        (0.03, 19456, 2, "ok"),
        (0.03, 47104, 1, "ok"),
        (0.03, 19456, 1, "warn"),
        (0.03, 7168, 4, "warn"),
        (0.51, 19456, 2, "warn"),
        (0.15, 19456, 2, "ok"),
        (0.16, 19456, 2, "warn"),
    ],
)
def test_the_price_of_a_password(seconds: float, memory: int, passes: int, status: str) -> None:
    """OWASP's pairs of memory and passes are the least; half a second is the most, and two have to
    fit into the time of a refusal."""
    settings = settings_for(
        "postgresql://nobody@127.0.0.1/none", argon2_memory_kib=memory, argon2_iterations=passes
    )
    assert operation.judge_hash(seconds, settings).status == status


def test_a_hash_may_take_half_a_second_where_refusals_take_two_of_it() -> None:
    settings = settings_for("postgresql://nobody@127.0.0.1/none", login_refusal_time=2.0)
    assert operation.judge_hash(0.5, settings).status == "ok"
    assert operation.judge_hash(0.51, settings).status == "warn"


def test_what_expired_an_hour_ago_waits_for_no_worker() -> None:
    hour = START - timedelta(hours=1)
    assert operation.housekeeping(hour, now=START).status == "ok"
    late = operation.housekeeping(hour - timedelta(microseconds=1), now=START)
    assert late.status == "warn"
    assert "1.0 hours ago" in late.detail


@dataclass
class Server:
    """Implements Accelerator."""

    answer: bool | None
    closed: bool = False

    def reachable(self) -> bool | None:
        return self.answer

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(("answer", "status"), [(None, "ok"), (True, "ok"), (False, "warn")])
def test_redis_is_never_needed(answer: bool | None, status: str) -> None:
    server = Server(answer)
    assert operation.redis(server).status == status
    assert server.closed


def checks(*found: str) -> Iterator[Check]:
    for status in found:
        yield Check(name=status, status=CheckStatus(status), detail="x", remedy=None)


@pytest.mark.parametrize(
    ("found", "status"),
    [(("ok", "ok"), "ok"), (("ok", "warn"), "warn"), (("warn", "fail", "skip"), "fail")],
)
def test_the_whole_is_as_bad_as_its_worst_check(found: tuple[str, ...], status: str) -> None:
    assert overall(list(checks(*found))) == status


# --- the environment ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DATABSE_URL", "DATABASE_URL"),
        ("SECERT_KEY", "SECRET_KEY"),
        ("EMAIL_URL", "MAIL_URL"),
        ("database_url", "DATABASE_URL"),
        ("AWS_SECRET_KEY", None),
        ("HOSTNAME", None),
        ("NODE_NAME", None),
        ("POSTGRES_PORT", None),
        ("HOME", None),
        ("SMTP_HOST", None),
    ],
)
def test_misspelt_names_and_strangers(name: str, meant: str | None) -> None:
    """What other programs read is not suspected."""
    assert Examination.of({name: "x"}).misspelt == ({name: meant} if meant else {})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p4ss-w0rd@h/x",
        "postgresql://u:p4ss-w0rd@h:notaport/x",
        "postgresql://u:x@p4ss-w0rd@h/x",
        "postgresql://u:p4ss%2Dw0rd@h/x",
        "postgresql://u@h/x?password=p4ss-w0rd",
        "mysql://u:p4ss-w0rd@[h/x",
    ],
)
def test_no_spelling_of_a_password_passes(url: str) -> None:
    """Also of one that is not escaped as it should be, which libpq takes for a host."""
    examined = Examination.of({"DATABASE_URL": url})
    assert "w0rd" not in examined.redact(f"could not translate host name p4ss-w0rd@h: {url}")
    assert "w0rd" not in repr(examined)


def test_no_rest_of_a_longer_secret_is_left() -> None:
    """One may be the beginning of the other, as the names of a family of passwords are."""
    examined = Examination.of(
        {"DATABASE_URL": "postgresql://u:hunter@h/x", "SECRET_KEY": "hunter2-and-so-on"}
    )
    assert "and-so-on" not in examined.redact("refused: hunter2-and-so-on")
    assert "hunter" not in examined.redact("refused: hunter")
