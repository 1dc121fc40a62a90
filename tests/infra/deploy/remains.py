"""Destroying an environment: what is refused, what goes, and what stays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cdk.config.deployment import Deployment, Site
from tests.infra.deploy import networks
from tests.infra.deploy.account import Account
from tests.infra.deploy.databases import instance
from tests.infra.deploy.toolkit import Toolkit

Template = Mapping[str, Any]
_SECONDS = 150.0


def destroy(
    toolkit: Toolkit,
    account: Account,
    deployment: Deployment,
    assembly: Path,
    templates: Mapping[str, Template],
) -> None:
    """Destroys it as docs/infrastructure.md says, and compares what is left with the templates."""
    arguments = ("destroy", "--app", str(assembly), "--all", "--force", "--concurrency", "4")
    regions = [site.region for site in _sites(deployment)]
    before = {region: _stacks(account, deployment, region) for region in regions}
    kept = _kept(account, templates, before)
    if deployment.environment.guarded:
        refusal = toolkit.run(*arguments, seconds=_SECONDS, fails=True)
        assert "TerminationProtection" in refusal, refusal[-2000:]
        after = {region: _stacks(account, deployment, region) for region in regions}
        assert after == before, "a protected stack has gone"
        _unprotect(account, deployment, before)
    else:
        _empty_buckets(account, deployment.primary.region, deployment.name())
    toolkit.run(*arguments, seconds=_SECONDS)
    for site in _sites(deployment):
        left = _stacks(account, deployment, site.region)
        assert not left, f"left: {left}"
        assert not networks.vpcs(account, deployment, site), "the VPC is left"
        _check_kept(account, deployment, site, kept)


def _sites(deployment: Deployment) -> list[Site]:
    return [site for site in (deployment.primary, deployment.recovery) if site is not None]


def _stacks(account: Account, deployment: Deployment, region: str) -> list[str]:
    found = account.listed("cloudformation", region, "describe_stacks", "Stacks")
    return sorted(
        each["StackName"] for each in found if each["StackName"].startswith(f"{deployment.name()}-")
    )


def _kept(
    account: Account, templates: Mapping[str, Template], stacks: Mapping[str, list[str]]
) -> set[tuple[str, str, str]]:
    """Region, type and physical id of what the templates retain."""
    found = set()
    for region, names in stacks.items():
        for name in names:
            listed = account.listed(
                "cloudformation",
                region,
                "list_stack_resources",
                "StackResourceSummaries",
                StackName=name,
            )
            for each in listed:
                resource = templates[name]["Resources"][each["LogicalResourceId"]]
                if resource.get("DeletionPolicy") == "Retain":
                    found.add((region, each["ResourceType"], each["PhysicalResourceId"]))
    return found


def _unprotect(account: Account, deployment: Deployment, stacks: Mapping[str, list[str]]) -> None:
    for region, names in stacks.items():
        cloudformation = account.client("cloudformation", region)
        for name in names:
            cloudformation.update_termination_protection(
                StackName=name, EnableTerminationProtection=False
            )
    found = instance(account, deployment, deployment.primary)
    account.client("rds", deployment.primary.region).modify_db_instance(
        DBInstanceIdentifier=found["DBInstanceIdentifier"],
        DeletionProtection=False,
        ApplyImmediately=True,
    )


def _empty_buckets(account: Account, region: str, start: str) -> None:
    """S3 deletes no bucket that holds something, and access logs are written to one of ours."""
    s3 = account.client("s3", region)
    ours = [each["Name"] for each in s3.list_buckets()["Buckets"] if each["Name"].startswith(start)]
    for name in ours:
        s3.put_bucket_logging(Bucket=name, BucketLoggingStatus={})
    for name in ours:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
            for each in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]:
                s3.delete_object(Bucket=name, Key=each["Key"], VersionId=each["VersionId"])


def _check_kept(
    account: Account, deployment: Deployment, site: Site, kept: set[tuple[str, str, str]]
) -> None:
    left = {
        "AWS::RDS::DBInstance": {
            each["DBInstanceIdentifier"]
            for each in account.listed("rds", site.region, "describe_db_instances", "DBInstances")
        },
        "AWS::S3::Bucket": {
            each["Name"]
            for each in account.client("s3", site.region).list_buckets()["Buckets"]
            if each["Name"].endswith(site.region)
        },
        "AWS::SecretsManager::Secret": {
            each["ARN"]
            for each in account.listed("secretsmanager", site.region, "list_secrets", "SecretList")
            if each.get("PrimaryRegion", site.region) == site.region
        },
        "AWS::Logs::LogGroup": {
            each["logGroupName"]
            for each in account.listed("logs", site.region, "describe_log_groups", "logGroups")
        },
        "AWS::Lambda::Function": {
            each["FunctionName"]
            for each in account.listed("lambda", site.region, "list_functions", "Functions")
        },
        "AWS::IAM::Role": {
            each["RoleName"] for each in account.listed("iam", site.region, "list_roles", "Roles")
        },
        "AWS::CloudWatch::Alarm": {
            each["AlarmName"]
            for each in account.listed("cloudwatch", site.region, "describe_alarms", "MetricAlarms")
        },
        "AWS::ElasticLoadBalancingV2::LoadBalancer": {
            each["LoadBalancerArn"]
            for each in account.listed(
                "elbv2", site.region, "describe_load_balancers", "LoadBalancers"
            )
        },
        "AWS::EKS::Cluster": set(account.client("eks", site.region).list_clusters()["clusters"]),
    }
    marks = (deployment.name(), f"user-api/{deployment.environment.name}/")
    for kind, names in left.items():
        ours = {name for name in names if any(mark in name for mark in marks)}
        wanted = {name for region, type_, name in kept if (region, type_) == (site.region, kind)}
        assert ours == wanted, f"{kind}: left {sorted(ours - wanted)}, gone {sorted(wanted - ours)}"
    _check_last_snapshot(account, deployment, site)


def _check_last_snapshot(account: Account, deployment: Deployment, site: Site) -> None:
    if site.part:
        return
    snapshots = account.listed("rds", site.region, "describe_db_snapshots", "DBSnapshots")
    mine = {
        each["DBInstanceIdentifier"] for each in snapshots if each["SnapshotType"] == "manual"
    } & {deployment.name("database")}
    assert bool(mine) == deployment.environment.guarded, f"snapshots of {sorted(mine)}"
