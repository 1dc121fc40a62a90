"""Database, cache, secrets, keys and buckets."""

from __future__ import annotations

from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.constructs.buckets import Buckets
from cdk.constructs.keys import audit_signing_key, data_key
from cdk.constructs.postgres import Database
from cdk.constructs.redis import Cache
from cdk.constructs.rotation import LoginRotation
from cdk.constructs.secrets import Secrets
from cdk.stacks.network import NetworkStack
from cdk.stacks.regional import RegionalStack

SETTINGS_SECRET = ("settings",)
SIGNING_KEY_SECRET = ("audit-signing-key",)


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
        self.key = data_key(self, deployment=deployment, removal=self.removal)
        self.audit_signing_key = audit_signing_key(
            self, deployment=deployment, removal=self.removal
        )
        secrets = Secrets(self, deployment=deployment, key=self.key, removal=self.removal)
        self.settings_secret = secrets.generated(
            "SettingsSecret",
            *SETTINGS_SECRET,
            about="Settings of the application that are secret, by name",
            # 64 letters and digits are base64 of 48 bytes.
            field="SECRET_KEY",
        )
        self.database = Database(
            self,
            "Database",
            deployment=deployment,
            site=site,
            network=network.network,
            key=self.key,
            secrets=secrets,
            removal=self.removal,
        )
        self.rotation = LoginRotation(
            self,
            "LoginRotation",
            deployment=deployment,
            network=network.network,
            database=self.database,
        )
        self.cache: Cache | None = Cache(
            self,
            "Cache",
            deployment=deployment,
            network=network.network,
            key=self.key,
            secrets=secrets,
            removal=self.removal,
        )
        self.buckets = Buckets(
            self,
            "Buckets",
            deployment=deployment,
            site=site,
            key=self.key,
            removal=self.removal,
            replicate=True,
        )
        if deployment.recovery is not None:
            # The id of a key is no fixed name. A replicated secret is the one thing that carries
            # a value to the other region's templates without a function of ours.
            secrets.composed(
                "SigningKeySecret",
                *SIGNING_KEY_SECRET,
                about="ARN of the audit signing key, for its replica in the recovery region",
                fields={"arn": self.audit_signing_key.key_arn},
            )
