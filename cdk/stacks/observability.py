"""Alarms, dashboards, log archive, trail and budget."""

from __future__ import annotations

from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.stacks.cluster import ClusterStack
from cdk.stacks.data import DataStack
from cdk.stacks.edge import EdgeStack
from cdk.stacks.fallback import FallbackStack
from cdk.stacks.network import NetworkStack
from cdk.stacks.regional import RegionalStack


class ObservabilityStack(RegionalStack):
    """Alarms, dashboards, log archive, trail and budget."""

    def __init__(
        self,
        scope: Construct,
        *,
        deployment: Deployment,
        site: Site,
        network: NetworkStack,
        data: DataStack,
        cluster: ClusterStack,
        edge: EdgeStack,
        fallback: FallbackStack,
    ) -> None:
        super().__init__(
            scope,
            deployment=deployment,
            site=site,
            purpose="observability",
            about="Alarms, dashboards, log archive, trail and budget",
        )
