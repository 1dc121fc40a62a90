"""Settings of a service under test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from core.config import DEVELOPMENT_SECRET_KEY

PUBLIC_URL = "https://id.example.com"

PATIENT_DATABASE: Mapping[str, str] = {
    "DATABASE_CONNECT_TIMEOUT": "20",
    "DATABASE_POOL_TIMEOUT": "20",
    "DATABASE_STATEMENT_TIMEOUT": "20",
}
"""No deadline passes because a machine is busy: the tests of deadlines set their own."""

# The suites log in far more often than people do, and mean other things by it: at the least cost
# that there is, and a refusal takes no longer than its hashes.
_LOOSENED: Mapping[str, str] = {
    "ARGON2_MEMORY_KIB": "7168",
    "ARGON2_ITERATIONS": "1",
    "HASH_QUEUE_TIMEOUT": "10",
    "LOGIN_REFUSAL_TIME": "0",
    "REQUEST_TIMEOUT": "20",
    "REFRESH_GRACE": "60",
    **PATIENT_DATABASE,
    "LIMIT_CHANGES_PER_MINUTE": "100000",
    # Fewer requests until a site of IPv6 is over its limit.
    "LIMIT_SITE_SHARE": "3",
}


def delivered_environment(database_url: str, mail_folder: Path) -> dict[str, str]:
    """As in production, one load balancer appends the client to X-Forwarded-For."""
    return {
        "ENVIRONMENT": "development",
        "DATABASE_URL": database_url,
        "SECRET_KEY": DEVELOPMENT_SECRET_KEY,
        "PUBLIC_URL": PUBLIC_URL,
        "MAIL_URL": f"directory://{mail_folder}",
        "TRUSTED_PROXY_HOPS": "1",
        "LOG_LEVEL": "INFO",
        "CORS_ALLOWED_ORIGINS": "https://app.example.com",
    }


def service_environment(database_url: str, mail_folder: Path) -> dict[str, str]:
    """The same for the suites, which are in a hurry."""
    return {**delivered_environment(database_url, mail_folder), **_LOOSENED}
