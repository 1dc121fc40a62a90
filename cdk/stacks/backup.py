"""AWS Backup: the plans and their vault, and the vault of copies in the second region."""

from __future__ import annotations

from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.constructs.backup_role import BackupRole
from cdk.constructs.backups import Plan, Vault, vault_arn
from cdk.stacks.data import DataStack
from cdk.stacks.dr_data import RecoveryDataStack
from cdk.stacks.regional import RegionalStack

DATABASE_HOUR = 6
"""UTC. AWS Backup starts no job within an hour before, or in, the windows of the instance's own
backups and maintenance; the instance's own snapshot is the one of 03:00."""
OBJECTS_HOUR = 3


class BackupStack(RegionalStack):
    """Daily snapshots of the database, and point-in-time recovery of the buckets.

    Point-in-time recovery of the database is the instance's own.
    """

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
        recovery = deployment.recovery
        copies = None if recovery is None else vault_arn(deployment, recovery)
        vault = Vault(
            self, "Vault", deployment=deployment, site=site, key=data.key, removal=self.removal
        )
        database_arn = data.database.instance.instance_arn
        buckets = [data.buckets.assets, data.buckets.seals, data.buckets.ledger]
        vaults = [vault_arn(deployment, site)] + ([] if copies is None else [copies])
        role = BackupRole(
            self,
            "BackupRole",
            deployment=deployment,
            database_arn=database_arn,
            buckets=buckets,
            key=data.key,
            vaults=vaults,
        ).role
        for name, hour, continuous, resources in (
            ("database", DATABASE_HOUR, False, [database_arn]),
            ("objects", OBJECTS_HOUR, True, [bucket.bucket_arn for bucket in buckets]),
        ):
            Plan(
                self,
                name,
                name=deployment.name(name),
                vault=vault,
                copy_to=copies,
                days=deployment.environment.database.backup_days,
                hour=hour,
                continuous=continuous,
                role=role,
                resources=resources,
            )


class RecoveryBackupStack(RegionalStack):
    """The second region's vault, which holds a copy of every backup of the first."""

    def __init__(
        self,
        scope: Construct,
        *,
        deployment: Deployment,
        site: Site,
        data: RecoveryDataStack,
    ) -> None:
        super().__init__(
            scope,
            deployment=deployment,
            site=site,
            purpose="backup",
            about="Vault of the copies of the first region's backups",
        )
        Vault(self, "Vault", deployment=deployment, site=site, key=data.key, removal=self.removal)
