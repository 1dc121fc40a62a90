"""What the Ingresses tell the load balancer's controller and external-dns, by annotation.

Both pass over what they do not know, so a misspelt name is a default of AWS and no error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from handler.asgi import KEEP_ALIVE_SECONDS
from tests.k8s.cluster import Faults, Manifest, Manifests, namespace, of_kind, title
from tests.k8s.policies.addresses import VPC
from tests.k8s.policies.availability import READY, annotation, backends
from tests.k8s.policies.configuration import templates
from tests.k8s.render import example

_ALB, _DNS = "alb.ingress.kubernetes.io/", "external-dns.alpha.kubernetes.io/"
# Names of the controllers' own documentation; any action has a name of our choice.
KNOWN: Mapping[str, set[str]] = {
    _ALB: {
        *("group.name", "group.order", "scheme", "inbound-cidrs", "listen-ports", "target-type"),
        *("backend-protocol", "healthcheck-path", "healthcheck-interval-seconds"),
        *("healthcheck-timeout-seconds", "healthy-threshold-count", "unhealthy-threshold-count"),
        *("success-codes", "target-group-attributes", "load-balancer-attributes"),
        *("certificate-arn", "ssl-redirect", "ssl-policy", "subnets", "security-groups"),
        *("wafv2-acl-arn", "load-balancer-name", "tags", "manage-backend-security-group-rules"),
    },
    _DNS: {
        *("hostname", "ingress-hostname-source", "set-identifier", "aws-failover"),
        *("aws-evaluate-target-health", "aws-health-check-id"),
    },
}
_HTTP, _HTTPS = {"HTTP": 80}, {"HTTPS": 443}
_NOT_FOUND = {
    "type": "fixed-response",
    "fixedResponseConfig": {
        "contentType": "text/plain",
        "statusCode": "404",
        "messageBody": "Not Found",
    },
}
# Targets go out of service within it: cdk/constructs/failover.py reckons with that.
OUT_OF_SERVICE = 30
# What AWS takes.
_INTERVALS, _TIMEOUTS, _COUNTS = range(5, 301), range(2, 121), range(2, 11)


def known_annotations(manifests: Manifests) -> Faults:
    """Each is one that its controller reads, and the class is that of the controller."""
    faults = []
    for it in of_kind(manifests, "Ingress"):
        if it["spec"].get("ingressClassName") != "alb":
            faults.append(f"{title(it)}: no controller has its class")
        for key in it["metadata"].get("annotations", {}):
            start, _, name = key.partition("/")
            known = KNOWN.get(f"{start}/", set())
            if name not in known and not name.startswith("actions."):
                faults.append(f"{title(it)}: no controller reads {key}")
    return faults


def listeners(manifests: Manifests) -> Faults:
    """One load balancer for all: public with TLS where there is a certificate, else internal.

    As cdk/constructs/front.py makes that of Lambda, which takes over the name.
    """
    ingresses = list(of_kind(manifests, "Ingress"))
    public = any(annotation(it, "certificate-arn") for it in ingresses)
    faults = []
    for it in ingresses:
        faults += [
            f"{title(it)}: {name} is {annotation(it, name)}, not {wanted}"
            for name, wanted in _of_each(public).items()
            if annotation(it, name) != wanted
        ]
        if _json(annotation(it, "listen-ports")) != ([_HTTP, _HTTPS] if public else [_HTTP]):
            faults.append(f"{title(it)} listens on {annotation(it, 'listen-ports')}")
        if list(backends(it)):
            faults += [
                f"{title(it)}: {name} is {annotation(it, name)}, not {wanted}"
                for name, wanted in _of_the_first(public).items()
                if annotation(it, name) != wanted
            ]
            faults += [f"{title(it)}: {line}" for line in _attributes(it, public)]
    leading = sum(bool(list(backends(it))) for it in ingresses)
    if (leading, len(ingresses) - leading) != (1, 1):
        faults.append(f"of {len(ingresses)} Ingresses {leading} lead to the API, not one of two")
    orders = [annotation(it, "group.order") for it in ingresses]
    if not all(it.isdigit() and 1 <= int(it) <= 1000 for it in orders) or len(set(orders)) < len(
        orders
    ):
        faults.append(f"the order of the rules is {orders}")
    return faults


def _of_each(public: bool) -> Mapping[str, str]:
    return {
        "group.name": "user-api",
        "certificate-arn": example()["certificate-arn"] if public else "",
    }


def _of_the_first(public: bool) -> Mapping[str, str]:
    return {
        "scheme": "internet-facing" if public else "internal",
        "inbound-cidrs": "0.0.0.0/0" if public else VPC,
        "ssl-redirect": "443" if public else "",
        "ssl-policy": _of_lambda()["SslPolicy"] if public else "",
    }


@cache
def _of_lambda() -> Mapping[str, str]:
    """Attributes and TLS policy of Lambda's load balancer in production, as committed."""
    found: dict[str, str] = {}
    for it in templates("production"):
        if it["Type"] == "AWS::ElasticLoadBalancingV2::LoadBalancer":
            found |= {
                each["Key"]: each["Value"] for each in it["Properties"]["LoadBalancerAttributes"]
            }
        if it["Type"] == "AWS::ElasticLoadBalancingV2::Listener":
            found |= {key: value for key, value in it["Properties"].items() if key == "SslPolicy"}
    return found


