"""What the environment may cost in a month."""

from __future__ import annotations

from aws_cdk import aws_budgets as budgets
from constructs import Construct

from cdk.config.deployment import Deployment
from cdk.constructs.notices import Notices

NOTICES = (("ACTUAL", 80), ("FORECASTED", 100))
"""Spent, or expected by the end of the month, in per cent of the limit."""


class MonthlyBudget(Construct):
    """The account's budget, told to the alarm topic.

    It counts the whole account, which is meant to hold one environment: a filter by tag sees
    nothing until somebody activates the tag for billing, and a budget that sees nothing is silent.
    """

    def __init__(
        self, scope: Construct, id_: str, *, deployment: Deployment, notices: Notices
    ) -> None:
        super().__init__(scope, id_)
        told = [
            budgets.CfnBudget.SubscriberProperty(
                subscription_type="SNS", address=notices.topic.topic_arn
            )
        ]
        budget = budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_name=deployment.name("monthly"),
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(
                    amount=deployment.environment.monthly_budget_usd, unit="USD"
                ),
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        notification_type=kind,
                        comparison_operator="GREATER_THAN",
                        threshold=threshold,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=told,
                )
                for kind, threshold in NOTICES
            ],
        )
        # AWS Budgets tries the topic's policy when the budget is made.
        budget.node.add_dependency(notices.policy)
