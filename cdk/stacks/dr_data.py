"""Read replica, keys and replicated buckets of the second region."""

from __future__ import annotations

from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.stacks.network import NetworkStack
from cdk.stacks.regional import RegionalStack


class RecoveryDataStack(RegionalStack):
    """Read replica, keys and replicated buckets of the second region."""

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
            about="Read replica, keys and replicated buckets of the second region",
        )
