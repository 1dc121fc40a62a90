"""A log group that forgets in time."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.config.deployment import Deployment
from cdk.constructs.retention import retention


class ForgettingLogGroup(logs.LogGroup):
    """Kept as many days as the environment says. It goes with its stack: an archive stays."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        name: str,
        key: kms.IKey | None = None,
    ) -> None:
        super().__init__(
            scope,
            id_,
            log_group_name=name,
            encryption_key=key,
            retention=retention(deployment),
            removal_policy=RemovalPolicy.DESTROY,
        )
