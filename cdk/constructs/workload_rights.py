"""Which service account of the cluster may do what in AWS (EKS Pod Identity)."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Stack
from aws_cdk import aws_eks_v2 as eks
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk.constructs.cluster import pods


@dataclass(frozen=True, kw_only=True)
class ServiceAccount:
    """A service account in the cluster. `namespace` None is the environment's own."""

    name: str
    namespace: str | None = None


API = ServiceAccount(name="user-api")
WORKER = ServiceAccount(name="user-api-worker")
MIGRATION = ServiceAccount(name="db-migration")
EXTERNAL_SECRETS = ServiceAccount(name="external-secrets", namespace="external-secrets")
EXTERNAL_DNS = ServiceAccount(name="external-dns", namespace="external-dns")
LOAD_BALANCERS = ServiceAccount(name="aws-load-balancer-controller", namespace="kube-system")
AUTOSCALER = ServiceAccount(name="cluster-autoscaler", namespace="kube-system")
LOG_COLLECTOR = ServiceAccount(name="log-collector", namespace="monitoring-agents")
ROLLOUTS = ServiceAccount(name="argo-rollouts", namespace="argo-rollouts")


class WorkloadRole(Construct):
    """A role that the pods of one service account have, and nobody else."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        cluster: eks.Cluster,
        environment: str,
        account: ServiceAccount,
        statements: list[iam.PolicyStatement],
    ) -> None:
        super().__init__(scope, id_)
        namespace = account.namespace or environment
        self.role = iam.Role(
            self,
            "Role",
            description=f"Service account {account.name} in namespace {namespace}",
            assumed_by=iam.PrincipalWithConditions(
                pods(),
                {
                    "StringEquals": {
                        "aws:RequestTag/kubernetes-namespace": namespace,
                        "aws:RequestTag/kubernetes-service-account": account.name,
                    }
                },
            ),
        )
        for statement in statements:
            self.role.add_to_policy(statement)
        eks.CfnPodIdentityAssociation(
            self,
            "Association",
            cluster_name=cluster.cluster_name,
            namespace=namespace,
            service_account=account.name,
            role_arn=self.role.role_arn,
        )


def autoscaler_statements(stack: Stack, *, name: str) -> list[iam.PolicyStatement]:
    """Sets the size of the groups of the cluster `name`, as cluster-autoscaler documents it.

    EKS sets the tag on the groups of its managed nodes.
    """
    return [
        # AWS knows no resource for these reads.
        iam.PolicyStatement(
            actions=[
                "autoscaling:DescribeAutoScalingGroups",
                "autoscaling:DescribeAutoScalingInstances",
                "autoscaling:DescribeLaunchConfigurations",
                "autoscaling:DescribeScalingActivities",
                "autoscaling:DescribeTags",
                "ec2:DescribeImages",
                "ec2:DescribeInstanceTypes",
                "ec2:DescribeLaunchTemplateVersions",
                "ec2:GetInstanceTypesFromInstanceRequirements",
            ],
            resources=["*"],
        ),
        iam.PolicyStatement(
            actions=[
                "autoscaling:SetDesiredCapacity",
                "autoscaling:TerminateInstanceInAutoScalingGroup",
            ],
            resources=[
                stack.format_arn(
                    service="autoscaling",
                    resource="autoScalingGroup:*:autoScalingGroupName",
                    resource_name="eks-*",
                )
            ],
            conditions={
                "StringEquals": {f"aws:ResourceTag/k8s.io/cluster-autoscaler/{name}": "owned"}
            },
        ),
        iam.PolicyStatement(
            actions=["eks:DescribeNodegroup"],
            resources=[
                stack.format_arn(service="eks", resource="nodegroup", resource_name=f"{name}/*/*")
            ],
        ),
    ]


def record_statements(*, zone: str, names: list[str]) -> list[iam.PolicyStatement]:
    """Changes the records called `names` in the one zone, and those that say who owns them.

    external-dns writes an owner record (TXT) beside each: the name, or its type in front of it.
    """
    arn = f"arn:aws:route53:::hostedzone/{zone}"
    owned = [f"{prefix}{name}" for name in names for prefix in ("", "a-", "aaaa-", "cname-")]
    return [
        iam.PolicyStatement(
            actions=["route53:ChangeResourceRecordSets"],
            resources=[arn],
            conditions={
                "ForAllValues:StringEquals": {
                    "route53:ChangeResourceRecordSetsNormalizedRecordNames": owned,
                    "route53:ChangeResourceRecordSetsRecordTypes": ["A", "AAAA", "TXT"],
                }
            },
        ),
        iam.PolicyStatement(
            actions=[
                "route53:ListResourceRecordSets",
                "route53:ListTagsForResource",
                "route53:ListTagsForResources",
            ],
            resources=[arn],
        ),
        # AWS knows no resource for route53:ListHostedZones.
        iam.PolicyStatement(actions=["route53:ListHostedZones"], resources=["*"]),
    ]


def rollout_statements() -> list[iam.PolicyStatement]:
    """Lets Argo Rollouts see that the load balancer has taken a weight before it goes on."""
    return [
        # AWS knows no resource for these reads.
        iam.PolicyStatement(
            actions=[
                f"elasticloadbalancing:Describe{what}"
                for what in (
                    "Listeners",
                    "LoadBalancers",
                    "Rules",
                    "Tags",
                    "TargetGroups",
                    "TargetHealth",
                )
            ],
            resources=["*"],
        )
    ]
