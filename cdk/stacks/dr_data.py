"""Read replica, signing key and secrets of the second region."""

from __future__ import annotations

from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.constructs.keys import audit_signing_replica
from cdk.constructs.redis import Cache
from cdk.constructs.replica import Replica
from cdk.constructs.secrets import reference, replicated_secret
from cdk.stacks.data import SETTINGS_SECRET, SIGNING_KEY_SECRET
from cdk.stacks.dr_archive import RecoveryArchiveStack
from cdk.stacks.network import NetworkStack
from cdk.stacks.regional import RegionalStack


class RecoveryDataStack(RegionalStack):
    """Read replica, signing key and secrets of the second region."""

    def __init__(
        self,
        scope: Construct,
        *,
        deployment: Deployment,
        site: Site,
        network: NetworkStack,
        archive: RecoveryArchiveStack,
    ) -> None:
        super().__init__(
            scope,
            deployment=deployment,
            site=site,
            purpose="data",
            about="Read replica, signing key and secrets of the second region",
        )
        self.key = archive.key
        self.buckets = archive.buckets
        # Redis starts empty, and nothing depends on it.
        self.cache: Cache | None = None
        self.audit_signing_key = audit_signing_replica(
            self,
            deployment=deployment,
            primary_arn=reference(deployment, *SIGNING_KEY_SECRET, field="arn"),
            removal=self.removal,
        )
        self.settings_secret = replicated_secret(
            self, "SettingsSecret", *SETTINGS_SECRET, deployment=deployment, key=self.key
        )
        self.database = Replica(
            self,
            "Database",
            deployment=deployment,
            site=site,
            network=network.network,
            key=self.key,
            removal=self.removal,
        )
