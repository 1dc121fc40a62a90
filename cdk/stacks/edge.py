"""Certificate, web ACL, mail identity and health checks."""

from __future__ import annotations

from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.constructs.failover import Probe, PublicNames, RegionSwitch, public_names
from cdk.constructs.mail_identity import MailIdentity
from cdk.constructs.web_acl import WebAcl
from cdk.stacks.regional import RegionalStack


class EdgeStack(RegionalStack):
    """Certificate, web ACL, mail identity and health checks.

    Without a domain there is the web ACL alone. The health checks are those of the first region:
    `health_check_id` is for the EKS load balancer's record, which external-dns writes.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        deployment: Deployment,
        site: Site,
    ) -> None:
        super().__init__(
            scope,
            deployment=deployment,
            site=site,
            purpose="edge",
            about="Certificate, web ACL, mail identity and health checks",
        )
        self.web_acl = WebAcl(self, "WebAcl", deployment=deployment, site=site)
        self.web_acl_arn: str = self.web_acl.arn
        self.names: PublicNames | None = public_names(deployment)
        self.certificate: acm.ICertificate | None = None
        self.mail: MailIdentity | None = None
        self.health_check_id: str | None = None
        self.function_health_check_id: str | None = None
        if self.names is not None:
            self._add_domain(self.names)

    @property
    def mail_events_queue(self) -> sqs.IQueue | None:
        """Bounces and complaints, one SES event a message."""
        return None if self.mail is None else self.mail.events_queue

    def _add_domain(self, names: PublicNames) -> None:
        zone = route53.PublicHostedZone.from_public_hosted_zone_attributes(
            self, "Zone", hosted_zone_id=names.zone, zone_name=names.public
        )
        first, *others = names.certified(self.site)
        self.certificate = acm.Certificate(
            self,
            "Certificate",
            certificate_name=self.deployment.name(f"{self.site.part}public"),
            domain_name=first,
            subject_alternative_names=others,
            validation=acm.CertificateValidation.from_dns(zone),
        )
        self.mail = MailIdentity(
            self,
            "Mail",
            deployment=self.deployment,
            site=self.site,
            domain=names.public,
            zone=zone,
        )
        if self.site.part:
            RegionSwitch(self, "RegionSwitch", deployment=self.deployment)
            return
        name = self.deployment.name
        self.health_check_id = Probe(
            self, "ClusterProbe", name=names.cluster, label=name("eks")
        ).health_check_id
        self.function_health_check_id = Probe(
            self, "FunctionProbe", name=names.function, label=name("lambda")
        ).health_check_id
