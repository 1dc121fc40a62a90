"""AWS Backup plan and vault."""

from __future__ import annotations

from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.stacks.data import DataStack
from cdk.stacks.regional import RegionalStack


class BackupStack(RegionalStack):
    """AWS Backup plan and vault."""

    def __init__(
        self,
        scope: Construct,
        *,
        deployment: Deployment,
        site: Site,
        data: DataStack,
    ) -> None:
        super().__init__(
            scope,
            deployment=deployment,
            site=site,
            purpose="backup",
            about="AWS Backup plan and vault",
        )
