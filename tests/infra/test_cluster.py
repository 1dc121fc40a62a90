"""What runs in the cluster has what it needs, and no more."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from cdk.config.deployment import ENVIRONMENTS
from cdk.constructs.published import PARAMETERS

Template = dict[str, Any]
Assemblies = Mapping[str, Mapping[str, Template]]

ADD_ON_OF = {
    "the HPA's CPU and memory": "metrics-server",
    "Prometheus' 100 GB": "aws-ebs-csi-driver",
    "network policies": "vpc-cni",
    "roles of service accounts": "eks-pod-identity-agent",
    "names of services": "coredns",
    "services": "kube-proxy",
}
RIGHT_OF = {
    "nodes from 3 to 10": ("cluster-autoscaler", "autoscaling:SetDesiredCapacity"),
    "secrets in pods": ("external-secrets", "secretsmanager:GetSecretValue"),
    "the failover record": ("external-dns", "route53:ChangeResourceRecordSets"),
    "the public load balancer": (
        "aws-load-balancer-controller",
        "elasticloadbalancing:CreateLoadBalancer",
    ),
    "the web ACL": ("aws-load-balancer-controller", "wafv2:AssociateWebACL"),
    "weights of a canary": ("argo-rollouts", "elasticloadbalancing:DescribeTargetHealth"),
    "mails": ("user-api-worker", "ses:SendEmail"),
    "audit seals": ("user-api-worker", "kms:Sign"),
    "the erasure ledger": ("user-api", "s3:PutObject"),
    "logs of pods": ("log-collector", "logs:PutLogEvents"),
}


@pytest.fixture(params=ENVIRONMENTS)
def environment(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def template(assemblies: Assemblies, environment: str) -> Template:
    return assemblies[environment][f"user-api-{environment}-cluster"]


@pytest.fixture
def production(assemblies: Assemblies) -> Template:
    return assemblies["production"]["user-api-production-cluster"]


def test_nobody_outside_the_vpc_reaches_the_api_of_the_cluster(template: Template) -> None:
    """Its endpoint is private, secrets are encrypted by a key, and all five logs are written."""
    cluster = only(template, "AWS::EKS::Cluster")
    network = cluster["ResourcesVpcConfig"]
    assert (network["EndpointPrivateAccess"], network["EndpointPublicAccess"]) == (True, False)
    assert cluster["EncryptionConfig"][0]["Resources"] == ["secrets"]
    kinds = {each["Type"] for each in cluster["Logging"]["ClusterLogging"]["EnabledTypes"]}
    assert kinds == {"api", "audit", "authenticator", "controllerManager", "scheduler"}
    assert cluster["AccessConfig"]["BootstrapClusterCreatorAdminPermissions"] is False


def test_log_group_of_the_control_plane_is_made_first(template: Template) -> None:
    """EKS makes one that is kept for ever when there is none."""
    name = only(template, "AWS::EKS::Cluster")["Name"]
    (group,) = [
        id_
        for id_, it in of_type(template, "AWS::Logs::LogGroup")
        if it["LogGroupName"] == f"/aws/eks/{name}/cluster"
    ]
    (cluster,) = [it for it in template["Resources"].values() if it["Type"] == "AWS::EKS::Cluster"]
    assert group in cluster["DependsOn"]


def test_nodes_have_the_configured_number_and_type(template: Template, environment: str) -> None:
    size = ENVIRONMENTS[environment].cluster
    group = only(template, "AWS::EKS::Nodegroup")
    assert group["ScalingConfig"] == {
        "MinSize": size.min_nodes,
        "DesiredSize": size.min_nodes,
        "MaxSize": size.max_nodes,
    }
    assert group["InstanceTypes"] == [size.instance_type]
    assert group["AmiType"] == "AL2023_x86_64_STANDARD"


def test_no_pod_reads_the_rights_of_its_node(template: Template) -> None:
    """The instance metadata wants a token and is one hop away; the disk is encrypted."""
    data = only(template, "AWS::EC2::LaunchTemplate")["LaunchTemplateData"]
    options = data["MetadataOptions"]
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 1)
    disk = data["BlockDeviceMappings"][0]["Ebs"]
    assert (disk["VolumeType"], disk["Encrypted"]) == ("gp3", True)


@pytest.mark.parametrize("feature", ADD_ON_OF)
def test_feature_has_its_add_on(template: Template, feature: str) -> None:
    names = {it["AddonName"] for _, it in of_type(template, "AWS::EKS::Addon")}
    assert ADD_ON_OF[feature] in names


def test_network_policies_are_enforced(template: Template) -> None:
    """The VPC CNI ignores them unless it is told to."""
    (cni,) = [it for _, it in of_type(template, "AWS::EKS::Addon") if it["AddonName"] == "vpc-cni"]
    assert json.loads(cni["ConfigurationValues"])["enableNetworkPolicy"] == "true"


def test_nodes_wait_for_their_network_and_other_add_ons_for_nodes(template: Template) -> None:
    """A node without a CNI is never ready; a Deployment without a node is never either."""
    found = template["Resources"]
    (group,) = [id_ for id_, it in found.items() if it["Type"] == "AWS::EKS::Nodegroup"]
    before = {
        found[id_]["Properties"]["AddonName"]
        for id_ in found[group]["DependsOn"]
        if found[id_]["Type"] == "AWS::EKS::Addon"
    }
    after = {
        it["Properties"]["AddonName"]
        for it in found.values()
        if it["Type"] == "AWS::EKS::Addon" and group in it.get("DependsOn", ())
    }
    assert before == {"vpc-cni", "kube-proxy", "eks-pod-identity-agent"}
    assert after == {"coredns", "metrics-server", "aws-ebs-csi-driver"}


@pytest.mark.parametrize("feature", RIGHT_OF)
def test_feature_has_its_right(production: Template, feature: str) -> None:
    account, action = RIGHT_OF[feature]
    actions = {each for it in rights(production, account) for each in listed(it["Action"])}
    assert action in actions


def test_role_serves_one_service_account_of_one_namespace(template: Template) -> None:
    """Another account of the cluster does not get it, whatever association it is given."""
    associations = [it for _, it in of_type(template, "AWS::EKS::PodIdentityAssociation")]
    assert associations
    for it in associations:
        role = template["Resources"][it["RoleArn"]["Fn::GetAtt"][0]]["Properties"]
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
        assert statement["Condition"]["StringEquals"] == {
            "aws:RequestTag/kubernetes-namespace": it["Namespace"],
            "aws:RequestTag/kubernetes-service-account": it["ServiceAccount"],
        }


def test_external_dns_changes_the_records_of_the_load_balancer_only(production: Template) -> None:
    (change,) = [
        it
        for it in rights(production, "external-dns")
        if "route53:ChangeResourceRecordSets" in listed(it["Action"])
    ]
    assert change["Resource"] == "arn:aws:route53:::hostedzone/Z0000000000PRODUCTION"
    names = change["Condition"]["ForAllValues:StringEquals"][
        "route53:ChangeResourceRecordSetsNormalizedRecordNames"
    ]
    assert {"primary.api.example.com", "eks.api.example.com"} < set(names)
    # With two regions the public name is CDK's: the cluster must not be able to move it.
    assert "api.example.com" not in names


def test_only_migrations_have_the_login_of_the_owner(production: Template) -> None:
    """Neither the API nor the worker nor what hands out secrets can read it."""

    def secrets(account: str) -> list[str]:
        return [
            str(arn)
            for it in rights(production, account)
            if "secretsmanager:GetSecretValue" in listed(it["Action"])
            for arn in listed(it["Resource"])
        ]

    shared = set(secrets("user-api"))
    assert shared == set(secrets("user-api-worker"))
    assert shared == set(secrets("external-secrets"))
    (owner,) = secrets("db-migration")
    assert owner not in shared


def test_nodes_reach_the_database_and_the_cache(template: Template) -> None:
    """By three rules from the cluster's own security group: proxy, instance (migrations), Redis."""
    rules = [it for _, it in of_type(template, "AWS::EC2::SecurityGroupIngress")]
    assert sorted(it["FromPort"] for it in rules) == [5432, 5432, 6379]
    assert all(it["FromPort"] == it["ToPort"] for it in rules)
    assert all("ClusterSecurityGroupId" in str(it["SourceSecurityGroupId"]) for it in rules)


