"""EKS cluster, its nodes, add-ons and the rights of its workloads."""

from __future__ import annotations

from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.stacks.data import DataStack
from cdk.stacks.edge import EdgeStack
from cdk.stacks.network import NetworkStack
from cdk.stacks.regional import RegionalStack


class ClusterStack(RegionalStack):
    """EKS cluster, its nodes, add-ons and the rights of its workloads."""

    def __init__(
        self,
        scope: Construct,
        *,
        deployment: Deployment,
        site: Site,
        network: NetworkStack,
        data: DataStack,
        edge: EdgeStack,
    ) -> None:
        super().__init__(
            scope,
            deployment=deployment,
            site=site,
            purpose="cluster",
            about="EKS cluster, its nodes, add-ons and the rights of its workloads",
        )
