"""Images of GitHub's registry, kept by ECR where the nodes are."""

from __future__ import annotations

import json

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk.config.deployment import Deployment

UPSTREAM = "ghcr.io"
KEPT_IMAGES = 50


class ImageCache(Construct):
    """A pull-through cache: nodes pull by their role, and scale when GitHub does not answer.

    No pull secret lies in the cluster. The token with which ECR reads the package is put in by its
    owner (docs/infrastructure.md); until then its place holds a random one, with which an image
    cannot be pulled. `image_repository` is the image's name without tag or digest.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        repository: str,
        node_role: iam.Role,
        removal: RemovalPolicy,
    ) -> None:
        super().__init__(scope, id_)
        stack = Stack.of(self)
        prefix = deployment.name()
        self.image_repository = (
            f"{deployment.account}.dkr.ecr.{stack.region}.amazonaws.com/"
            f"{prefix}/{repository.lower()}"
        )
        credential = self._credential(deployment, repository.split("/", maxsplit=1)[0], removal)
        template = self._repository_template(prefix)
        rule = ecr.CfnPullThroughCacheRule(
            self,
            "Rule",
            ecr_repository_prefix=prefix,
            upstream_registry="github-container-registry",
            upstream_registry_url=UPSTREAM,
            credential_arn=credential.secret_arn,
        )
        rule.node.add_dependency(template)
        node_role.attach_inline_policy(
            iam.Policy(self, "Fill", statements=[self._fill_statement(prefix)])
        )

    def _credential(
        self, deployment: Deployment, owner: str, removal: RemovalPolicy
    ) -> secretsmanager.Secret:
        return secretsmanager.Secret(
            self,
            "Credential",
            secret_name=f"ecr-pullthroughcache/{deployment.name('github')}",
            description="A user name and a token of GitHub that reads the package of the image",
            # ECR reads it by its service role, which the key of AWS admits and ours would not know.
            encryption_key=kms.Alias.from_alias_name(self, "Key", "alias/aws/secretsmanager"),
            generate_secret_string=secretsmanager.SecretStringGenerator(
                secret_string_template=json.dumps({"username": owner}),
                generate_string_key="accessToken",
                exclude_punctuation=True,
            ),
            removal_policy=removal,
        )

    def _repository_template(self, prefix: str) -> ecr.CfnRepositoryCreationTemplate:
        keep = {
            "rulePriority": 1,
            "description": f"the last {KEPT_IMAGES} images; an older one is fetched again",
            "selection": {
                "tagStatus": "any",
                "countType": "imageCountMoreThan",
                "countNumber": KEPT_IMAGES,
            },
            "action": {"type": "expire"},
        }
        return ecr.CfnRepositoryCreationTemplate(
            self,
            "Repositories",
            prefix=prefix,
            applied_for=["PULL_THROUGH_CACHE"],
            description="Repositories that the cache makes",
            encryption_configuration=ecr.CfnRepositoryCreationTemplate.EncryptionConfigurationProperty(
                encryption_type="AES256"
            ),
            image_tag_mutability="MUTABLE",
            lifecycle_policy=json.dumps({"rules": [keep]}),
        )

    def _fill_statement(self, prefix: str) -> iam.PolicyStatement:
        """The first pull of an image makes its repository and fetches it."""
        return iam.PolicyStatement(
            actions=["ecr:BatchImportUpstreamImage", "ecr:CreateRepository"],
            resources=[
                Stack.of(self).format_arn(
                    service="ecr", resource="repository", resource_name=f"{prefix}/*"
                )
            ],
        )
