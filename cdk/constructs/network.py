"""The VPC: three tiers in three zones, and what may pass between them."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.constructs.access import AccessLists
from cdk.constructs.keys import logs_key
from cdk.constructs.retention import retention

PUBLIC, APPLICATION, DATA = "public", "application", "data"
"""Names of the subnet groups, and the tag `aws-cdk:subnet-name` of each subnet."""

_PREFIX = {"application": 3, "public": 6, "data": 6}
"""Bits that a subnet's prefix has more than the VPC's: of a /16, /19 (8,187 addresses, for each
pod takes one) and /22."""


class Network(Construct):
    """VPC, subnets, network ACLs, flow logs and endpoints of one site."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        site: Site,
        removal: RemovalPolicy,
    ) -> None:
        super().__init__(scope, id_)
        self.logs_key = logs_key(self, deployment=deployment, site=site, removal=removal)
        self.flow_logs = logs.LogGroup(
            self,
            "FlowLogs",
            log_group_name=deployment.path(f"{site.part}flow-logs"),
            encryption_key=self.logs_key,
            retention=retention(deployment),
            removal_policy=removal,
        )
        self.vpc = self._vpc(deployment, site)
        AccessLists(self, "AccessLists", vpc=self.vpc, cidr=site.network.cidr)
        self.endpoints_security_group = self._endpoints_group()
        self._endpoints(site)

    def _vpc(self, deployment: Deployment, site: Site) -> ec2.Vpc:
        network = site.network
        bits = int(network.cidr.rsplit("/", 1)[1])
        kinds = {
            APPLICATION: ec2.SubnetType.PRIVATE_WITH_EGRESS,
            PUBLIC: ec2.SubnetType.PUBLIC,
            DATA: ec2.SubnetType.PRIVATE_ISOLATED,
        }
        return ec2.Vpc(
            self,
            "Vpc",
            vpc_name=deployment.name(f"{site.part}vpc"),
            ip_addresses=ec2.IpAddresses.cidr(network.cidr),
            availability_zones=list(network.availability_zones),
            nat_gateways=network.nat_gateways,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name=name,
                    subnet_type=kind,
                    cidr_mask=bits + _PREFIX[name],
                    # Load balancers and NAT gateways bring the addresses that they need.
                    map_public_ip_on_launch=False if name == PUBLIC else None,
                )
                for name, kind in kinds.items()
            ],
            # Emptying it takes a custom resource with a function; nothing here is ever in it.
            restrict_default_security_group=False,
            gateway_endpoints={
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)
            },
            flow_logs={
                "All": ec2.FlowLogOptions(
                    destination=ec2.FlowLogDestination.to_cloud_watch_logs(self.flow_logs),
                    traffic_type=ec2.FlowLogTrafficType.ALL,
                )
            },
        )

    def _endpoints_group(self) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(
            self,
            "EndpointsSecurityGroup",
            vpc=self.vpc,
            description="Endpoints of AWS services, for the application subnets",
            allow_all_outbound=False,
        )
        for subnet in subnets(self.vpc, APPLICATION):
            group.add_ingress_rule(
                ec2.Peer.ipv4(subnet.ipv4_cidr_block), ec2.Port.tcp(443), "application subnet"
            )
        return group

    def _endpoints(self, site: Site) -> None:
        """In as many zones as there are NAT gateways: both trade a zone's failure for its price."""
        zones = list(site.network.availability_zones[: site.network.nat_gateways])
        for name, service in _services(site).items():
            self.vpc.add_interface_endpoint(
                name,
                service=service,
                subnets=ec2.SubnetSelection(
                    subnet_group_name=APPLICATION, availability_zones=zones
                ),
                security_groups=[self.endpoints_security_group],
                open=False,
            )


def subnets(vpc: ec2.IVpc, group: str) -> Sequence[ec2.ISubnet]:
    """The subnets of `group`, one a zone."""
    return vpc.select_subnets(subnet_group_name=group).subnets


def _services(site: Site) -> dict[str, ec2.InterfaceVpcEndpointAwsService]:
    """What is asked all day long, with secrets or with bulk; the rest goes through NAT."""
    aws = ec2.InterfaceVpcEndpointAwsService
    services = {
        # Settings and logins of the function and the pods.
        "SecretsManager": aws.SECRETS_MANAGER,
        # Signatures of audit seals.
        "Kms": aws.KMS,
        # All logs of the pods.
        "Logs": aws.CLOUDWATCH_LOGS,
    }
    if not site.part:
        # Images, so that nodes start without NAT, and Pod Identity, so that pods get their rights.
        services |= {"Ecr": aws.ECR, "EcrDocker": aws.ECR_DOCKER, "EksAuth": aws.EKS_AUTH}
    return services
