"""Each line of the design document's container and Kubernetes chapters: where it is, or what became
of it.

A line is either checked on the manifests and the Dockerfile, or a named change: a sentence that a
page of ours has to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.k8s.render import ENVIRONMENTS, Manifest


@dataclass(frozen=True)
class Made:
    """What there is: the Dockerfile, the manifests of each rendering by its name, and the table
    of docs/source-design.md."""

    dockerfile: str
    table: str
    rendered: Mapping[str, list[Manifest]]

    def named(self, rendering: str, kind: str, name: str) -> Manifest:
        found = [
            it
            for it in self.rendered[rendering]
            if it["kind"] == kind and it["metadata"]["name"] == name
        ]
        assert len(found) == 1, f"{rendering} has {len(found)} of {kind}/{name}"
        return found[0]

    def pods(self) -> Iterator[Mapping[str, Any]]:
        """The pod's specification of the API, in each environment."""
        for environment in ENVIRONMENTS:
            kind = "Deployment" if environment == "development" else "Rollout"
            yield self.named(environment, kind, "user-api")["spec"]["template"]["spec"]

    def containers(self) -> list[Mapping[str, Any]]:
        """The API's, in each environment."""
        return [
            next(it for it in pod["containers"] if it["name"] == "user-api") for pod in self.pods()
        ]

    def autoscalers(self) -> list[Mapping[str, Any]]:
        return [
            self.named(environment, "HorizontalPodAutoscaler", "user-api-hpa")["spec"]
            for environment in ENVIRONMENTS
        ]

    def quotas(self, namespace: str) -> Iterator[Mapping[str, str]]:
        """The hard limits in the namespace, wherever one is applied to it."""
        for manifests in self.rendered.values():
            for it in manifests:
                if it["kind"] == "ResourceQuota" and it["metadata"]["namespace"] == namespace:
                    yield it["spec"]["hard"]


Check = Callable[[Made], bool]


def holds(check: Check, made: Made) -> bool:
    """False too where what it looks at is not there."""
    try:
        return check(made)
    except (AssertionError, LookupError, StopIteration, RuntimeError):
        return False


def told(text: str) -> Check:
    """A named change: the table says it."""
    return lambda made: text in made.table


def both(*checks: Check) -> Check:
    return lambda made: all(check(made) for check in checks)


def resource(kind: str, name: str, value: str) -> Check:
    return lambda made: all(it["resources"][kind][name] == value for it in made.containers())


def security(name: str, value: object) -> Check:
    def check(made: Made) -> bool:
        return all(
            {**pod.get("securityContext", {}), **container.get("securityContext", {})}.get(name)
            == value
            for pod in made.pods()
            for container in pod["containers"]
        )

    return check


def quota(namespace: str, cores: str, memory: str) -> Check:
    wanted = {"requests.cpu": cores, "requests.memory": memory}

    def check(made: Made) -> bool:
        found = list(made.quotas(namespace))
        return bool(found) and all(wanted.items() <= hard.items() for hard in found)

    return check


def autoscaling(name: str, value: object) -> Check:
    return lambda made: all(it[name] == value for it in made.autoscalers())


def most(pods: int, environment: str) -> Check:
    return lambda made: (
        made.named(environment, "HorizontalPodAutoscaler", "user-api-hpa")["spec"]["maxReplicas"]
        == pods
    )


def target(name: str, percent: int) -> Check:
    wanted = {"type": "Utilization", "averageUtilization": percent}
    return lambda made: all(
        {"name": name, "target": wanted} in [each.get("resource") for each in it["metrics"]]
        for it in made.autoscalers()
    )


def scaling(direction: str, policy: Mapping[str, object], *, after: int) -> Check:
    def check(made: Made) -> bool:
        rules = [it["behavior"][direction] for it in made.autoscalers()]
        return all(
            policy in it["policies"] and it["stabilizationWindowSeconds"] == after for it in rules
        )

    return check


def probe(name: str, **wanted: object) -> Check:
    def check(made: Made) -> bool:
        probes = [{**it[name], **it[name]["httpGet"]} for it in made.containers()]
        return all(wanted.items() <= it.items() for it in probes)

    return check


def spread(made: Made) -> bool:
    return all(
        any(
            term.get("podAffinityTerm", term)["topologyKey"] == "kubernetes.io/hostname"
            for terms in pod["affinity"]["podAntiAffinity"].values()
            for term in terms
        )
        for pod in made.pods()
    )


def budget(made: Made) -> bool:
    return all(
        made.named(environment, "PodDisruptionBudget", "user-api")["spec"]["minAvailable"] == 2
        for environment in ENVIRONMENTS
    )


def port(made: Made) -> bool:
    services = [made.named(it, "Service", "user-api")["spec"]["ports"] for it in ENVIRONMENTS]
    return (
        bool(re.search(r"^EXPOSE 3000\b", made.dockerfile, re.MULTILINE))
        and all(
            {"name": "http", "containerPort": 3000}.items() <= it["ports"][0].items()
            for it in made.containers()
        )
        and all((it[0]["port"], it[0]["targetPort"]) == (80, "http") for it in services)
    )


def stages(made: Made) -> bool:
    named = re.findall(r"^FROM \S+ AS (\w+)", made.dockerfile, re.MULTILINE)
    return "builder" in named and "COPY --from=builder" in made.dockerfile


def user(made: Made) -> bool:
    found = re.findall(r"^USER (\d+)", made.dockerfile, re.MULTILINE)
    return bool(found) and found[-1] == "1001" and security("runAsUser", 1001)(made)


def mesh(made: Made) -> bool:
    return all(f"{environment}+istio" in made.rendered for environment in ENVIRONMENTS)


