"""EKS cluster, its nodes, add-ons and the rights of its workloads."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_eks_v2 as eks
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.constructs.cluster import KubernetesCluster
from cdk.constructs.network import PUBLIC
from cdk.constructs.published import Published, reading
from cdk.constructs.tunnel import Tunnel
from cdk.constructs.workloads import Workloads
from cdk.stacks.data import DataStack
from cdk.stacks.edge import EdgeStack
from cdk.stacks.network import NetworkStack
from cdk.stacks.regional import RegionalStack

CACHE_PORT = 6379


class ClusterStack(RegionalStack):
    """EKS cluster, its nodes, add-ons and the rights of its workloads.

    `platform_role` is the cluster's administrator, for people of the account who may assume it:
    scripts/platform.sh needs it, and nothing that runs by itself has it.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        deployment: Deployment,
        site: Site,
        network: NetworkStack,
        data: DataStack,
        edge: EdgeStack,
    ) -> None:
        super().__init__(
            scope,
            deployment=deployment,
            site=site,
            purpose="cluster",
            about="EKS cluster, its nodes, add-ons and the rights of its workloads",
        )
        self.kubernetes = KubernetesCluster(
            self,
            "Kubernetes",
            deployment=deployment,
            vpc=network.vpc,
            logs_key=network.logs_key,
            removal=self.removal,
        )
        self.cluster: eks.Cluster = self.kubernetes.cluster
        self.cluster_security_group: ec2.ISecurityGroup = self.cluster.cluster_security_group
        self.application_logs = self.kubernetes.application_logs
        self.node_role: iam.Role = self.kubernetes.nodes.role
        self.tunnel = Tunnel(
            self, "Tunnel", name=deployment.name("kubernetes-api"), cluster=self.cluster
        )
        self.platform_role = self._add_platform_role()
        self._let_in("Database", data.database.security_group, data.database.port)
        # The proxy knows the application's login only, and migrations run as the owner.
        self._let_in("Instance", data.database.instance_security_group, data.database.port)
        if data.cache is not None:
            self._let_in("Cache", data.cache.security_group, CACHE_PORT)
        self._add_workloads(network, data, edge)
        Published(
            self, "Published", deployment=deployment, values=self._published(network, data, edge)
        )

    def _add_platform_role(self) -> iam.Role:
        role = iam.Role(
            self,
            "PlatformRole",
            role_name=self.deployment.name("platform"),
            description="Administers the cluster; assumed by people whose own rights say so",
            assumed_by=iam.AccountPrincipal(self.deployment.account),
            max_session_duration=Duration.hours(1),
        )
        for statement in self.tunnel.statements():
            role.add_to_policy(statement)
        role.add_to_policy(reading(self, self.deployment))
        eks.CfnAccessEntry(
            self,
            "PlatformAccess",
            cluster_name=self.cluster.cluster_name,
            principal_arn=role.role_arn,
            access_policies=[
                eks.CfnAccessEntry.AccessPolicyProperty(
                    policy_arn="arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
                    access_scope=eks.CfnAccessEntry.AccessScopeProperty(type="cluster"),
                )
            ],
        )
        return role

    def _add_workloads(self, network: NetworkStack, data: DataStack, edge: EdgeStack) -> None:
        workloads = Workloads(
            self,
            "Workloads",
            environment=self.deployment.environment.name,
            kubernetes=self.kubernetes,
        )
        secrets = [data.settings_secret, data.database.secret]
        if data.cache is not None:
            secrets.append(data.cache.secret)
        workloads.add_application(
            secrets=secrets,
            owner_secret=data.database.owner_secret,
            seals=data.buckets.seals,
            ledger=data.buckets.ledger,
            key=data.key,
            signing_key=data.audit_signing_key,
            mail=edge.mail,
        )
        workloads.add_edge(
            vpc=network.vpc,
            web_acl_arn=edge.web_acl_arn,
            certificate=edge.certificate,
            names=edge.names,
        )

    def _let_in(self, id_: str, group: ec2.ISecurityGroup, port: int) -> None:
        """The rule stands here, so that the data stack needs to know nothing of the cluster."""
        ec2.CfnSecurityGroupIngress(
            self,
            f"{id_}FromNodes",
            group_id=group.security_group_id,
            source_security_group_id=self.cluster.cluster_security_group_id,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            description="Pods and nodes of the cluster",
        )

    def _published(
        self, network: NetworkStack, data: DataStack, edge: EdgeStack
    ) -> dict[str, str | None]:
        public = network.vpc.select_subnets(subnet_group_name=PUBLIC)
        values: dict[str, str | None] = {
            "application-log-group": self.application_logs.log_group_name,
            "cluster-name": self.cluster.cluster_name,
            "database-host": data.database.host,
            "database-owner-secret-arn": data.database.owner_secret.secret_arn,
            "database-port": str(data.database.port),
            "database-secret-arn": data.database.secret.secret_arn,
            "ledger-bucket": data.buckets.ledger.bucket_name,
            "log-level": self.deployment.environment.logs.level,
            "region": self.site.region,
            "seals-bucket": data.buckets.seals.bucket_name,
            "settings-secret-arn": data.settings_secret.secret_arn,
            "signing-key-arn": data.audit_signing_key.key_arn,
            "subnet-ids": ",".join(public.subnet_ids),
            "tunnel-document": self.tunnel.name,
            "volume-key-arn": self.kubernetes.key.key_arn,
            "vpc-id": network.vpc.vpc_id,
            "web-acl-arn": edge.web_acl_arn,
        }
        if data.cache is not None:
            values["cache-host"] = data.cache.endpoint
            values["cache-secret-arn"] = data.cache.secret.secret_arn
        if edge.names is not None:
            values |= {
                "cluster-host": edge.names.cluster,
                "domain": edge.names.public,
                "failover-host": edge.names.pair,
                "health-check-id": edge.health_check_id,
                "hosted-zone-id": edge.names.zone,
                "public-url": f"https://{edge.names.public}",
            }
        if edge.certificate is not None:
            values["certificate-arn"] = edge.certificate.certificate_arn
        if edge.mail is not None:
            values |= {
                "mail-from": edge.mail.sender,
                "mail-events-queue-url": edge.mail.events_queue.queue_url,
                "mail-url": edge.mail.url,
            }
        return values
