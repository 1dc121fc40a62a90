"""VPC, subnets, network ACLs, flow logs and endpoints."""

from __future__ import annotations

from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.stacks.regional import RegionalStack


class NetworkStack(RegionalStack):
    """VPC, subnets, network ACLs, flow logs and endpoints."""

    def __init__(
        self,
        scope: Construct,
        *,
        deployment: Deployment,
        site: Site,
    ) -> None:
        super().__init__(
            scope,
            deployment=deployment,
            site=site,
            purpose="network",
            about="VPC, subnets, network ACLs, flow logs and endpoints",
        )
