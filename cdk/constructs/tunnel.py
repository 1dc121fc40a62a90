"""The way to the cluster's API, which no address outside the VPC reaches.

A session of Systems Manager forwards a local port through a node to the API's endpoint, and to
nothing else: `aws ssm start-session --target NODE --document-name DOCUMENT`, then kubectl with
`--server https://localhost:PORT --tls-server-name HOST`. It needs no open port, no machine of its
own and no list of addresses, which GitHub's runners do not have; IAM says who, CloudTrail tells.
"""

from __future__ import annotations

from aws_cdk import Fn, Stack
from aws_cdk import aws_eks_v2 as eks
from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from constructs import Construct


class Tunnel(Construct):
    """A session document with the cluster's endpoint as its only target."""

    def __init__(self, scope: Construct, id_: str, *, name: str, cluster: eks.Cluster) -> None:
        super().__init__(scope, id_)
        self._cluster = cluster
        self.name = name
        self.document = ssm.CfnDocument(
            self,
            "Document",
            name=name,
            document_type="Session",
            document_format="JSON",
            update_method="NewVersion",
            content={
                "schemaVersion": "1.0",
                "description": "Forwards a local port to the API of the cluster",
                "sessionType": "Port",
                "parameters": {
                    "localPortNumber": {
                        "type": "String",
                        "description": "The local port; 0 takes a free one",
                        "allowedPattern": "^(0|[1-9][0-9]{0,4})$",
                        "default": "0",
                    }
                },
                "properties": {
                    "type": "LocalPortForwarding",
                    "host": Fn.select(1, Fn.split("://", cluster.cluster_endpoint)),
                    "portNumber": "443",
                    "localPortNumber": "{{ localPortNumber }}",
                },
            },
        )

    def statements(self) -> list[iam.PolicyStatement]:
        """What a role needs to find a node and open, keep and close its own sessions."""
        stack = Stack.of(self)
        nodes = stack.format_arn(service="ec2", resource="instance", resource_name="*")
        return [
            iam.PolicyStatement(
                actions=["ssm:StartSession"],
                resources=[nodes],
                conditions={
                    "StringEquals": {
                        "ssm:resourceTag/eks:cluster-name": self._cluster.cluster_name
                    },
                    "BoolIfExists": {"ssm:SessionDocumentAccessCheck": "true"},
                },
            ),
            iam.PolicyStatement(
                actions=["ssm:StartSession"],
                resources=[
                    stack.format_arn(service="ssm", resource="document", resource_name=self.name)
                ],
            ),
            iam.PolicyStatement(
                actions=["ssm:TerminateSession", "ssm:ResumeSession"],
                resources=[
                    stack.format_arn(
                        service="ssm", resource="session", resource_name="${aws:userid}-*"
                    )
                ],
            ),
            iam.PolicyStatement(
                actions=["eks:DescribeCluster"], resources=[self._cluster.cluster_arn]
            ),
            # AWS knows no resource for ec2:DescribeInstances; it finds a node to go through.
            iam.PolicyStatement(actions=["ec2:DescribeInstances"], resources=["*"]),
        ]
