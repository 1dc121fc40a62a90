"""What the load balancer controller may do.

From the policy that the controller's project publishes (docs/install/iam_policy.json, unchanged
from version 2.17.1 to 3.2.2), less what is not deployed here (Cognito, Shield, server
certificates of IAM, WAF Classic, network load balancers, address pools), and narrower: every
change is bound to this account and region, and to what bears the tag of this cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_iam as iam

_READS = (
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeInstances",
    "ec2:DescribeInternetGateways",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeTags",
    "ec2:DescribeVpcs",
    "ec2:GetSecurityGroupsForVpc",
    "elasticloadbalancing:DescribeCapacityReservation",
    "elasticloadbalancing:DescribeListenerAttributes",
    "elasticloadbalancing:DescribeListenerCertificates",
    "elasticloadbalancing:DescribeListeners",
    "elasticloadbalancing:DescribeLoadBalancerAttributes",
    "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeRules",
    "elasticloadbalancing:DescribeSSLPolicies",
    "elasticloadbalancing:DescribeTags",
    "elasticloadbalancing:DescribeTargetGroupAttributes",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetHealth",
    "elasticloadbalancing:DescribeTrustStores",
    "acm:ListCertificates",
)
_CHANGES = (
    "AddListenerCertificates",
    "CreateListener",
    "CreateRule",
    "DeleteListener",
    "DeleteLoadBalancer",
    "DeleteRule",
    "DeleteTargetGroup",
    "DeregisterTargets",
    "ModifyListener",
    "ModifyListenerAttributes",
    "ModifyLoadBalancerAttributes",
    "ModifyRule",
    "ModifyTargetGroup",
    "ModifyTargetGroupAttributes",
    "RegisterTargets",
    "RemoveListenerCertificates",
    "RemoveTags",
    "SetIpAddressType",
    "SetRulePriorities",
    "SetSecurityGroups",
    "SetSubnets",
    "SetWebAcl",
)
_WEB_ACL = (
    "wafv2:AssociateWebACL",
    "wafv2:DisassociateWebACL",
    "wafv2:GetWebACL",
    "wafv2:GetWebACLForResource",
)
_BALANCED = ("loadbalancer/app", "targetgroup", "listener/app", "listener-rule/app")
_TAG = "elbv2.k8s.aws/cluster"


def load_balancer_statements(
    stack: Stack,
    *,
    cluster: str,
    vpc_arn: str,
    node_group: str,
    web_acl_arn: str,
    certificate_arn: str | None,
) -> list[iam.PolicyStatement]:
    """The statements for the cluster named `cluster`, whose nodes are in `node_group` (an id)."""

    def arns(service: str, *resources: str) -> list[str]:
        return [
            stack.format_arn(service=service, resource=it, resource_name="*") for it in resources
        ]

    groups = arns("ec2", "security-group")
    balanced = arns("elasticloadbalancing", *_BALANCED)
    asked = {"StringEquals": {f"aws:RequestTag/{_TAG}": cluster}}
    bears = {"StringEquals": {f"aws:ResourceTag/{_TAG}": cluster}}
    nodes = stack.format_arn(service="ec2", resource="security-group", resource_name=node_group)
    rules = ["ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress"]
    statements = [
        # AWS knows no resource for these reads.
        _allow(_READS, ["*"]),
        _allow(["ec2:CreateSecurityGroup"], [vpc_arn]),
        _allow(["ec2:CreateSecurityGroup"], groups, asked),
        _allow(["ec2:CreateTags"], groups, _created("ec2", asked, "CreateSecurityGroup")),
        _allow(
            ["ec2:CreateTags", "ec2:DeleteTags", "ec2:DeleteSecurityGroup", *rules], groups, bears
        ),
        # The one group that is not the controller's own: nodes let the load balancer's through.
        _allow(rules, [nodes]),
        _allow(_elb("CreateLoadBalancer", "CreateTargetGroup"), balanced, asked),
        _allow(_elb("AddTags"), balanced, _created("elasticloadbalancing", asked, *_CREATIONS)),
        _allow(_elb("AddTags", *_CHANGES), balanced, bears),
        _allow(_WEB_ACL, [web_acl_arn, *arns("elasticloadbalancing", "loadbalancer/app")]),
        _allow(
            ["iam:CreateServiceLinkedRole"],
            [_service_role(stack)],
            {"StringEquals": {"iam:AWSServiceName": "elasticloadbalancing.amazonaws.com"}},
        ),
    ]
    if certificate_arn is not None:
        statements.append(_allow(["acm:DescribeCertificate"], [certificate_arn]))
    return statements


_CREATIONS = ("CreateLoadBalancer", "CreateTargetGroup", "CreateListener", "CreateRule")


def _created(service: str, asked: Mapping[str, Mapping[str, str]], *actions: str) -> dict[str, Any]:
    return {"StringEquals": {**asked["StringEquals"], f"{service}:CreateAction": list(actions)}}


def _elb(*actions: str) -> list[str]:
    return [f"elasticloadbalancing:{action}" for action in actions]


def _service_role(stack: Stack) -> str:
    return stack.format_arn(
        service="iam",
        region="",
        resource="role/aws-service-role/elasticloadbalancing.amazonaws.com",
        resource_name="AWSServiceRoleForElasticLoadBalancing",
    )


def _allow(
    actions: list[str] | tuple[str, ...],
    resources: list[str],
    conditions: Mapping[str, Any] | None = None,
) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        actions=list(actions), resources=resources, conditions=dict(conditions or {})
    )
