"""The worker's jobs on Lambda, once a minute each."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk.config.deployment import Deployment, Site

JOBS = ("outbox", "housekeeping")
"""The names that `{"job": NAME}` may have: handler.worker knows the same ones."""


class Schedules(Construct):
    """Invokes the alias with each job. Nothing is retried: the next minute does the same work.

    An event that could not be delivered, or whose job failed, is kept in `failed` for two weeks.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        site: Site,
        alias: lambda_.Alias,
    ) -> None:
        super().__init__(scope, id_)
        self.failed = sqs.Queue(
            self,
            "Failed",
            queue_name=deployment.name(f"{site.part}jobs-failed"),
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        alias.configure_async_invoke(
            max_event_age=Duration.minutes(1),
            retry_attempts=0,
            on_failure=destinations.SqsDestination(self.failed),
        )
        for job in JOBS:
            events.Rule(
                self,
                job.capitalize(),
                rule_name=deployment.name(f"{site.part}{job}"),
                description=f"The worker's job {job}, every minute",
                schedule=events.Schedule.rate(Duration.minutes(1)),
                targets=[
                    targets.LambdaFunction(
                        alias,
                        event=events.RuleTargetInput.from_object({"job": job}),
                        dead_letter_queue=self.failed,
                        max_event_age=Duration.minutes(1),
                        retry_attempts=0,
                    )
                ],
            )
