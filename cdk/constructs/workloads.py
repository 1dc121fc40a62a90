"""The rights of everything that runs in the cluster."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk.constructs.cluster import KubernetesCluster
from cdk.constructs.failover import PublicNames
from cdk.constructs.load_balancer_rights import load_balancer_statements
from cdk.constructs.mail_identity import MailIdentity
from cdk.constructs.workload_rights import (
    API,
    AUTOSCALER,
    EXTERNAL_DNS,
    EXTERNAL_SECRETS,
    LOAD_BALANCERS,
    LOG_COLLECTOR,
    MIGRATION,
    ROLLOUTS,
    WORKER,
    ServiceAccount,
    WorkloadRole,
    autoscaler_statements,
    record_statements,
    rollout_statements,
)


class Workloads(Construct):
    """One role a service account; `environment` is the namespace of the application's own."""

    def __init__(
        self, scope: Construct, id_: str, *, environment: str, kubernetes: KubernetesCluster
    ) -> None:
        super().__init__(scope, id_)
        self._environment = environment
        self._kubernetes = kubernetes
        self._cluster = kubernetes.cluster
        stack = Stack.of(self)
        self._role(AUTOSCALER, autoscaler_statements(stack, name=kubernetes.name))
        self._role(ROLLOUTS, rollout_statements())
        kubernetes.application_logs.grant_write(self._role(LOG_COLLECTOR))

    def add_application(
        self,
        *,
        secrets: list[secretsmanager.ISecret],
        owner_secret: secretsmanager.ISecret,
        seals: s3.IBucket,
        ledger: s3.IBucket,
        key: kms.IKey,
        signing_key: kms.IKey,
        mail: MailIdentity | None,
    ) -> None:
        """The API and the worker read `secrets` themselves: a rotated one waits for no restart.

        `key` encrypts them and the buckets. The API writes an erasure to the ledger before it
        acknowledges it; the worker seals and sends. The migrations' login is read by their job
        alone; External Secrets hands out the application's `secrets`.
        """
        readable = _read(secrets, key)
        remember = _allow(["s3:PutObject"], [ledger.arn_for_objects("*")])
        usable = _allow(["kms:GenerateDataKey"], [key.key_arn])
        self._role(API, [*readable, remember, usable])
        buckets = (seals, ledger)
        worker = self._role(
            WORKER,
            [
                *readable,
                usable,
                _allow(["s3:ListBucket"], [bucket.bucket_arn for bucket in buckets]),
                _allow(
                    ["s3:GetObject", "s3:PutObject"],
                    [bucket.arn_for_objects("*") for bucket in buckets],
                ),
                _allow(["kms:Sign", "kms:GetPublicKey"], [signing_key.key_arn]),
            ],
        )
        if mail is not None:
            mail.grant_send(worker)
            mail.grant_read_events(worker)
        self._role(MIGRATION, _read([owner_secret], key))
        self._role(EXTERNAL_SECRETS, _read(secrets, key))

    def add_edge(
        self,
        *,
        vpc: ec2.IVpc,
        web_acl_arn: str,
        certificate: acm.ICertificate | None,
        names: PublicNames | None,
    ) -> None:
        """Load balancers with the web ACL and the certificate, and the names that lead there."""
        self._role(
            LOAD_BALANCERS,
            load_balancer_statements(
                Stack.of(self),
                cluster=self._kubernetes.name,
                vpc_arn=vpc.vpc_arn,
                node_group=self._cluster.cluster_security_group_id,
                web_acl_arn=web_acl_arn,
                certificate_arn=None if certificate is None else certificate.certificate_arn,
            ),
        )
        if names is not None:
            wanted = list(dict.fromkeys((names.pair, names.cluster)))
            self._role(EXTERNAL_DNS, record_statements(zone=names.zone, names=wanted))

    def _role(
        self, account: ServiceAccount, statements: list[iam.PolicyStatement] | None = None
    ) -> iam.Role:
        return WorkloadRole(
            self,
            account.name,
            cluster=self._cluster,
            environment=self._environment,
            account=account,
            statements=statements or [],
        ).role


def _read(secrets: list[secretsmanager.ISecret], key: kms.IKey) -> list[iam.PolicyStatement]:
    """Written out: a grant would name the role in the key's policy, which lies in another stack."""
    return [
        _allow(
            ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"],
            [secret.secret_arn for secret in secrets],
        ),
        _allow(["kms:Decrypt"], [key.key_arn]),
    ]


def _allow(actions: list[str], resources: list[str]) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=actions, resources=resources)
