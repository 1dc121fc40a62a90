"""KMS keys: for data and for logs a regional one each, for audit seals a pair that signs."""

from __future__ import annotations

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.config.deployment import Deployment, Site


def data_key_alias(deployment: Deployment) -> str:
    """The same in each region, where it names another key: ciphertext does not cross regions."""
    return f"alias/{deployment.name('data')}"


def data_key(scope: Construct, *, deployment: Deployment, removal: RemovalPolicy) -> kms.Key:
    """Encrypts the database, the cache, the secrets and the buckets of one region."""
    return kms.Key(
        scope,
        "DataKey",
        alias=data_key_alias(deployment),
        description="Database, cache, secrets and buckets",
        enable_key_rotation=True,
        removal_policy=removal,
    )


def logs_key(
    scope: Construct, *, deployment: Deployment, site: Site, removal: RemovalPolicy
) -> kms.Key:
    """Encrypts the log groups of one region; CloudWatch may use it for those of this account."""
    key = kms.Key(
        scope,
        "LogsKey",
        alias=f"alias/{deployment.name('logs')}",
        description="Log groups",
        enable_key_rotation=True,
        removal_policy=removal,
    )
    stack = Stack.of(scope)
    groups = stack.format_arn(service="logs", resource="log-group:*", account=deployment.account)
    key.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal(f"logs.{site.region}.amazonaws.com")],
            actions=[
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:Encrypt",
                "kms:GenerateDataKey*",
                "kms:ReEncrypt*",
            ],
            # In a key's policy this is the key itself.
            resources=["*"],
            conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
        )
    )
    return key


def audit_signing_alias(deployment: Deployment) -> str:
    return f"alias/{deployment.name('audit-signing')}"


def audit_signing_key(
    scope: Construct, *, deployment: Deployment, removal: RemovalPolicy
) -> kms.Key:
    """Signs audit seals with ECDSA over P-256: the private key never leaves KMS.

    With a recovery region it is the primary of a multi-Region key, so that one public key verifies
    the seals of both.
    """
    return kms.Key(
        scope,
        "AuditSigningKey",
        alias=audit_signing_alias(deployment),
        description="Signatures of audit seals",
        key_spec=kms.KeySpec.ECC_NIST_P256,
        key_usage=kms.KeyUsage.SIGN_VERIFY,
        multi_region=deployment.recovery is not None,
        removal_policy=removal,
    )


def audit_signing_replica(
    scope: Construct, *, deployment: Deployment, primary_arn: str, removal: RemovalPolicy
) -> kms.IKey:
    """The same key pair in the recovery region."""
    replica = kms.CfnReplicaKey(
        scope,
        "AuditSigningReplica",
        description="Signatures of audit seals",
        primary_key_arn=primary_arn,
        key_policy=iam.PolicyDocument(
            statements=[
                iam.PolicyStatement(
                    principals=[iam.AccountRootPrincipal()], actions=["kms:*"], resources=["*"]
                )
            ]
        ),
    )
    replica.apply_removal_policy(removal)
    kms.CfnAlias(
        scope,
        "AuditSigningAlias",
        alias_name=audit_signing_alias(deployment),
        target_key_id=replica.ref,
    )
    return kms.Key.from_key_arn(scope, "AuditSigningKey", replica.attr_arn)
