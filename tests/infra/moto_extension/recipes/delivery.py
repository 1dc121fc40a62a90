"""What moves events: SNS, SQS, Firehose, EventBridge Scheduler."""

from __future__ import annotations

import json
from typing import Any

from tests.infra.moto_extension.making import Made, Making
from tests.infra.moto_extension.resources import makes


@makes("AWS::SNS::Subscription")
def subscription(it: Making) -> Made:
    given = dict(it.properties)
    where = {name: given.pop(name) for name in ("TopicArn", "Protocol", "Endpoint")}
    given.pop("Region", None)
    attributes = {
        name: json.dumps(value) if isinstance(value, dict) else str(value)
        for name, value in given.items()
    }
    arn = it.call("sns", "subscribe", ReturnSubscriptionArn=True, Attributes=attributes, **where)[
        "SubscriptionArn"
    ]
    return Made(
        ref=arn,
        attributes={"Arn": arn},
        undo=it.undoing("sns", "unsubscribe", SubscriptionArn=arn),
    )


@makes("AWS::SNS::TopicPolicy")
def topic_policy(it: Making) -> Made:
    for topic in it.properties["Topics"]:
        it.call(
            "sns",
            "set_topic_attributes",
            TopicArn=topic,
            AttributeName="Policy",
            AttributeValue=json.dumps(it.properties["PolicyDocument"]),
        )
    return Made(ref=it.generated, attributes={"Id": it.generated})


@makes("AWS::SQS::QueuePolicy")
def queue_policy(it: Making) -> Made:
    policy = json.dumps(it.properties["PolicyDocument"])
    for queue in it.properties["Queues"]:
        it.call("sqs", "set_queue_attributes", QueueUrl=queue, Attributes={"Policy": policy})
    return Made(ref=it.generated, attributes={"Id": it.generated})


@makes("AWS::KinesisFirehose::DeliveryStream")
def delivery_stream(it: Making) -> Made:
    name = it.named("DeliveryStreamName")
    arn = it.create("firehose", "create_delivery_stream", DeliveryStreamName=name)[
        "DeliveryStreamARN"
    ]
    return Made(
        ref=name,
        attributes={"Arn": arn},
        undo=it.undoing("firehose", "delete_delivery_stream", DeliveryStreamName=name),
    )


@makes("AWS::Scheduler::ScheduleGroup")
def schedule_group(it: Making) -> Made:
    name = it.named("Name")
    arn = it.create("scheduler", "create_schedule_group", Name=name)["ScheduleGroupArn"]
    return Made(
        ref=name,
        attributes={"Arn": arn},
        undo=it.undoing("scheduler", "delete_schedule_group", Name=name),
    )


@makes("AWS::Scheduler::Schedule")
def schedule(it: Making) -> Made:
    which: dict[str, Any] = {"Name": it.named("Name")}
    if "GroupName" in it.properties:
        which["GroupName"] = it.properties["GroupName"]
    arn = it.create("scheduler", "create_schedule", **which)["ScheduleArn"]
    return Made(
        ref=which["Name"],
        attributes={"Arn": arn},
        undo=it.undoing("scheduler", "delete_schedule", **which),
    )
