"""How long is kept what has no end of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from core.config import values
from core.config.fetched import FetchedSettings
from core.config.values import setting


@dataclass(frozen=True, kw_only=True)
class RetentionSettings(FetchedSettings):
    """Ages at which housekeeping deletes."""

    pending_lifetime: timedelta = setting(
        "PENDING_LIFETIME",
        values.duration_or_none(31 * 86400, 3650 * 86400),
        "seconds until a user who never accepted an invitation is deleted; 0 for never",
        timedelta(days=365),
    )
    audit_anonymous_lifetime: timedelta = setting(
        "AUDIT_ANONYMOUS_LIFETIME",
        values.duration(86400, 3650 * 86400),
        "seconds until the payload of an audit event is erased that no known user did or is in",
        timedelta(days=30),
    )
    parked_mail_lifetime: timedelta = setting(
        "PARKED_MAIL_LIFETIME",
        values.duration(86400, 365 * 86400),
        "seconds that a mail that was given up can be sent after all",
        timedelta(days=30),
    )
    suppression_lifetime: timedelta = setting(
        "SUPPRESSION_LIFETIME",
        values.duration(30 * 86400, 3650 * 86400),
        "seconds that no mail goes to an address that bounced or complained",
        timedelta(days=400),
    )
