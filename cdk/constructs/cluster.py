"""The EKS cluster: control plane, one group of managed nodes, and the add-ons that EKS keeps."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_eks_v2 as eks
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.config.deployment import Deployment
from cdk.constructs.network import APPLICATION
from cdk.constructs.nodes import Nodes
from cdk.constructs.retention import retention


@dataclass(frozen=True, kw_only=True)
class AddOn:
    """An add-on that EKS installs and keeps. `policy` is AWS's managed policy of `account`.

    No version is written down: EKS then takes its default for the cluster's Kubernetes version,
    which is known to fit. A version that does not fit stops a deployment half way.
    `early`: nodes are not ready without it. The others need a node to run on.
    """

    name: str
    early: bool = False
    settings: dict[str, Any] | None = None
    account: str | None = None
    policy: str | None = None


ADD_ONS = (
    AddOn(name="eks-pod-identity-agent", early=True),
    AddOn(name="kube-proxy", early=True),
    AddOn(
        name="vpc-cni",
        early=True,
        settings={"enableNetworkPolicy": "true"},
        account="aws-node",
        policy="AmazonEKS_CNI_Policy",
    ),
    AddOn(name="coredns"),
    AddOn(name="metrics-server"),
    AddOn(
        name="aws-ebs-csi-driver",
        account="ebs-csi-controller-sa",
        policy="service-role/AmazonEBSCSIDriverPolicy",
    ),
)
"""Network policies, name service, the HPA's metrics, volumes, and roles for service accounts."""

VOLUME_ACTIONS = ("kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext", "kms:DescribeKey")


class KubernetesCluster(Construct):
    """A cluster that only its VPC reaches, with every control-plane log and encrypted secrets.

    Its log group is made before the cluster, which would make one without retention itself;
    `application_logs` is where the collector on the nodes sends what pods write. `key` encrypts
    Kubernetes' secrets and the volumes of pods. Nobody is an administrator by having created the
    cluster: access entries say who is.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        vpc: ec2.IVpc,
        logs_key: kms.IKey,
        removal: RemovalPolicy,
    ) -> None:
        super().__init__(scope, id_)
        self.name = deployment.name()
        size = deployment.environment.cluster
        self.key = kms.Key(
            self,
            "Key",
            alias=f"alias/{deployment.name('cluster')}",
            description="Kubernetes secrets and volumes of pods",
            enable_key_rotation=True,
            removal_policy=removal,
        )
        self.control_plane_logs, self.application_logs = (
            logs.LogGroup(
                self,
                id_,
                log_group_name=name,
                retention=retention(deployment),
                encryption_key=logs_key,
                removal_policy=removal,
            )
            for id_, name in (
                ("ControlPlaneLogs", f"/aws/eks/{self.name}/cluster"),
                ("ApplicationLogs", deployment.path("kubernetes")),
            )
        )
        self.cluster = self._control_plane(size.kubernetes_version, vpc)
        self._guard(deployment.environment.guarded)
        self.cluster.node.add_dependency(self.control_plane_logs)
        self.nodes = Nodes(self, "Nodes", cluster=self.cluster, size=size)
        for add_on in ADD_ONS:
            self._install(add_on)

    def _control_plane(self, version: str, vpc: ec2.IVpc) -> eks.Cluster:
        return eks.Cluster(
            self,
            "Cluster",
            cluster_name=self.name,
            version=eks.KubernetesVersion.of(version),
            default_capacity=0,
            default_capacity_type=eks.DefaultCapacityType.NODEGROUP,
            bootstrap_cluster_creator_admin_permissions=False,
            bootstrap_self_managed_addons=False,
            endpoint_access=eks.EndpointAccess.PRIVATE,
            secrets_encryption_key=self.key,
            cluster_logging=list(eks.ClusterLoggingTypes),
            output_config_command=False,
            security_group=ec2.SecurityGroup(
                self,
                "ControlPlane",
                vpc=vpc,
                description="Control plane. The group that EKS makes has the rules.",
                allow_all_outbound=False,
            ),
            vpc=vpc,
            vpc_subnets=[ec2.SubnetSelection(subnet_group_name=APPLICATION)],
        )

    def _guard(self, guarded: bool) -> None:
        resource = cast(eks.CfnCluster, self.cluster.node.default_child)
        resource.deletion_protection = guarded
        # A version at its end is upgraded by EKS, not kept at six times the price.
        resource.upgrade_policy = eks.CfnCluster.UpgradePolicyProperty(support_type="STANDARD")

    def _install(self, add_on: AddOn) -> None:
        resource = eks.CfnAddon(
            self,
            add_on.name,
            addon_name=add_on.name,
            cluster_name=self.cluster.cluster_name,
            configuration_values=json.dumps(add_on.settings) if add_on.settings else None,
            pod_identity_associations=self._association(add_on),
            resolve_conflicts="OVERWRITE",
        )
        if add_on.early:
            self.nodes.group.node.add_dependency(resource)
        else:
            resource.node.add_dependency(self.nodes.group)

    def _association(
        self, add_on: AddOn
    ) -> list[eks.CfnAddon.PodIdentityAssociationProperty] | None:
        if add_on.account is None or add_on.policy is None:
            return None
        role = iam.Role(
            self,
            f"{add_on.name}-role",
            description=f"The add-on {add_on.name} of {self.name}",
            assumed_by=pods(),
            managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name(add_on.policy)],
        )
        if add_on.name == "aws-ebs-csi-driver":
            self._allow_volumes(role)
        return [
            eks.CfnAddon.PodIdentityAssociationProperty(
                role_arn=role.role_arn, service_account=add_on.account
            )
        ]

    def _allow_volumes(self, role: iam.Role) -> None:
        role.add_to_policy(
            iam.PolicyStatement(actions=list(VOLUME_ACTIONS), resources=[self.key.key_arn])
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["kms:CreateGrant"],
                resources=[self.key.key_arn],
                conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
            )
        )


def pods() -> iam.IPrincipal:
    """EKS Pod Identity, which hands a role to the pods of one service account."""
    return iam.SessionTagsPrincipal(iam.ServicePrincipal("pods.eks.amazonaws.com"))
