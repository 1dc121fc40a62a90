"""The role that the pipeline deploys with, and the image cache."""

from __future__ import annotations

from aws_cdk import aws_eks_v2 as eks
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.constructs.image_cache import ImageCache
from cdk.constructs.published import Published, reading
from cdk.stacks.cluster import ClusterStack
from cdk.stacks.regional import RegionalStack

ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
BOOTSTRAP_QUALIFIER = "hnb659fds"
BOOTSTRAP_ROLES = ("deploy", "file-publishing", "lookup")
DEPLOYERS = "user-api:deployers"
"""The Kubernetes group of the pipeline: k8s/ binds it to Rollouts and the other custom kinds,
which EKS's own policies do not know."""


class DeliveryStack(RegionalStack):
    """The role that the pipeline deploys with, and the image cache.

    Only jobs of the repository's GitHub environment of the same name get the role; who may run
    them there is GitHub's to guard (required reviewers). An account has one provider for an issuer,
    so that two environments with a repository need two accounts.

    Raises:
        ValueError: the deployment has no repository.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        deployment: Deployment,
        site: Site,
        cluster: ClusterStack,
    ) -> None:
        super().__init__(
            scope,
            deployment=deployment,
            site=site,
            purpose="delivery",
            about="The role that the pipeline deploys with, and the image cache",
        )
        if deployment.repository is None:
            raise ValueError("a delivery stack needs a repository")
        self.role = self._add_role(deployment.repository, cluster)
        self._give_access(cluster)
        cache = ImageCache(
            self,
            "ImageCache",
            deployment=deployment,
            repository=deployment.repository,
            node_role=cluster.node_role,
            removal=self.removal,
        )
        Published(
            self,
            "Published",
            deployment=deployment,
            values={"image-repository": cache.image_repository},
        )

    def _add_role(self, repository: str, cluster: ClusterStack) -> iam.Role:
        provider = iam.OidcProviderNative(
            self, "GitHub", url=f"https://{ISSUER}", client_ids=[AUDIENCE]
        )
        environment = self.deployment.environment.name
        role = iam.Role(
            self,
            "Role",
            role_name=self.deployment.name("deploy"),
            description=f"Deploys {environment} from {repository}",
            assumed_by=iam.WebIdentityPrincipal(
                provider.oidc_provider_arn,
                {
                    "StringEquals": {
                        f"{ISSUER}:aud": AUDIENCE,
                        f"{ISSUER}:sub": f"repo:{repository}:environment:{environment}",
                    }
                },
            ),
        )
        for statement in (*cluster.tunnel.statements(), *self._statements()):
            role.add_to_policy(statement)
        return role

    def _statements(self) -> list[iam.PolicyStatement]:
        sites = [self.deployment.primary, self.deployment.recovery]
        account = self.deployment.account
        roles = [
            f"arn:aws:iam::{account}:role/"
            f"cdk-{BOOTSTRAP_QUALIFIER}-{purpose}-role-{account}-{site.region}"
            for site in sites
            if site is not None
            for purpose in BOOTSTRAP_ROLES
        ]
        return [
            iam.PolicyStatement(actions=["sts:AssumeRole"], resources=roles),
            reading(self, self.deployment),
        ]

    def _give_access(self, cluster: ClusterStack) -> None:
        # What the group may do is k8s/namespace/teams.yaml; EKS' own edit policy reads Secrets too.
        eks.CfnAccessEntry(
            self,
            "Access",
            cluster_name=cluster.cluster.cluster_name,
            principal_arn=self.role.role_arn,
            kubernetes_groups=[DEPLOYERS],
        )
