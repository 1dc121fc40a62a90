"""The right to send mails from the public name, and what becomes of them."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_ses as ses
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk.config.deployment import Deployment, Site


class MailIdentity(Construct):
    """An SES identity with DKIM, SPF and DMARC; bounces and complaints arrive in `events_queue`.

    Only accounts outside of the SES sandbox send to strangers: docs/infrastructure.md.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        site: Site,
        domain: str,
        zone: route53.IPublicHostedZone,
    ) -> None:
        super().__init__(scope, id_)
        self._prefix = deployment.name(f"{site.part}mail")
        self.sender = f"no-reply@{domain}"
        self.configuration_set = ses.ConfigurationSet(
            self,
            "Set",
            configuration_set_name=self._prefix,
            tls_policy=ses.ConfigurationSetTlsPolicy.REQUIRE,
            reputation_metrics=True,
            suppression_reasons=ses.SuppressionReasons.BOUNCES_AND_COMPLAINTS,
        )
        self.identity = ses.EmailIdentity(
            self,
            "Identity",
            identity=ses.Identity.public_hosted_zone(zone),
            configuration_set=self.configuration_set,
            # The MX record of a sender's domain names one region, so that each has its own domain.
            mail_from_domain=f"{site.part}bounce.{domain}",
            # The queue has them; by mail too they would only reach the mailbox of nobody.
            feedback_forwarding=False,
        )
        if not site.part:
            route53.TxtRecord(
                self,
                "Dmarc",
                zone=zone,
                record_name=f"_dmarc.{domain}.",
                values=["v=DMARC1; p=quarantine; adkim=s; aspf=r"],
            )
        self.key = self._own_key(deployment.environment.guarded)
        self.events_queue = self._own_queue()
        self._publish_events()

    @property
    def url(self) -> str:
        """The MAIL_URL of this site."""
        return f"ses://{Stack.of(self).region}?configuration_set={self._prefix}"

    def grant_send(self, role: iam.IRole) -> None:
        """Lets `role` send from the sender's address, by this configuration set only."""
        stack = Stack.of(self)
        role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["ses:SendEmail"],
                resources=[
                    self.identity.email_identity_arn,
                    stack.format_arn(
                        service="ses",
                        resource="configuration-set",
                        resource_name=self._prefix,
                    ),
                ],
                conditions={"StringEquals": {"ses:FromAddress": self.sender}},
            )
        )

    def grant_read_events(self, role: iam.IRole) -> None:
        """Lets `role` take events from the queue and delete them."""
        role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
                resources=[self.events_queue.queue_arn],
            )
        )

    def _own_key(self, guarded: bool) -> kms.Key:
        key = kms.Key(
            self,
            "Key",
            alias=f"alias/{self._prefix}-events",
            description="Bounces and complaints on their way to the worker",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.RETAIN if guarded else RemovalPolicy.DESTROY,
        )
        # SES documents no condition for the key; the topic's policy names this account and set.
        key.grant(iam.ServicePrincipal("ses.amazonaws.com"), "kms:Decrypt", "kms:GenerateDataKey")
        return key

    def _own_queue(self) -> sqs.Queue:
        failed = sqs.Queue(
            self,
            "FailedEvents",
            queue_name=f"{self._prefix}-events-failed",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        return sqs.Queue(
            self,
            "Events",
            queue_name=f"{self._prefix}-events",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
            visibility_timeout=Duration.minutes(2),
            dead_letter_queue=sqs.DeadLetterQueue(max_receive_count=5, queue=failed),
        )

    def _publish_events(self) -> None:
        topic = sns.Topic(
            self,
            "Topic",
            topic_name=f"{self._prefix}-events",
            master_key=self.key,
            enforce_ssl=True,
        )
        topic.add_subscription(
            subscriptions.SqsSubscription(self.events_queue, raw_message_delivery=True)
        )
        ses.ConfigurationSetEventDestination(
            self,
            "Destination",
            configuration_set=self.configuration_set,
            destination=ses.EventDestination.sns_topic(topic),
            events=[ses.EmailSendingEvent.BOUNCE, ses.EmailSendingEvent.COMPLAINT],
        )
