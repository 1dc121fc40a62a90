"""The core on Lambda behind its own load balancer."""

from __future__ import annotations

from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.stacks.data import DataStack
from cdk.stacks.dr_data import RecoveryDataStack
from cdk.stacks.edge import EdgeStack
from cdk.stacks.network import NetworkStack
from cdk.stacks.regional import RegionalStack


class FallbackStack(RegionalStack):
    """The core on Lambda behind its own load balancer."""

    def __init__(
        self,
        scope: Construct,
        *,
        deployment: Deployment,
        site: Site,
        network: NetworkStack,
        data: DataStack | RecoveryDataStack,
        edge: EdgeStack,
    ) -> None:
        super().__init__(
            scope,
            deployment=deployment,
            site=site,
            purpose="fallback",
            about="The core on Lambda behind its own load balancer",
        )
