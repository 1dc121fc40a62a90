"""Mistakes in single values of our manifests, by the policy that has to find them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.k8s.changes import GONE, Change, Row

ALL, STAGING, DEVELOPMENT = "production+istio", "staging", "development"

_POD = "spec.template.spec"
_ONE = f"{_POD}.containers.0"
_CANARY, _GREEN = "spec.strategy.canary", "spec.strategy.blueGreen"
_UP, _DOWN = "spec.behavior.scaleUp", "spec.behavior.scaleDown"
_OUT = "spec.trafficPolicy.outlierDetection"
_AFFINITY = f"{_POD}.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution.0"
_ROLLOUT, _WORKER, _JOB = "Rollout/user-api", "Deployment/user-api-worker", "Job/db-migration"
_FROM_EDGE = "NetworkPolicy/user-api-from-load-balancer"
_EDGE, _PLAIN = "Ingress/user-api", "Ingress/user-api-eks"
_HPA, _HPA_WORKER = (f"HorizontalPodAutoscaler/user-api-{it}" for it in ("hpa", "worker-hpa"))
_ALB = "metadata.annotations.alb,ingress,kubernetes,io/"
_DNS = "metadata.annotations.external-dns,alpha,kubernetes,io/"
_GATE = "elbv2,k8s,aws/pod-readiness-gate-inject"
_COMPONENT = "app,kubernetes,io/component"
_LOOK, _LOGIN, _SETTINGS = "Pod/debug", "ExternalSecret/debug", "ConfigMap/user-api-settings"
_RULE, _ROUTE = "DestinationRule/user-api", "VirtualService/user-api"
_BUDGET, _MONITOR = "PodDisruptionBudget/user-api-worker", "PodMonitor/user-api-worker"
_RBAC: dict[str, Any] = {"apiVersion": "rbac.authorization.k8s.io/v1"}
_IN_PRODUCTION = _RBAC | {"metadata": {"namespace": "production"}}
_SECRETS = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
_STRANGER = {"kind": "User", "name": "stranger"}
_ACCOUNT = {"kind": "ServiceAccount", "name": "user-api", "namespace": "production"}
_DEVELOPERS = {"kind": "Group", "name": "user-api:developers"}


def _bound(kind: str, name: str, who: Mapping[str, str]) -> dict[str, Any]:
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
    return {"roleRef": role, "subjects": [who]}


TABLE: Mapping[str, tuple[Row, ...]] = {
    "words": (
        (_WORKER, f"{_ONE}.env.0.valueFrom.fieldRef.fieldPath", "metadata.names"),
        ("RoleBinding/look", "roleRef.apiGroup", "rbac"),
    ),
    "forms": (
        (_ROLLOUT, f"{_POD}.volumes.0.emptyDir.sizeLimit", "128MB"),
        (_FROM_EDGE, "spec.ingress.0.from.0.ipBlock.cidr", "10.0.96.0/99"),
    ),
    "namespaces": (
        ("ConfigMap/lost", "", {"apiVersion": "v1", "metadata": {"namespace": "monitor"}}),
    ),
    "directions": (
        ("NetworkPolicy/db-migration-egress", "spec.policyTypes.0", "Ingress"),
        ("NetworkPolicy/user-api-from-debug", "spec.policyTypes", GONE),
    ),
    "scraped": (
        (_MONITOR, "spec.podMetricsEndpoints.0.path", "/metric"),
        ("NetworkPolicy/user-api-worker-from-monitoring", "spec.ingress.0.ports.0.port", 3009),
    ),
    "both_ends": (
        ("NetworkPolicy/debug-egress", "spec.egress.2.ports.1.port", 3009),
        ("NetworkPolicy/user-api-from-debug", "spec.ingress.0.ports.0.port", 3009),
    ),
    "known_annotations": ((_EDGE, "spec.ingressClassName", "nginx"),),
    "listeners": (
        (_EDGE, f"{_ALB}scheme", "internal"),
        (_EDGE, f"{_ALB}inbound-cidrs", GONE),
        (_EDGE, f"{_ALB}listen-ports", '[{"HTTPS": 443}]'),
        (_PLAIN, f"{_ALB}listen-ports", '[{"HTTP": 80}]'),
        (_EDGE, f"{_ALB}ssl-redirect", GONE),
        (_EDGE, f"{_ALB}ssl-policy", "ELBSecurityPolicy-2016-08"),
        (_EDGE, f"{_ALB}load-balancer-attributes", "idle_timeout.timeout_seconds=60"),
        (_PLAIN, f"{_ALB}group,name", "user-api-2"),
        (_PLAIN, f"{_ALB}group,order", "2"),
        (_PLAIN, f"{_ALB}certificate-arn", GONE),
        (_PLAIN, "", GONE),
    ),
    "targets": (
        (_EDGE, f"{_ALB}target-type", "instance"),
        (_EDGE, f"{_ALB}backend-protocol", "HTTPS"),
        (_EDGE, f"{_ALB}healthcheck-path", "/health"),
        (_EDGE, f"{_ALB}success-codes", "200-499"),
        (_EDGE, f"{_ALB}healthcheck-interval-seconds", "30"),
        (_EDGE, f"{_ALB}healthcheck-timeout-seconds", "10"),
        (_EDGE, f"{_ALB}unhealthy-threshold-count", "10"),
        (_EDGE, "spec.rules.0.http.paths.0.path", "/v1"),
        (_PLAIN, f"{_ALB}actions,not-found", "{}"),
        (_PLAIN, "spec.defaultBackend.service.port.name", "http"),
    ),
    "records": (
        (_EDGE, f"{_DNS}hostname", "eks.api.example.com"),
        (_EDGE, f"{_DNS}aws-failover", "SECONDARY"),
        (_EDGE, f"{_DNS}aws-evaluate-target-health", GONE),
        (_EDGE, f"{_DNS}aws-health-check-id", GONE),
        (_PLAIN, f"{_DNS}ingress-hostname-source", "defined-hosts-only"),
    ),
    "gates": (("Namespace/production", f"metadata.labels.{_GATE}", "disabled"),),
    "surges": (
        (_ROLLOUT, f"{_CANARY}.maxUnavailable", 1),
        (_WORKER, "spec.strategy.rollingUpdate.maxUnavailable", GONE),
        (_WORKER, "spec.progressDeadlineSeconds", 60),
    ),
    "steps": (
        (_ROLLOUT, f"{_CANARY}.steps.0.setWeight", 50),
        (_ROLLOUT, f"{_CANARY}.steps.2.setWeight", 10),
        (_ROLLOUT, f"{_CANARY}.steps.1.pause.duration", "10s"),
        (_ROLLOUT, f"{_CANARY}.steps.4", GONE),
    ),
    "ways_back": (
        (_ROLLOUT, "spec.progressDeadlineAbort", False),
        (_ROLLOUT, f"{_CANARY}.scaleDownDelaySeconds", 20),
        (_ROLLOUT, f"{_CANARY}.abortScaleDownDelaySeconds", 0),
        (_ROLLOUT, f"{_CANARY}.abortScaleDownDelaySeconds", 20),
        (_ROLLOUT, f"{_CANARY}.minPodsPerReplicaSet", 1),
    ),
    "two_services": (
        (_ROLLOUT, f"{_CANARY}.canaryService", "user-api"),
        (_ROLLOUT, f"{_CANARY}.trafficRouting.alb.servicePort", 8080),
    ),
    "plain_services": (("Service/user-api-canary", "spec.type", "LoadBalancer"),),
    "commands": (
        (_ROLLOUT, f"{_ONE}.args.0", "server"),
        (_WORKER, f"{_ONE}.command.0", "userapi"),
        (_JOB, f"{_ONE}.args.1", GONE),
    ),
    "looks": (
        (_LOOK, "spec.activeDeadlineSeconds", GONE),
        (_LOOK, "spec.restartPolicy", "Always"),
        (_LOOK, "spec.terminationGracePeriodSeconds", 60),
        (_LOOK, "spec.containers.0.command.1", "60"),
        (_LOOK, "spec.containers.1.name", "shell"),
    ),
    "jobs": (
        (_JOB, "spec.backoffLimit", 0),
        (_JOB, "spec.activeDeadlineSeconds", 6000),
        (_JOB, "spec.ttlSecondsAfterFinished", 60),
        (_JOB, f"{_POD}.restartPolicy", "OnFailure"),
    ),
    "patience": (
        (_ROLLOUT, f"{_ONE}.readinessProbe.timeoutSeconds", 1),
        (_WORKER, f"{_ONE}.livenessProbe.failureThreshold", 1),
        (_WORKER, f"{_ONE}.startupProbe.failureThreshold", 3),
        (_WORKER, f"{_ONE}.readinessProbe.periodSeconds", 60),
        (_WORKER, f"{_POD}.terminationGracePeriodSeconds", 600),
    ),
    "volumes": (
        (_JOB, f"{_ONE}.volumeMounts.0.mountPath", "/srv"),
        (_WORKER, f"{_POD}.volumes.0.name", "temporary"),
        (_ROLLOUT, f"{_POD}.volumes.0.emptyDir.sizeLimit", GONE),
    ),
    "groups": (
        (_WORKER, f"{_POD}.securityContext.runAsGroup", 0),
        (_WORKER, f"{_POD}.securityContext.runAsNonRoot", False),
        (_JOB, f"{_POD}.enableServiceLinks", True),
        (_ROLLOUT, f"{_ONE}.imagePullPolicy", "Always"),
        ("ServiceAccount/user-api", "automountServiceAccountToken", True),
    ),
    "apart": (
        (_WORKER, f"{_AFFINITY}.podAffinityTerm.topologyKey", "topology.kubernetes.io/zone"),
        (_WORKER, f"{_POD}.topologySpreadConstraints.0.maxSkew", 5),
        (_ROLLOUT, f"{_POD}.topologySpreadConstraints.0.whenUnsatisfiable", "DoNotSchedule"),
    ),
    "scaling": (
        (_HPA, "spec.metrics.0.resource.target.averageUtilization", 700),
        (_HPA, "spec.metrics.0.resource.name", "memory"),
        (_HPA, "spec.metrics", []),
        (_HPA, f"{_UP}.stabilizationWindowSeconds", 600),
        (_HPA, f"{_UP}.policies.0.value", 0),
        (_HPA, f"{_UP}.selectPolicy", "Disabled"),
        (_HPA, f"{_DOWN}.selectPolicy", "Disabled"),
        (_HPA, f"{_DOWN}.stabilizationWindowSeconds", 0),
        (_HPA, f"{_DOWN}.policies.0.periodSeconds", 1),
        (_HPA_WORKER, "spec.maxReplicas", 1),
    ),
    "evictions": (
        (_BUDGET, "spec.minAvailable", 0),
        (_BUDGET, "spec.unhealthyPodEvictionPolicy", "IfHealthyBudget"),
    ),
    "ranks": (
        ("PriorityClass/application", "value", 10),
        ("PriorityClass/maintenance", "preemptionPolicy", GONE),
        ("PriorityClass/monitoring", "", GONE),
        (_WORKER, f"{_POD}.priorityClassName", "maintenance"),
    ),
    "disks": (
        ("StorageClass/gp3", "parameters.encrypted", "false"),
        ("StorageClass/gp3", "volumeBindingMode", "Immediate"),
        ("StorageClass/gp3", "provisioner", "kubernetes.io/aws-ebs"),
        ("StorageClass/gp3", "metadata.annotations", {}),
        ("StorageClass/gp3", "", GONE),
    ),
    "bounds": (
        ("LimitRange/containers", "spec.limits.0.max.memory", "512Mi"),
        ("LimitRange/containers", "spec.limits.0.max.cpu", GONE),
        ("LimitRange/containers", "spec.limits.0.defaultRequest.cpu", "2"),
        ("production:LimitRange/containers", "", GONE),
        ("monitoring:LimitRange/containers", "", GONE),
        ("monitoring:ResourceQuota/requests", "", GONE),
        ("monitoring:ResourceQuota/requests", "spec.hard.requests,cpu", GONE),
    ),
    "ways": (
        ("NetworkPolicy/collecting", "spec.egress.1.ports.0.port", 3101),
        ("NetworkPolicy/watching", "spec.egress.3.ports.2.port", 10255),
        ("NetworkPolicy/watching", "spec.ingress.0.ports.0.endPort", GONE),
        ("NetworkPolicy/watching", "spec.egress.5", {"ports": [{"port": 22}]}),
        ("NetworkPolicy/watching", "spec.egress.4.to", GONE),
    ),
    "metrics_ways": (("Namespace/production", f"metadata.labels.{_COMPONENT}", "other"),),
    "roles": (
        ("Role/look", "rules.0.verbs.2", "watches"),
        ("Role/operate", "rules.0.verbs.0", "get"),
        ("Role/deploy", "rules.1.apiGroups.5", "argoproj"),
        ("Role/operate", "rules.1.resources.0", "secrets"),
        ("Role/secrets", "", _IN_PRODUCTION | {"rules": [_SECRETS]}),
        ("ClusterRole/secrets", "", _RBAC | {"rules": [_SECRETS]}),
    ),
    "bindings": (
        ("RoleBinding/operate", "subjects.0.name", "user-api:developers"),
        ("RoleBinding/operate", "subjects.1", _STRANGER),
        ("RoleBinding/operate", "subjects.1", _ACCOUNT),
        ("RoleBinding/operate", "subjects.0.kind", "User"),
        ("RoleBinding/look", "roleRef", _bound("ClusterRole", "view", _STRANGER)["roleRef"]),
        ("RoleBinding/other", "", _IN_PRODUCTION | _bound("Role", "look", _STRANGER)),
        ("ClusterRoleBinding/look", "", _RBAC | _bound("ClusterRole", "admin", _DEVELOPERS)),
        ("RoleBinding/look", "", GONE),
        ("RoleBinding/operate", "", GONE),
        ("(Role|RoleBinding)/deploy", "", GONE),
    ),
    "references": (("Role/deploy", "", GONE),),
    "parameters": (
        (_SETTINGS, "data.CACHE_SECRET_ARN", "arn:aws:secretsmanager:us-east-1:1:secret:other"),
        (_SETTINGS, "data.MAIL_EVENTS_QUEUE_URL", GONE),
    ),
    "guarded": ((_EDGE, f"{_ALB}wafv2-acl-arn", GONE), (_EDGE, f"{_ALB}subnets", "subnet-0")),
    "proxies": ((_SETTINGS, "data.TRUSTED_PROXY_HOPS", "0"),),
    "logins": (
        (_LOGIN, "spec.data.1.remoteRef.property", "pass"),
        (_LOGIN, "spec.refreshInterval", "50h"),
        ("SecretStore/debug", "spec.provider.aws.region", "eu-west-1"),
        (_LOOK, "spec.containers.0.env.2.value", "disable"),
    ),
    "patience_of_the_mesh": (
        (_ROUTE, "spec.http.0.timeout", "3s"),
        (_ROUTE, "spec.http.0.retries.retryOn", "5xx"),
        (_ROUTE, "spec.http.0.retries.attempts", 5),
        (_ROUTE, "spec.http.0.retries.attempts", 0),
        (_ROUTE, "spec.http.0.retries.perTryTimeout", "3s"),
        (_ROUTE, "spec.http.0.retries.perTryTimeout", "6s"),
        (_RULE, "spec.trafficPolicy.connectionPool.tcp.connectTimeout", "2s"),
        (_ROUTE, "spec.hosts.0", "api"),
        (_ROUTE, "", GONE),
    ),
    "breakers": (
        (_RULE, f"{_OUT}.maxEjectionPercent", 100),
        (_RULE, f"{_OUT}.consecutive5xxErrors", 0),
        (_RULE, "spec.host", "api"),
        (_RULE, "spec.trafficPolicy.connectionPool.tcp.maxConnections", 100),
        (_RULE, "", GONE),
    ),
    "strict": (
        ("PeerAuthentication/default", "spec.mtls.mode", "PERMISSIVE"),
        ("AuthorizationPolicy/user-api-metrics", "spec.action", "ALLOW"),
        ("AuthorizationPolicy/user-api-metrics", "", GONE),
        ("PeerAuthentication/.*", "", GONE),
        ("PeerAuthentication/user-api", "", GONE),
        ("(AuthorizationPolicy|PeerAuthentication)/.*", "", GONE),
        ("NetworkPolicy/user-api-mesh", "spec.ingress.0.ports.0.port", 15009),
    ),
}
# Of what production does not have.
ELSEWHERE: Mapping[str, tuple[tuple[str, Row], ...]] = {
    "steps": ((STAGING, (_ROLLOUT, f"{_GREEN}.autoPromotionEnabled", True)),),
    "ways_back": ((STAGING, (_ROLLOUT, f"{_GREEN}.scaleDownDelaySeconds", 20)),),
    "two_services": ((STAGING, (_ROLLOUT, f"{_GREEN}.previewService", "user-api")),),
    "listeners": ((DEVELOPMENT, (_EDGE, f"{_ALB}scheme", "internet-facing")),),
    "bindings": ((DEVELOPMENT, ("RoleBinding/operate", "subjects.1", GONE)),),
}

_LOGGED = (
    "routing.http.drop_invalid_header_fields.enabled=true,"
    "routing.http.desync_mitigation_mode=strictest,idle_timeout.timeout_seconds=60,"
    "deletion_protection.enabled=true,access_logs.s3.enabled=true,access_logs.s3.bucket=logs"
)
# What is no mistake: a policy that finds it stands in the way.
ALLOWED = (
    Change(found_by="none", row=(_EDGE, f"{_ALB}load-balancer-attributes", _LOGGED), cluster=ALL),
)


def _changes() -> Iterator[Change]:
    for found_by, rows in TABLE.items():
        yield from (Change(found_by=found_by, row=row, cluster=ALL) for row in rows)
    for found_by, others in ELSEWHERE.items():
        yield from (Change(found_by=found_by, row=row, cluster=name) for name, row in others)


CHANGES = tuple(_changes())
