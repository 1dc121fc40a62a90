"""Vaults and plans of AWS Backup."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_backup as backup
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.config.deployment import Deployment, Site


def vault_name(deployment: Deployment, site: Site) -> str:
    return deployment.name(f"{site.part}backup")


def vault_arn(deployment: Deployment, site: Site) -> str:
    """Known in the other region before the vault is there."""
    name = vault_name(deployment, site)
    return f"arn:aws:backup:{site.region}:{deployment.account}:backup-vault:{name}"


class Vault(Construct):
    """An encrypted vault. Where the environment is guarded, nobody shortens what it keeps.

    The lock is AWS Backup's governance mode: it can be taken off with a permission that no role
    of this deployment has. Compliance mode could never be taken off, not even by AWS.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        site: Site,
        key: kms.IKey,
        removal: RemovalPolicy,
    ) -> None:
        super().__init__(scope, id_)
        environment = deployment.environment
        lock = backup.LockConfiguration(
            min_retention=Duration.days(environment.database.backup_days)
        )
        self.vault = backup.BackupVault(
            self,
            "Vault",
            backup_vault_name=vault_name(deployment, site),
            encryption_key=key,
            block_recovery_point_deletion=environment.guarded,
            lock_configuration=lock if environment.guarded else None,
            removal_policy=removal,
        )


class Plan(Construct):
    """One daily rule for `resources`, kept `days`, with a copy in another vault.

    `continuous` is point-in-time recovery by AWS Backup, which only buckets get here: for a
    database it would take over the instance's own backup settings, which this deployment states.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        vault: Vault,
        copy_to: str | None,
        days: int,
        hour: int,
        continuous: bool,
        role: iam.Role,
        resources: Sequence[str],
    ) -> None:
        super().__init__(scope, id_)
        copies = []
        if copy_to is not None:
            destination = backup.BackupVault.from_backup_vault_arn(self, "Copies", copy_to)
            copies.append(
                backup.BackupPlanCopyActionProps(
                    destination_backup_vault=destination, delete_after=Duration.days(days)
                )
            )
        plan = backup.BackupPlan(
            self,
            "Plan",
            backup_plan_name=name,
            backup_vault=vault.vault,
            backup_plan_rules=[
                backup.BackupPlanRule(
                    rule_name="daily",
                    schedule_expression=events.Schedule.cron(hour=str(hour), minute="0"),
                    start_window=Duration.hours(1),
                    completion_window=Duration.hours(6),
                    delete_after=Duration.days(days),
                    enable_continuous_backup=continuous,
                    copy_actions=copies,
                )
            ],
        )
        backup.BackupSelection(
            self,
            "Selection",
            backup_plan=plan,
            backup_selection_name=name,
            disable_default_backup_policy=True,
            role=role,
            resources=[backup.BackupResource.from_arn(arn) for arn in resources],
        )
