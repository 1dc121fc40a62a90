"""Failover records of the public name."""

from __future__ import annotations

from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.stacks.edge import EdgeStack
from cdk.stacks.fallback import FallbackStack
from cdk.stacks.regional import RegionalStack


class DnsStack(RegionalStack):
    """Failover records of the public name."""

    def __init__(
        self,
        scope: Construct,
        *,
        deployment: Deployment,
        site: Site,
        edge: EdgeStack,
        fallback: FallbackStack,
        recovery_fallback: FallbackStack | None,
    ) -> None:
        super().__init__(
            scope,
            deployment=deployment,
            site=site,
            purpose="dns",
            about="Failover records of the public name",
        )