ALPINE = told("Debian slim, because Alpine's musl is neither what CI nor what Lambda runs")
PYTHON = told("`python:3.13` where it says `node:18`")
TAGS = told("| Image tags | not yet (pipeline); manifests name digests")
REGISTRY = told("nodes pull by ECR's pull-through cache")
SPLIT = told("one probe for both would restart every pod in a database outage")
STARTUP = told("a startup probe stands for the delays")
SCAN = told("| Trivy scans | not yet (pipeline)")

CONTAINER: Mapping[str, Check] = {
    "Our Dockerfile uses multi-stage builds for:": stages,
    "- Smaller final image size": stages,
    "- Improved security (fewer dependencies)": stages,
    "- Faster build times (layer caching)": stages,
    "# Stage 1: Builder (dependencies + build)": stages,
    "FROM node:18-alpine AS builder": PYTHON,
    "# ... build steps ...": stages,
    "# Stage 2: Production (minimal runtime)": stages,
    "FROM node:18-alpine": ALPINE,
    "# ... production setup ...": stages,
    "1. **Non-root User**: Application runs as user ID 1001": user,
    "2. **Read-only Root Filesystem**: Prevents tampering": security(
        "readOnlyRootFilesystem", True
    ),
    "3. **No Privileged Escalation**: Security context prevents privilege escalation": security(
        "allowPrivilegeEscalation", False
    ),
    "4. **Minimal Base Image**: Alpine Linux (5MB base)": ALPINE,
    "5. **Security Scanning**: Trivy scans for vulnerabilities": SCAN,
    "ghcr.io/org/user-api:latest           # Latest build from main": TAGS,
    "ghcr.io/org/user-api:v1.2.3           # Semantic version": TAGS,
    "ghcr.io/org/user-api:main-abc123      # Branch + commit SHA": TAGS,
    "ghcr.io/org/user-api:pr-456           # Pull request builds": TAGS,
    "- **Registry**: GitHub Container Registry (ghcr.io)": REGISTRY,
    "- **Access**: Token-based authentication": REGISTRY,
    "- **Scanning**: Automated vulnerability scanning": SCAN,
    "- **Retention**: 30-day retention for development tags": told(
        "retention at GitHub: not yet (pipeline)"
    ),
}

RESOURCES: Mapping[str, Check] = {
    "| Namespace | Purpose | Resource Quotas |": told("one cluster an environment"),
    "| production | Production workloads | CPU: 10 cores, Memory: 20Gi |": quota(
        "production", "10", "20Gi"
    ),
    "| staging | Staging environment | CPU: 5 cores, Memory: 10Gi |": quota("staging", "5", "10Gi"),
    "| development | Development testing | CPU: 3 cores, Memory: 6Gi |": quota(
        "development", "3", "6Gi"
    ),
    "| monitoring | Monitoring stack | CPU: 4 cores, Memory: 8Gi |": quota(
        "monitoring", "4", "8Gi"
    ),
    "**Deployment Configuration**:": port,
    "resources:": resource("requests", "cpu", "250m"),
    "requests:": resource("requests", "cpu", "250m"),
    "cpu: 250m        # Guaranteed CPU": resource("requests", "cpu", "250m"),
    "memory: 256Mi    # Guaranteed memory": told("512Mi requested, because the target of 80 %"),
    "limits:": resource("limits", "cpu", "1000m"),
    "cpu: 1000m       # Maximum CPU": resource("limits", "cpu", "1000m"),
    "memory: 1Gi      # Maximum memory": resource("limits", "memory", "1Gi"),
    "**Horizontal Pod Autoscaler**:": autoscaling("minReplicas", 3),
    "- Min Replicas: 3": autoscaling("minReplicas", 3),
    "- Max Replicas: 10": both(
        most(10, "production"), told("10 in production only, because the quotas of")
    ),
    "- CPU Target: 70%": target("cpu", 70),
    "- Memory Target: 80%": target("memory", 80),
    "- Scale-up: Aggressive (2 pods per 30s)": scaling(
        "scaleUp", {"type": "Pods", "value": 2, "periodSeconds": 30}, after=0
    ),
    "- Scale-down: Conservative (50% reduction per 60s, 5min stabilization)": scaling(
        "scaleDown", {"type": "Percent", "value": 50, "periodSeconds": 60}, after=300
    ),
}

AVAILABILITY: Mapping[str, Check] = {
    "- **Anti-Affinity**: Pods spread across nodes": spread,
    "- **Pod Disruption Budget**: Minimum 2 pods available during updates": budget,
    "- **Multiple Replicas**: Always at least 3 pods running": autoscaling("minReplicas", 3),
    "livenessProbe:": probe("livenessProbe", path="/health/live"),
    "readinessProbe:": probe("readinessProbe", path="/health/ready"),
    "httpGet:": probe("startupProbe", port="http"),
    "path: /health": SPLIT,
    "port: 3000": port,
    "initialDelaySeconds: 30": STARTUP,
    "initialDelaySeconds: 15": STARTUP,
    "periodSeconds: 10": probe("livenessProbe", periodSeconds=10),
    "periodSeconds: 5": probe("readinessProbe", periodSeconds=5),
    "failureThreshold: 3": lambda made: (
        probe("livenessProbe", failureThreshold=3)(made)
        and probe("readinessProbe", failureThreshold=3)(made)
    ),
    "Consider implementing Istio for:": mesh,
    "- Advanced traffic management": mesh,
    "- Service-to-service authentication": mesh,
    "- Observability and tracing": mesh,
    "- Circuit breaking and retries": mesh,
}

LINES: Mapping[str, Check] = {**CONTAINER, **RESOURCES, **AVAILABILITY}
