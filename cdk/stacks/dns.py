"""Failover records of the public name: cdk/constructs/failover.py draws them all."""

from __future__ import annotations

from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.constructs.failover import AliasRecord, Latch, PublicNames
from cdk.stacks.edge import EdgeStack
from cdk.stacks.fallback import FallbackStack
from cdk.stacks.regional import RegionalStack


class DnsStack(RegionalStack):
    """The second half of the first region's pair, and the pair of regions above it.

    Deployed last: Route 53 refuses an alias to a record that is not there, and a health check of
    an alarm that is not there.
    """

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
        names = edge.names
        if names is None:
            raise ValueError("there are no records without a domain")
        within = AliasRecord(
            self,
            "Function",
            names=names,
            name=names.pair,
            target=fallback.load_balancer,
            failover="SECONDARY",
            set_identifier="lambda",
            health_check_id=edge.function_health_check_id,
        )
        if names.recovery is None or recovery_fallback is None:
            return
        self.add_stack_dependency(recovery_fallback)
        first = self._add_regions(names, names.recovery, recovery_fallback.site.region)
        first.node.add_dependency(within)

    def _add_regions(self, names: PublicNames, recovery: str, region: str) -> AliasRecord:
        latch = Latch(self, "Latch", deployment=self.deployment, region=region)
        self.latch_health_check_id = latch.health_check_id
        AliasRecord(
            self,
            "Second",
            names=names,
            name=names.public,
            target=recovery,
            failover="SECONDARY",
            set_identifier=region,
        )
        return AliasRecord(
            self,
            "First",
            names=names,
            name=names.public,
            target=names.pair,
            failover="PRIMARY",
            set_identifier=self.site.region,
            health_check_id=latch.health_check_id,
            follows_health=True,
        )
