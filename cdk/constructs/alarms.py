"""The alarms of a site, made from the table of watches."""

from __future__ import annotations

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.constructs.metrics import Metrics
from cdk.constructs.watches import WATCHES


class Alarms(Construct):
    """An alarm for every watch whose metric a site has, in both directions to its topic."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        site: Site,
        metrics: Metrics,
        topic: sns.ITopic,
    ) -> None:
        super().__init__(scope, id_)
        action = actions.SnsAction(topic)
        self.all: list[cloudwatch.IAlarm] = []
        for watch in WATCHES:
            if watch.metric not in metrics:
                continue
            alarm = cloudwatch.Alarm(
                self,
                watch.name,
                alarm_name=deployment.name(f"{site.part}{watch.name}"),
                alarm_description=f"{watch.severity}. {watch.what} {watch.do}",
                metric=metrics[watch.metric],
                threshold=watch.threshold,
                comparison_operator=watch.comparison,
                evaluation_periods=watch.periods,
                datapoints_to_alarm=watch.periods,
                treat_missing_data=watch.missing,
            )
            alarm.add_alarm_action(action)
            alarm.add_ok_action(action)
            self.all.append(alarm)
