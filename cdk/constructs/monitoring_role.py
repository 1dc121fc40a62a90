"""What RDS sends the operating system's figures with."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct


def monitoring_role(scope: Construct) -> iam.Role:
    """Writes the streams of the one log group that RDS has for all instances of a region."""
    group = Stack.of(scope).format_arn(service="logs", resource="log-group:RDSOSMetrics")
    source = Stack.of(scope).account
    role = iam.Role(
        scope,
        "MonitoringRole",
        description="Enhanced monitoring of the database",
        assumed_by=iam.ServicePrincipal(
            "monitoring.rds.amazonaws.com",
            conditions={"StringEquals": {"aws:SourceAccount": source}},
        ),
    )
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["logs:CreateLogGroup", "logs:PutRetentionPolicy"],
            resources=[group, f"{group}:*"],
        )
    )
    role.add_to_policy(
        iam.PolicyStatement(
            actions=[
                "logs:CreateLogStream",
                "logs:DescribeLogStreams",
                "logs:GetLogEvents",
                "logs:PutLogEvents",
            ],
            resources=[f"{group}:log-stream:*"],
        )
    )
    return role
