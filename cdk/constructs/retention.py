"""How long a log group keeps what it has."""

from __future__ import annotations

from aws_cdk import aws_logs as logs

from cdk.config.deployment import Deployment
from cdk.config.model import RETENTIONS


def retention(deployment: Deployment) -> logs.RetentionDays:
    """The environment's `logs.retention_days`."""
    return logs.RetentionDays[RETENTIONS[deployment.environment.logs.retention_days]]
