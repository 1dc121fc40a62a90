"""VPC, subnets, network ACLs, flow logs and endpoints."""

from __future__ import annotations

from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.constructs.network import Network
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
        network = Network(self, "Network", deployment=deployment, site=site, removal=self.removal)
        self.network = network
        self.vpc = network.vpc
        self.flow_logs = network.flow_logs
        self.endpoints_security_group = network.endpoints_security_group
        self.logs_key = network.logs_key
