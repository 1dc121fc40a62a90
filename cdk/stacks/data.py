"""Database, cache, secrets, keys and buckets."""

from __future__ import annotations

from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.stacks.network import NetworkStack
from cdk.stacks.regional import RegionalStack


class DataStack(RegionalStack):
    """Database, cache, secrets, keys and buckets."""

    def __init__(
        self,
        scope: Construct,
        *,
        deployment: Deployment,
        site: Site,
        network: NetworkStack,
    ) -> None:
        super().__init__(
            scope,
            deployment=deployment,
            site=site,
            purpose="data",
            about="Database, cache, secrets, keys and buckets",
        )