def _attributes(it: Manifest, public: bool) -> Iterator[str]:
    given = pairs(annotation(it, "load-balancer-attributes"))
    wanted = {key: value for key, value in _of_lambda().items() if key != "SslPolicy"}
    if not public:
        del wanted["deletion_protection.enabled"]
    for key in sorted(given.keys() | wanted.keys()):
        # Each may have a bucket of its own, or none.
        if not key.startswith("access_logs") and given.get(key) != wanted.get(key):
            yield f"{key} is {given.get(key)}, and at Lambda's {wanted.get(key)}"
    if int(given.get("idle_timeout.timeout_seconds", 60)) >= KEEP_ALIVE_SECONDS:
        yield f"it keeps connections for longer than the service's {KEEP_ALIVE_SECONDS} s"


def pairs(text: str) -> Mapping[str, str]:
    """`a=1,b=2`."""
    found = (each.partition("=") for each in text.split(",") if each)
    return {key: value for key, _, value in found}


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def targets(manifests: Manifests) -> Faults:
    """Pods are asked by address whether they are ready, and are out of service in time.

    Every path leads to them; an Ingress without a rule answers 404 and nothing else.
    """
    faults = []
    for it in of_kind(manifests, "Ingress"):
        if not list(backends(it)):
            if _json(annotation(it, "actions.not-found")) != _NOT_FOUND:
                faults.append(f"{title(it)} does not answer 404")
            port = it["spec"].get("defaultBackend", {}).get("service", {}).get("port", {})
            if port.get("name") != "use-annotation":
                faults.append(f"{title(it)}: its action is taken for a Service")
            continue
        wanted = {
            "target-type": "ip",
            "backend-protocol": "HTTP",
            "healthcheck-path": READY,
            "success-codes": "200",
        }
        faults += [
            f"{title(it)}: {name} is {annotation(it, name)}, not {value}"
            for name, value in wanted.items()
            if annotation(it, name) != value
        ]
        faults += [f"{title(it)}: {line}" for line in _times(it)]
        paths = [path for rule in it["spec"]["rules"] for path in rule["http"]["paths"]]
        if [(each.get("path"), each["pathType"]) for each in paths] != [("/", "Prefix")]:
            faults.append(f"{title(it)} does not lead everything to the API")
    return faults


def _times(it: Manifest) -> Iterator[str]:
    names = [f"healthcheck-{each}-seconds" for each in ("interval", "timeout")]
    names += [f"{each}-threshold-count" for each in ("healthy", "unhealthy")]
    given = [annotation(it, name) for name in names]
    if not all(each.isdigit() for each in given):
        yield f"its health checks are {given}"
        return
    interval, timeout, well, unwell = map(int, given)
    if interval not in _INTERVALS or timeout not in _TIMEOUTS or timeout >= interval:
        yield f"it asks every {interval} s and waits for {timeout} s"
    if {well, unwell} - set(_COUNTS) or interval * max(well, unwell) > OUT_OF_SERVICE:
        yield f"it notices after {well} and {unwell} times {interval} s"
    delay = pairs(annotation(it, "target-group-attributes"))
    if set(delay) != {"deregistration_delay.timeout_seconds"}:
        yield f"its attributes of targets are {sorted(delay)}"


def records(manifests: Manifests) -> Faults:
    """With a domain each Ingress has one name, as cdk/constructs/failover.py says.

    The pair's is the first of two records, switched by the probe alone; the other one is plain.
    """
    ingresses = list(of_kind(manifests, "Ingress"))
    if not any(annotation(it, "certificate-arn") for it in ingresses):
        return []
    plain = {
        "hostname": example()["cluster-host"],
        "ingress-hostname-source": "annotation-only",
        "aws-evaluate-target-health": "false",
    }
    pair = plain | {
        "hostname": example()["failover-host"],
        "aws-health-check-id": example()["health-check-id"],
        "aws-failover": "PRIMARY",
        "set-identifier": "eks",
    }
    faults = []
    for it in ingresses:
        given = {
            key.removeprefix(_DNS): value
            for key, value in it["metadata"].get("annotations", {}).items()
            if key.startswith(_DNS)
        }
        wanted = pair if list(backends(it)) else plain
        faults += [
            f"{title(it)}: the record's {key} is {given.get(key)}, not {wanted.get(key)}"
            for key in sorted(given.keys() | wanted.keys())
            if given.get(key) != wanted.get(key)
        ]
    return faults


def gates(manifests: Manifests) -> Faults:
    """A pod is ready once the load balancer has it: else a release goes on before it gets any."""
    behind = {namespace(it) for it in of_kind(manifests, "Ingress") if list(backends(it))}
    return [
        f"{title(it)}: no gate of the load balancer"
        for it in of_kind(manifests, "Namespace")
        if it["metadata"]["name"] in behind
        and it["metadata"]["labels"].get("elbv2.k8s.aws/pod-readiness-gate-inject") != "enabled"
    ]
