"""The core on Lambda behind its own load balancer."""

from __future__ import annotations

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.constructs.failover import AliasRecord
from cdk.constructs.front import Front
from cdk.constructs.lambda_api import LambdaApi
from cdk.constructs.lambda_package import lambda_package
from cdk.constructs.network import APPLICATION
from cdk.constructs.schedules import Schedules
from cdk.stacks.data import DataStack
from cdk.stacks.dr_data import RecoveryDataStack
from cdk.stacks.edge import EdgeStack
from cdk.stacks.network import NetworkStack
from cdk.stacks.regional import RegionalStack


class FallbackStack(RegionalStack):
    """The core on Lambda behind its own load balancer.

    In the first region it serves when EKS does not; in the second one it is all there is.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        deployment: Deployment,
        site: Site,
        network: NetworkStack,
        data: DataStack | RecoveryDataStack,
        edge: EdgeStack,
    ) -> None:
        super().__init__(
            scope,
            deployment=deployment,
            site=site,
            purpose="fallback",
            about="The core on Lambda behind its own load balancer",
        )
        front = Front(
            self,
            "Front",
            deployment=deployment,
            site=site,
            vpc=network.vpc,
            certificate=edge.certificate,
            web_acl_arn=edge.web_acl_arn,
            access_logs=data.buckets.logs,
        )
        self.load_balancer = front.load_balancer
        self.api = LambdaApi(
            self,
            "Api",
            deployment=deployment,
            site=site,
            vpc=network.vpc,
            subnets=ec2.SubnetSelection(subnet_group_name=APPLICATION),
            code=lambda_package(self, deployment),
            environment=self._environment(data, edge),
            logs_key=network.logs_key,
        )
        self.function = self.api.function
        self.alias = self.api.alias
        self.log_group = self.api.log_group
        front.forward_to(self.alias)
        self._connect(data)
        self._allow(data, edge)
        self.schedules = Schedules(
            self, "Schedules", deployment=deployment, site=site, alias=self.alias
        )
        if edge.names is not None:
            AliasRecord(
                self,
                "Name",
                names=edge.names,
                name=edge.names.of(site),
                target=self.load_balancer,
            )

    def _environment(self, data: DataStack | RecoveryDataStack, edge: EdgeStack) -> dict[str, str]:
        domain = self.deployment.domain
        found = {
            "ENVIRONMENT": self.deployment.environment.name,
            "LOG_LEVEL": self.deployment.environment.logs.level,
            "PUBLIC_URL": (
                f"https://{domain}"
                if domain
                else f"http://{self.load_balancer.load_balancer_dns_name}"
            ),
            "TRUSTED_PROXY_HOPS": "1",
            "DATABASE_POOL_SIZE": "1",
            "DATABASE_PRE_PING": "true",
            "DATABASE_HOST": data.database.host,
            "DATABASE_SECRET_ARN": data.database.secret.secret_arn,
            "SETTINGS_SECRET_ARN": data.settings_secret.secret_arn,
        }
        if data.cache is not None:
            found["CACHE_SECRET_ARN"] = data.cache.secret.secret_arn
        if edge.mail is not None:
            found["MAIL_URL"] = edge.mail.url
            found["MAIL_FROM"] = edge.mail.sender
            found["MAIL_EVENTS_QUEUE_URL"] = edge.mail.events_queue.queue_url
        else:
            # Without a domain nothing can be sent: mails go where only the invocation sees them.
            found["MAIL_URL"] = "directory:///tmp/mail"
        return found

    def _connect(self, data: DataStack | RecoveryDataStack) -> None:
        database = data.database
        self.api.connect_to("Database", database.security_group, database.port, "PostgreSQL")
        if data.cache is not None:
            self.api.connect_to("Cache", data.cache.security_group, 6379, "Redis")

    def _allow(self, data: DataStack | RecoveryDataStack, edge: EdgeStack) -> None:
        secrets = [data.settings_secret, data.database.secret]
        if data.cache is not None:
            secrets.append(data.cache.secret)
        allow = self.api.allow
        # `grant_read` would write this role into the policy of the key, whose stack comes first.
        allow(
            ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
            # A replica is known by its name; AWS ends its ARN with six letters.
            [secret.secret_full_arn or f"{secret.secret_arn}-??????" for secret in secrets],
        )
        allow(["kms:Decrypt", "kms:GenerateDataKey"], [data.key.key_arn])
        allow(["kms:Sign", "kms:GetPublicKey"], [data.audit_signing_key.key_arn])
        allow(
            ["s3:PutObject", "s3:PutObjectRetention"],
            [data.buckets.seals.arn_for_objects("*"), data.buckets.ledger.arn_for_objects("*")],
        )
        if edge.mail is not None:
            edge.mail.grant_send(self.api.role)
            edge.mail.grant_read_events(self.api.role)
