"""How long a log group keeps what it has."""

from __future__ import annotations

from aws_cdk import aws_logs as logs

from cdk.config.deployment import Deployment
from cdk.config.model import ConfigurationError


def retention(deployment: Deployment) -> logs.RetentionDays:
    """The environment's `logs.retention_days`.

    Raises:
        ConfigurationError: CloudWatch has no such retention.
    """
    days = deployment.environment.logs.retention_days
    known = {
        1: logs.RetentionDays.ONE_DAY,
        3: logs.RetentionDays.THREE_DAYS,
        5: logs.RetentionDays.FIVE_DAYS,
        7: logs.RetentionDays.ONE_WEEK,
        14: logs.RetentionDays.TWO_WEEKS,
        30: logs.RetentionDays.ONE_MONTH,
        60: logs.RetentionDays.TWO_MONTHS,
        90: logs.RetentionDays.THREE_MONTHS,
        365: logs.RetentionDays.ONE_YEAR,
    }
    if days not in known:
        raise ConfigurationError(
            f"logs: retention_days {days} is none of {', '.join(map(str, known))}"
        )
    return known[days]