def test_session_leads_to_the_api_of_the_cluster_only(template: Template) -> None:
    """Neither the host nor the port is the caller's to choose."""
    content = only(template, "AWS::SSM::Document")["Content"]
    assert set(content["parameters"]) == {"localPortNumber"}
    assert "Endpoint" in str(content["properties"]["host"])
    assert content["properties"]["portNumber"] == "443"


def test_what_kubernetes_needs_is_published(assemblies: Assemblies) -> None:
    """In production every parameter of the table, each under the environment's path."""
    found = {
        it["Name"]
        for stack in assemblies["production"].values()
        for _, it in of_type(stack, "AWS::SSM::Parameter")
        if it.get("Name", "").startswith("/user-api/production/k8s/")
    }
    assert found == {f"/user-api/production/k8s/{name}" for name in PARAMETERS}


def of_type(template: Template, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for id_, it in template.get("Resources", {}).items():
        if it["Type"] == kind:
            yield id_, it["Properties"]


def only(template: Template, kind: str) -> dict[str, Any]:
    ((_, properties),) = of_type(template, kind)
    return properties


def rights(template: Template, account: str) -> list[dict[str, Any]]:
    """The statements of a service account's role."""
    (role,) = [
        it["RoleArn"]["Fn::GetAtt"][0]
        for _, it in of_type(template, "AWS::EKS::PodIdentityAssociation")
        if it["ServiceAccount"] == account
    ]
    return [
        statement
        for _, it in of_type(template, "AWS::IAM::Policy")
        if {"Ref": role} in it["Roles"]
        for statement in it["PolicyDocument"]["Statement"]
    ]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
