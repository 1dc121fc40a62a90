"""Data key and replicated buckets of the second region, which the first region copies to."""

from __future__ import annotations

from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.constructs.buckets import Buckets
from cdk.constructs.keys import data_key
from cdk.stacks.regional import RegionalStack


class RecoveryArchiveStack(RegionalStack):
    """Deployed before the primary region's data, which S3 copies and Secrets Manager replicates:
    both refuse a destination that is not there."""

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
            purpose="archive",
            about="Data key and replicated buckets of the second region",
        )
        self.key = data_key(self, deployment=deployment, removal=self.removal)
        self.buckets = Buckets(
            self,
            "Buckets",
            deployment=deployment,
            site=site,
            key=self.key,
            removal=self.removal,
            replicate=False,
        )
