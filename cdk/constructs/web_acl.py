"""The web application firewall of a site's public load balancers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.constructs.log_group import ForgettingLogGroup

REQUESTS_PER_ADDRESS = 2000
"""In five minutes, from one address; the application's own limits are much closer."""

_SECRET_HEADERS = ("authorization", "cookie")


@dataclass(frozen=True, kw_only=True)
class _Managed:
    """A rule group that AWS keeps. `counted` are its rules that only count."""

    name: str
    counted: Sequence[str] = ()


_MANAGED = (
    _Managed(name="AWSManagedRulesAmazonIpReputationList"),
    # It would refuse bodies above 8 KiB; the application takes up to 64 KiB, and refuses the rest.
    _Managed(name="AWSManagedRulesCommonRuleSet", counted=("SizeRestrictions_BODY",)),
    _Managed(name="AWSManagedRulesKnownBadInputsRuleSet"),
    _Managed(name="AWSManagedRulesSQLiRuleSet"),
)


class WebAcl(Construct):
    """AWS managed rules and a limit an address; logs what it refuses or would have refused."""

    def __init__(self, scope: Construct, id_: str, *, deployment: Deployment, site: Site) -> None:
        super().__init__(scope, id_)
        name = deployment.name(f"{site.part}web-acl")
        acl = wafv2.CfnWebACL(
            self,
            "Acl",
            name=name,
            scope="REGIONAL",
            default_action=wafv2.CfnWebACL.DefaultActionProperty(allow={}),
            visibility_config=_visible(name),
            rules=[
                _rate_rule(),
                *(_managed_rule(group, place) for place, group in enumerate(_MANAGED, 1)),
            ],
        )
        self.arn: str = acl.attr_arn
        self.name = name
        # WAF takes no other beginning.
        self.log_group = ForgettingLogGroup(
            self, "Logs", deployment=deployment, name=f"aws-waf-logs-{name}"
        )
        self._log(acl)

    def _log(self, acl: wafv2.CfnWebACL) -> None:
        destination = Stack.of(self).format_arn(
            service="logs",
            resource="log-group",
            resource_name=f"aws-waf-logs-{self.name}",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        logging = wafv2.CfnLoggingConfiguration(
            self,
            "Logging",
            resource_arn=acl.attr_arn,
            log_destination_configs=[destination],
            redacted_fields=[
                wafv2.CfnLoggingConfiguration.FieldToMatchProperty(single_header={"Name": header})
                for header in _SECRET_HEADERS
            ],
            logging_filter={
                "DefaultBehavior": "DROP",
                "Filters": [
                    {
                        "Behavior": "KEEP",
                        "Requirement": "MEETS_ANY",
                        "Conditions": [
                            {"ActionCondition": {"Action": "BLOCK"}},
                            {"ActionCondition": {"Action": "COUNT"}},
                        ],
                    }
                ],
            },
        )
        logging.node.add_dependency(self.log_group)


def _rate_rule() -> wafv2.CfnWebACL.RuleProperty:
    return wafv2.CfnWebACL.RuleProperty(
        name="requests-per-address",
        priority=0,
        action=wafv2.CfnWebACL.RuleActionProperty(
            block=wafv2.CfnWebACL.BlockActionProperty(
                custom_response=wafv2.CfnWebACL.CustomResponseProperty(response_code=429)
            )
        ),
        statement=wafv2.CfnWebACL.StatementProperty(
            rate_based_statement=wafv2.CfnWebACL.RateBasedStatementProperty(
                aggregate_key_type="IP",
                limit=REQUESTS_PER_ADDRESS,
                evaluation_window_sec=300,
            )
        ),
        visibility_config=_visible("requests-per-address"),
    )


def _managed_rule(group: _Managed, priority: int) -> wafv2.CfnWebACL.RuleProperty:
    nothing: dict[str, Any] = {}
    return wafv2.CfnWebACL.RuleProperty(
        name=group.name,
        priority=priority,
        override_action=wafv2.CfnWebACL.OverrideActionProperty(none=nothing),
        statement=wafv2.CfnWebACL.StatementProperty(
            managed_rule_group_statement=wafv2.CfnWebACL.ManagedRuleGroupStatementProperty(
                vendor_name="AWS",
                name=group.name,
                rule_action_overrides=[
                    wafv2.CfnWebACL.RuleActionOverrideProperty(
                        name=rule,
                        action_to_use=wafv2.CfnWebACL.RuleActionProperty(count=nothing),
                    )
                    for rule in group.counted
                ]
                or None,
            )
        ),
        visibility_config=_visible(group.name),
    )


def _visible(metric: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
    # Sampled requests show headers, credentials among them, to whoever may open the console.
    return wafv2.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=metric, sampled_requests_enabled=False
    )
