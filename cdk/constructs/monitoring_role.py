"""What RDS sends the operating system's figures with."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct


def monitoring_role(scope: Construct) -> iam.Role:
    """Has AWS's policy for it, which knows the names of log groups that AWS chooses."""
    return iam.Role(
        scope,
        "MonitoringRole",
        description="Enhanced monitoring of the database",
        assumed_by=iam.ServicePrincipal(
            "monitoring.rds.amazonaws.com",
            conditions={"StringEquals": {"aws:SourceAccount": Stack.of(scope).account}},
        ),
        managed_policies=[
            iam.ManagedPolicy.from_aws_managed_policy_name(
                "service-role/AmazonRDSEnhancedMonitoringRole"
            )
        ],
    )
