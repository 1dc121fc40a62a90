"""Who may do what: every policy's statements, against the tables in rights/.

Roles, their trust and boundaries; what resources let in; who is let into the cluster.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.resolved import Resource
from tests.infra.statements import Held, Statement, statements

RIGHTS = Path(__file__).parent / "rights"
KEYS = {"KMS::Key", "KMS::ReplicaKey"}
GOVERNED = Statement("allow", ("kms:*",), ("AWS:arn:aws:iam::ACCOUNT:root",), ("*",), ())
INSECURE = ("Bool aws:SecureTransport false",)
ENCRYPTED_IN_TRANSIT = {
    "S3::BucketPolicy": ("s3:*", "{0}.Arn {0}.Arn/*", "S3::Bucket"),
    "SQS::QueuePolicy": ("sqs:*", "{0}.Arn", "SQS::Queue"),
    "SNS::TopicPolicy": ("sns:Publish", "{0}", "SNS::Topic"),
}
"""Kind of policy -> what is refused without TLS, on what, and of which kind that is."""


def listed(group: str, sites: Mapping[str, set[str]]) -> Iterator[Held]:
    """The table's rows, one of each site."""
    table = yaml.safe_load((RIGHTS / f"{group}.yaml").read_text(encoding="utf-8"))
    for holder, rows in table.items():
        for row in rows:
            for site in row["at"].split() if "at" in row else sites[holder]:
                yield Held(group, site, holder, _statement(row))


def _statement(row: Mapping[str, Any]) -> Statement:
    (effect,) = row.keys() & {"allow", "boundary", "deny", "groups", "managed"}
    conditions = row.get("if", [])
    return Statement(
        effect,
        tuple(sorted(row[effect].split())),
        tuple(sorted(row.get("to", "").split())),
        tuple(sorted(row.get("of", "").split())),
        tuple(sorted([conditions] if isinstance(conditions, str) else conditions)),
    )


def common(kind: str, it: Statement) -> bool:
    """What every resource of the kind has, which the tests below hold them to."""
    refusal = (it.effect, it.to, it.conditions) == ("deny", ("AWS:*",), INSECURE)
    return (kind in KEYS and it == GOVERNED) or (kind in ENCRYPTED_IN_TRANSIT and refusal)


@pytest.mark.parametrize("group", ["roles", "trust", "resources", "access"])
def test_the_statements_are_those_of_the_table(resolved: list[Resource], group: str) -> None:
    """A lost action is an outage without a rehearsal, and one too many is a hole."""
    sites = defaultdict(set)
    for it in resolved:
        sites[it.name].add(it.site)
    found = Counter(
        it
        for resource in resolved
        for it in statements(resource)
        if it.group == group and not common(resource.kind, it.statement)
    )
    wanted = Counter(listed(group, sites))
    faults = [f"not in the table: {it}" for it in sorted((found - wanted).elements())]
    faults += [f"not in the templates: {it}" for it in sorted((wanted - found).elements())]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("kind", ENCRYPTED_IN_TRANSIT)
def test_nothing_is_handed_over_without_tls(resolved: list[Resource], kind: str) -> None:
    """Every bucket, queue and topic refuses it to everybody, its own account too."""
    actions, on, guarded = ENCRYPTED_IN_TRANSIT[kind]
    shut = set()
    for policy in resolved:
        if policy.kind != kind:
            continue
        for _, site, _, it in statements(policy):
            if it.effect == "deny" and it.conditions == INSECURE and it.to == ("AWS:*",):
                shut.add((site, it.actions, it.of))
    wanted = {
        (it.site, (actions,), tuple(on.format(it.name).split()))
        for it in resolved
        if it.kind == guarded
    }
    assert shut == wanted


def test_every_key_is_governed_by_the_account(resolved: list[Resource]) -> None:
    """A key whose policy leaves out the account can be neither used by IAM nor ever changed."""
    keys = {(it.site, it.name) for it in resolved if it.kind in KEYS}
    governed = {
        (it.site, it.holder)
        for resource in resolved
        for it in statements(resource)
        if it.statement == GOVERNED
    }
    assert governed == keys
