"""The role that the pipeline deploys with, and the image cache."""

from __future__ import annotations

from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.stacks.cluster import ClusterStack
from cdk.stacks.regional import RegionalStack


class DeliveryStack(RegionalStack):
    """The role that the pipeline deploys with, and the image cache."""

    def __init__(
        self,
        scope: Construct,
        *,
        deployment: Deployment,
        site: Site,
        cluster: ClusterStack,
    ) -> None:
        super().__init__(
            scope,
            deployment=deployment,
            site=site,
            purpose="delivery",
            about="The role that the pipeline deploys with, and the image cache",
        )
