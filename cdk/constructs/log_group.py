"""A log group that forgets in time."""

from __future__ import annotations

from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.config.deployment import Deployment


class ForgettingLogGroup(logs.LogGroup):
    """Kept as many days as the environment says, a number; the library's enumeration has names.

    It goes with its stack: what is to stay is archived.
    """

    def __init__(self, scope: Construct, id_: str, *, deployment: Deployment, name: str) -> None:
        super().__init__(scope, id_, log_group_name=name, removal_policy=RemovalPolicy.DESTROY)
        resource = cast(logs.CfnLogGroup, self.node.default_child)
        resource.retention_in_days = deployment.environment.logs.retention_days
