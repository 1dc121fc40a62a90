"""Certificate, web ACL, mail identity and health checks."""

from __future__ import annotations

from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.stacks.regional import RegionalStack


class EdgeStack(RegionalStack):
    """Certificate, web ACL, mail identity and health checks."""

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
            purpose="edge",
            about="Certificate, web ACL, mail identity and health checks",
        )
