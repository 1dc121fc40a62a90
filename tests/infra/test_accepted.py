"""What the reasons of accepted findings name is there, in every environment."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.infra.conftest import Named
from tests.infra.properties import resources

ROOT = Path(__file__).resolve().parents[2]
INTERFACES = {
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
}


def test_an_alarm_rings_for_every_dead_letter_queue(templates: list[Named]) -> None:
    """SQS3: a queue at the end of the line has no queue of its own, and is never unwatched."""
    alarms = [
        alarm
        for each in templates
        for _, alarm in resources(each.template, "AWS::CloudWatch::Alarm")
        if alarm["AlarmName"].endswith("-dead-letters")
    ]
    assert all(
        (it["Threshold"], it["ComparisonOperator"]) == (0, "GreaterThanThreshold") for it in alarms
    )
    watched = " ".join(json.dumps(it) for it in alarms)
    last = [
        (each.stack, name)
        for each in templates
        for name, queue in resources(each.template, "AWS::SQS::Queue")
        if "RedrivePolicy" not in queue
    ]
    # Three environments and one second region, and mail in all but development.
    assert len(last) == 4 + 3
    for stack, name in last:
        assert f"FnGetAtt{name}QueueName" in watched, (stack, name)
        assert f'"StackName": "{stack}"' in watched, (stack, name)


def test_the_code_of_no_function_may_touch_network_interfaces(templates: list[Named]) -> None:
    """IAM5: Lambda's role has these on everything; a Deny keeps them from the function itself."""
    seen = 0
    for each in templates:
        policies = [
            (it["Roles"], it["PolicyDocument"]["Statement"])
            for _, it in resources(each.template, "AWS::IAM::Policy")
        ]
        for _, function in resources(each.template, "AWS::Lambda::Function"):
            if "VpcConfig" not in function:
                continue
            role = {"Ref": function["Role"]["Fn::GetAtt"][0]}
            denied = [
                it
                for roles, statements in policies
                if role in roles
                for it in statements
                if it["Effect"] == "Deny"
            ]
            (only,) = denied
            assert set(only["Action"]) == INTERFACES
            assert only["Resource"] == "*"
            arn = json.dumps(only["Condition"]["ArnEquals"]["lambda:SourceFunctionArn"])
            assert f":function:{function['FunctionName']}" in arn
            seen += 1
    # The API in each of four sites, and the rotation in each environment.
    assert seen == 4 + 3


def test_it_is_written_how_each_secret_is_replaced(templates: list[Named]) -> None:
    """SMG4: by a schedule, or by the step that docs/operations.md tells under the secret's name."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = text.split("## Secrets and rotation", 1)[1].split("\n## ", 1)[0]
    named = {
        secret["Name"].replace(each.environment, "ENV")
        for each in templates
        for _, secret in resources(each.template, "AWS::SecretsManager::Secret")
    }
    assert len(named) == 7
    # The name of one is the beginning of another's.
    told = [name for name in named if re.search(rf"{re.escape(name)}(?![\w-])", section)]
    assert sorted(named - set(told)) == []
