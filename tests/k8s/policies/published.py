"""What CDK published, where it belongs; a target that is misspelt is passed over without a word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.k8s.cluster import Faults, Manifests, Pods, environment, of_kind, pods, title
from tests.k8s.policies.availability import annotation, backends
from tests.k8s.policies.configuration import KNOWN
from tests.k8s.render import ENVIRONMENTS, example

# A variable has its parameter's name in capitals; of these the names differ.
_NAMES = {"MIGRATION_DATABASE_SECRET_ARN": "database-owner-secret-arn", "PGHOST": "database-host"}
# The owner's login for the migration alone, and nothing else for it: it runs before all else.
_OF_MIGRATION = {"MIGRATION_DATABASE_SECRET_ARN", "LOG_LEVEL"}
# Without a domain there is none of these, and an overlay says what stands for them.
_WITH_DOMAIN = {"PUBLIC_URL", "MAIL_URL", "MAIL_FROM", "MAIL_EVENTS_QUEUE_URL"}
# Of psql; its login comes from the secret, and the server's certificate is not checked by name
# through a port that a session forwards.
_OF_DEBUG = {
    "HOME": "/tmp",  # noqa: S108
    "PGAPPNAME": "user-api-debug",
    "PGCONNECT_TIMEOUT": "5",
    "PGSSLMODE": "require",
}
_LOGIN = {"PGUSER": "username", "PGPASSWORD": "password", "PGPORT": "port", "PGDATABASE": "dbname"}
"""Of libpq -> of a secret as AWS writes it."""


def parameters(manifests: Manifests) -> Faults:
    """Each setting that has a parameter's name has its value, in every pod that reads it."""
    faults = []
    for it in pods(manifests):
        component = it.labels.get("app.kubernetes.io/component")
        if it.namespace not in ENVIRONMENTS or component == "debug":
            continue
        domain = any(annotation(each, "certificate-arn") for each in of_kind(manifests, "Ingress"))
        for container in it.spec["containers"]:
            given = environment(manifests, it, container)
            for name, value in _wanted(component == "migration", domain).items():
                if given.get(name) != value:
                    faults.append(f"{it.name}: {name} is {given.get(name)}, not {value}")
    return faults


def _wanted(migration: bool, domain: bool) -> Mapping[str, str]:
    found = {_NAMES.get(name, name.lower().replace("_", "-")): name for name in KNOWN}
    named = {found[key]: value for key, value in example().items() if key in found}
    if migration:
        return {name: value for name, value in named.items() if name in _OF_MIGRATION}
    left_out = {"MIGRATION_DATABASE_SECRET_ARN"} | (set() if domain else _WITH_DOMAIN)
    return {name: value for name, value in named.items() if name not in left_out}


def guarded(manifests: Manifests) -> Faults:
    """The load balancer stands in its subnets and behind the web ACL."""
    wanted = {"subnets": example()["subnet-ids"], "wafv2-acl-arn": example()["web-acl-arn"]}
    return [
        f"{title(it)}: {name} is {annotation(it, name)}"
        for it in of_kind(manifests, "Ingress")
        if list(backends(it))
        for name, value in wanted.items()
        if annotation(it, name) != value
    ]


def proxies(manifests: Manifests) -> Faults:
    """As many proxies are trusted as there are in front: with more, callers choose the address that
    they are counted by; with fewer, all callers are one."""
    return [
        f"{it.name} trusts {given} proxies"
        for it in pods(manifests)
        if it.labels.get("app.kubernetes.io/component") == "api"
        for container in it.spec["containers"]
        if (given := environment(manifests, it, container).get("TRUSTED_PROXY_HOPS")) != "1"
    ]


def logins(manifests: Manifests) -> Faults:
    """The pod for a look gets the application's login, by names that psql reads, and over TLS."""
    faults = []
    for it in of_kind(manifests, "ExternalSecret"):
        if it["metadata"]["name"] != "debug":
            continue
        found = {each["secretKey"]: each["remoteRef"] for each in it["spec"]["data"]}
        wanted = {
            name: {"key": example()["database-secret-arn"], "property": part}
            for name, part in _LOGIN.items()
        }
        if found != wanted:
            faults.append(f"{title(it)} makes {found}")
        # A rotation is at most so long unknown to the next pod.
        if it["spec"].get("refreshInterval") != "5m":
            faults.append(f"{title(it)} asks every {it['spec'].get('refreshInterval')}")
    faults += [
        f"{title(it)} is of {found}"
        for it in of_kind(manifests, "SecretStore")
        if (found := it["spec"]["provider"]["aws"].get("region")) != example()["region"]
    ]
    for pod in pods(manifests):
        if pod.labels.get("app.kubernetes.io/component") == "debug":
            faults += _psql(pod)
    return faults


def _psql(pod: Pods) -> Iterator[str]:
    wanted = {**_OF_DEBUG, "PGHOST": example()[_NAMES["PGHOST"]]}
    for container in pod.spec["containers"]:
        if container["name"] == "psql":
            given: dict[str, Any] = {each["name"]: each.get("value") for each in container["env"]}
            if given != wanted:
                yield f"{pod.name}: psql has {given}"
            if container.get("envFrom") != [{"secretRef": {"name": "debug-login"}}]:
                yield f"{pod.name}: psql has no login"
