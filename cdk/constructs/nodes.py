"""The machines of the cluster: one group of managed nodes over the application subnets."""

from __future__ import annotations

from typing import cast

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_eks_v2 as eks
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk.config.model import Cluster
from cdk.constructs.network import APPLICATION

ROOT_VOLUME_GIB = 50
"""Images and the logs of containers; what must survive a node lies on volumes of its own."""
SESSION_ACTIONS = (
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
)


class Nodes(Construct):
    """Amazon Linux 2023 nodes with encrypted disks.

    The instance metadata answers to the host only (IMDSv2, one hop): pods get their rights from
    Pod Identity, whose agent runs in the host's network. `role` lets a node join, pull images and
    carry the sessions of `cdk.constructs.tunnel`; pods' rights are elsewhere. The tags by which
    cluster-autoscaler finds the group are set by EKS on the groups that it manages.
    """

    def __init__(self, scope: Construct, id_: str, *, cluster: eks.Cluster, size: Cluster) -> None:
        super().__init__(scope, id_)
        self.role = iam.Role(
            self,
            "Role",
            description="Nodes of the cluster",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            managed_policies=[
                iam.ManagedPolicy.from_aws_managed_policy_name(name)
                for name in ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly")
            ],
        )
        self._allow_sessions()
        template = self._launch_template()
        self.group = cluster.add_nodegroup_capacity(
            "Nodes",
            node_role=self.role,
            ami_type=eks.NodegroupAmiType.AL2023_X86_64_STANDARD,
            instance_types=[ec2.InstanceType(size.instance_type)],
            min_size=size.min_nodes,
            desired_size=size.min_nodes,
            max_size=size.max_nodes,
            max_unavailable=1,
            enable_node_auto_repair=True,
            # A pod disruption budget in the way stops an update instead of being overridden.
            force_update=False,
            subnets=ec2.SubnetSelection(subnet_group_name=APPLICATION),
            launch_template_spec=eks.LaunchTemplateSpec(
                id=template.ref, version=template.attr_latest_version_number
            ),
        )

    def _allow_sessions(self) -> None:
        stack = Stack.of(self)
        # AWS knows no resource for ssmmessages: the channels belong to the node that opens them.
        self.role.add_to_policy(iam.PolicyStatement(actions=list(SESSION_ACTIONS), resources=["*"]))
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["ssm:UpdateInstanceInformation"],
                resources=[stack.format_arn(service="ec2", resource="instance", resource_name="*")],
            )
        )

    def _launch_template(self) -> ec2.CfnLaunchTemplate:
        template = ec2.LaunchTemplate(
            self,
            "Template",
            require_imdsv2=True,
            http_put_response_hop_limit=1,
            block_devices=[
                ec2.BlockDevice(
                    device_name="/dev/xvda",
                    volume=ec2.BlockDeviceVolume.ebs(
                        ROOT_VOLUME_GIB,
                        volume_type=ec2.EbsDeviceVolumeType.GP3,
                        encrypted=True,
                    ),
                )
            ],
        )
        return cast(ec2.CfnLaunchTemplate, template.node.default_child)
