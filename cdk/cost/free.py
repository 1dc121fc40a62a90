"""Resource types that cost nothing themselves; what runs because of them is priced elsewhere."""

from __future__ import annotations

_BY_SERVICE = {
    "Backup": "BackupPlan BackupSelection",
    "Budgets": "Budget",
    "CertificateManager": "Certificate",
    "Chatbot": "SlackChannelConfiguration",
    "CloudWatch": "InsightRule",
    "EC2": (
        "DHCPOptions EIPAssociation FlowLog InternetGateway LaunchTemplate NetworkAcl"
        " NetworkAclEntry NetworkInterface Route RouteTable SecurityGroup SecurityGroupEgress"
        " SecurityGroupIngress Subnet SubnetNetworkAclAssociation SubnetRouteTableAssociation"
        " VPCDHCPOptionsAssociation VPCGatewayAttachment"
    ),
    "ECR": "RegistryPolicy RepositoryCreationTemplate",
    "EKS": "AccessEntry Addon IdentityProviderConfig PodIdentityAssociation",
    "ElastiCache": "ParameterGroup SubnetGroup User UserGroup",
    "ElasticLoadBalancingV2": "Listener ListenerCertificate ListenerRule TargetGroup",
    # A rule and a schedule are free; custom events on a bus are not (EventBus is priced).
    "Events": "EventBusPolicy Rule",
    "IAM": "AccessKey Group InstanceProfile ManagedPolicy OIDCProvider Policy Role User",
    "KMS": "Alias",
    "Lambda": "Alias EventInvokeConfig EventSourceMapping LayerVersion Permission Version",
    "Logs": "Delivery DeliveryDestination DeliverySource LogStream MetricFilterPolicy"
    " QueryDefinition ResourcePolicy SubscriptionFilter",
    "RDS": "DBParameterGroup DBProxyTargetGroup DBSubnetGroup EventSubscription OptionGroup",
    "Route53": "DNSSEC KeySigningKey RecordSet RecordSetGroup",
    "S3": "BucketPolicy",
    "SES": "ConfigurationSet ConfigurationSetEventDestination Template",
    "SNS": "Subscription TopicInlinePolicy TopicPolicy",
    "SQS": "QueueInlinePolicy QueuePolicy",
    "SSM": "Document",
    # 14 million invocations a month are free, and the jobs need some ten thousand.
    "Scheduler": "Schedule ScheduleGroup",
    "SecretsManager": "ResourcePolicy RotationSchedule SecretTargetAttachment",
    "ServiceCatalogAppRegistry": "Application",
    "WAFv2": "IPSet LoggingConfiguration RegexPatternSet WebACLAssociation",
}

FREE = frozenset(
    f"AWS::{service}::{kind}" for service, kinds in _BY_SERVICE.items() for kind in kinds.split()
) | {"AWS::CDK::Metadata"}
