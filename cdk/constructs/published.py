"""What `k8s/` and the scripts read of a deployment: SSM parameters, so that nobody copies."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from cdk.config.deployment import Deployment

PARAMETERS: Mapping[str, str] = {
    "application-log-group": "Log group of what pods write",
    "cache-host": "Endpoint of Redis",
    "cache-secret-arn": "Secret of Redis",
    "certificate-arn": "Certificate of the public names, for the load balancer",
    "cluster-host": "Name of the EKS load balancer alone, which the health check asks",
    "cluster-name": "The EKS cluster",
    "database-host": "What the API and the worker connect to",
    "database-owner-secret-arn": "Secret of the tables' owner, for migrations",
    "database-port": "Its TCP port",
    "database-secret-arn": "Secret of the application's login",
    "domain": "The public name",
    "failover-host": "Name that EKS and Lambda share, of which EKS is first",
    "health-check-id": "Health check of the EKS load balancer's record",
    "hosted-zone-id": "Zone of every record",
    "image-repository": "Where nodes pull the image from, without tag or digest",
    "ledger-bucket": "Bucket of the erasure ledger",
    "log-level": "LOG_LEVEL of the environment",
    "mail-from": "MAIL_FROM, the sender of mails",
    "mail-events-queue-url": "Queue of bounces and complaints",
    "mail-url": "MAIL_URL of the SES identity",
    "public-url": "PUBLIC_URL, of which links in mails are made",
    "region": "The region of all of this",
    "seals-bucket": "Bucket of the audit seals",
    "settings-secret-arn": "Secret of the settings",
    "signing-key-arn": "KMS key that signs audit seals",
    "subnet-ids": "Public subnets, comma between, for the load balancer",
    "tunnel-document": "Session document that leads to the cluster's API",
    "volume-key-arn": "KMS key of the storage class",
    "vpc-id": "The VPC",
    "web-acl-arn": "Web ACL for the load balancer",
}
"""Name below `deployment.path("k8s")` -> meaning. Without a domain those that need one are absent,
without a repository `image-repository` is."""


def reading(stack: Stack, deployment: Deployment) -> iam.PolicyStatement:
    """Lets somebody read all of them, one by one and as scripts/k8s_parameters.py does."""
    below = f"arn:aws:ssm:{stack.region}:{stack.account}:parameter{deployment.path('k8s')}"
    return iam.PolicyStatement(
        actions=["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"],
        resources=[below, f"{below}/*"],
    )


class Published(Construct):
    """One parameter for each value that there is.

    Raises:
        KeyError: a value has a name that is not in `PARAMETERS`.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        values: Mapping[str, str | None],
    ) -> None:
        super().__init__(scope, id_)
        for name, value in values.items():
            meaning = PARAMETERS[name]
            if value is not None:
                ssm.StringParameter(
                    self,
                    name,
                    parameter_name=deployment.path("k8s", name),
                    description=meaning,
                    string_value=value,
                )
