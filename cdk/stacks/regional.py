"""What every stack has: its region, its name, its tags and its guard against deletion."""

from __future__ import annotations

from aws_cdk import Environment, RemovalPolicy, Stack, Tags
from constructs import Construct

from cdk.config.deployment import Deployment, Site


class RegionalStack(Stack):
    """One stack of a deployment in one of its regions, named `user-api-{env}-{part}{purpose}`."""

    def __init__(
        self, scope: Construct, *, deployment: Deployment, site: Site, purpose: str, about: str
    ) -> None:
        name = deployment.name(f"{site.part}{purpose}")
        super().__init__(
            scope,
            name,
            stack_name=name,
            description=about,
            env=Environment(account=deployment.account, region=site.region),
            termination_protection=deployment.environment.guarded,
        )
        self.deployment = deployment
        self.site = site
        Tags.of(self).add("application", "user-api")
        Tags.of(self).add("environment", deployment.environment.name)
        Tags.of(self).add("stack", name)

    @property
    def removal(self) -> RemovalPolicy:
        """What happens to data when its stack or its description goes."""
        return (
            RemovalPolicy.RETAIN if self.deployment.environment.guarded else RemovalPolicy.DESTROY
        )
