"""Statements of policies as the tables in rights/ write them: a line each, the same everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.infra.resolved import Resource

_DOCUMENTS = ("KeyPolicy", "PolicyDocument", "AccessPolicy", "ResourcePolicy")
_VERSION = "2012-10-17"
"""Of the policy language; in the older one `${aws:userid}` would be no variable."""


class Statement(NamedTuple):
    """Each part sorted; `to` is empty for the rights of a role."""

    effect: str
    actions: tuple[str, ...]
    to: tuple[str, ...]
    of: tuple[str, ...]
    conditions: tuple[str, ...]


class Held(NamedTuple):
    """A statement in its place; `group` is the table that has to list it."""

    group: str
    site: str
    holder: str
    statement: Statement

    def __str__(self) -> str:
        parts = (" ".join(part) for part in self.statement[1:] if part)
        return f"{self.site} {self.holder}: {self.statement.effect} {', '.join(parts)}"


def statements(resource: Resource) -> Iterator[Held]:
    """Of its policy documents and managed policies, its boundary, or its entry to the cluster."""
    properties = resource.properties
    if resource.kind == "IAM::Policy":
        for holder in properties["Roles"]:
            yield from _all("roles", resource.site, holder, properties["PolicyDocument"])
    elif resource.kind == "IAM::Role":
        yield from _role(resource)
    elif resource.kind == "EKS::AccessEntry":
        for right in _entry(properties):
            yield Held("access", resource.site, resource.name, right)
    else:
        for key in _DOCUMENTS:
            if key in properties:
                yield from _all("resources", resource.site, resource.name, properties[key])


def _role(role: Resource) -> Iterator[Held]:
    it, place = role.properties, (role.site, role.name)
    yield from _all("trust", *place, it["AssumeRolePolicyDocument"])
    for policy in it.get("Policies", ()):
        yield from _all("roles", *place, policy["PolicyDocument"])
    if managed := it.get("ManagedPolicyArns"):
        yield Held("roles", *place, Statement("managed", tuple(sorted(managed)), (), (), ()))
    if boundary := it.get("PermissionsBoundary"):
        yield Held("roles", *place, Statement("boundary", (boundary,), (), (), ()))


def _entry(it: Mapping[str, Any]) -> Iterator[Statement]:
    known = {"AccessPolicies", "ClusterName", "KubernetesGroups", "PrincipalArn", "Tags"}
    assert set(it) <= known, it
    to, of = (it["PrincipalArn"],), (it["ClusterName"],)
    for policy in it.get("AccessPolicies", ()):
        scope = policy["AccessScope"]
        within = " ".join([scope["Type"], *sorted(scope.get("Namespaces", ()))])
        yield Statement("managed", (policy["PolicyArn"],), to, of, (f"scope {within}",))
    if groups := it.get("KubernetesGroups"):
        yield Statement("groups", tuple(sorted(groups)), to, of, ())


def _all(group: str, site: str, holder: str, document: Mapping[str, Any]) -> Iterator[Held]:
    assert document.get("Version", _VERSION) == _VERSION, (site, holder)
    for statement in document["Statement"]:
        yield Held(group, site, holder, _statement(statement))


def _statement(it: Mapping[str, Any]) -> Statement:
    known = {"Sid", "Effect", "Action", "Principal", "Resource", "Condition"}
    assert set(it) <= known, it
    principal = it.get("Principal", {})
    to = {"AWS": principal} if isinstance(principal, str) else principal
    return Statement(
        it["Effect"].lower() if it["Effect"] in {"Allow", "Deny"} else it["Effect"],
        tuple(sorted(_listed(it["Action"]))),
        tuple(sorted(f"{kind}:{who}" for kind, all_ in to.items() for who in _listed(all_))),
        tuple(sorted(_listed(it.get("Resource", [])))),
        tuple(
            sorted(
                f"{operator} {key} {' '.join(sorted(map(str, _listed(value))))}"
                for operator, pairs in it.get("Condition", {}).items()
                for key, value in pairs.items()
            )
        ),
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
