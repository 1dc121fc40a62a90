"""Times in requests: every form of RFC 3339, and nothing else."""

from __future__ import annotations

import pytest

from core.errors import InvalidInput
from handler.http.moments import moment


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-31T08:15:00Z", "2026-01-31T08:15:00+00:00"),
        ("2026-01-31t08:15:00z", "2026-01-31T08:15:00+00:00"),
        ("2026-01-31T08:15:00+00:00", "2026-01-31T08:15:00+00:00"),
        ("2026-01-31T08:15:00-00:00", "2026-01-31T08:15:00+00:00"),
        ("2026-01-31T08:15:00+05:45", "2026-01-31T02:30:00+00:00"),
        ("2026-01-31T23:15:00-03:00", "2026-02-01T02:15:00+00:00"),
        ("2026-01-31T08:15:00.5Z", "2026-01-31T08:15:00.500000+00:00"),
        ("2026-01-31T08:15:00.123456Z", "2026-01-31T08:15:00.123456+00:00"),
        ("2026-01-31T08:15:00.123456789Z", "2026-01-31T08:15:00.123456+00:00"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999+00:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00"),
        ("2016-12-31T15:59:60.5-08:00", "2017-01-01T00:00:00+00:00"),
    ],
)
def test_each_form_is_one_time_in_utc(text: str, utc: str) -> None:
    """Equal times are equal whatever their offsets; a leap second is the next second."""
    found = moment(text, "/at")
    assert found is not None
    assert found.isoformat() == utc


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-31",
        "2026-01-31T08:15Z",
        "2026-01-31T08:15:00",
        "2026-01-31 08:15:00Z",
        "2026-01-31T08:15:00 01:00",
        "2026-01-31T08:15:00+0100",
        "2026-01-31T08:15:00+01",
        "2026-01-31T08:15:00+24:00",
        "2026-01-31T08:15:00.Z",
        "2026-01-31T08:15:00.1234567890Z",
        "2026-01-31T08:15:00,5Z",
        "2026-1-31T08:15:00Z",
        "2026-02-29T00:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T08:60:00Z",
        "2026-01-31T08:15:60Z",
        "2026-01-31T08:15:61Z",
        "2026-W05-6T08:15:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T23:59:60Z",
        "10000-01-01T00:00:00Z",
        "-2026-01-31T08:15:00Z",
        "\uff12\uff10\uff12\uff16-01-31T08:15:00Z",
        "2026-01-31T08:15:00Z\n",
        " 2026-01-31T08:15:00Z",
        "infinity",
        "1769847300",
    ],
)
def test_anything_else_is_refused_where_it_stands(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        moment(text, "/query/at")
    assert [error.pointer for error in refused.value.errors] == ["/query/at"]


def test_no_time_is_none() -> None:
    assert moment(None, "/at") is None
