"""A small cluster that breaks no policy, for tests to break one at a time."""

from __future__ import annotations

import json
from typing import Any

import yaml

_CLUSTER = """
- apiVersion: v1
  kind: Namespace
  metadata:
    name: production
    labels: {pod-security.kubernetes.io/enforce: restricted}
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: default-deny, namespace: production}
  spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
- apiVersion: v1
  kind: ResourceQuota
  metadata: {name: quota, namespace: production}
  spec: {hard: {requests.cpu: "4", requests.memory: 8Gi, pods: "16"}}
- apiVersion: scheduling.k8s.io/v1
  kind: PriorityClass
  metadata: {name: service}
  value: 1000
- apiVersion: v1
  kind: ServiceAccount
  metadata: {name: user-api, namespace: production}
- apiVersion: v1
  kind: ServiceAccount
  metadata: {name: debug, namespace: production}
- apiVersion: v1
  kind: ServiceAccount
  metadata: {name: db-migration, namespace: production}
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: settings, namespace: production}
  data:
    CACHE_SECRET_ARN: user-api/production/cache
    DATABASE_SECRET_ARN: user-api/production/database
    DRAIN_SECONDS: "5"
    ENVIRONMENT: production
    HOST: 0.0.0.0
    LOG_LEVEL: INFO
    METRICS_PORT: "3002"
    MAIL_FROM: User API <no-reply@example.com>
    MAIL_URL: ses://eu-central-1?configuration_set=user-api
    PUBLIC_URL: https://api.example.com
    SETTINGS_SECRET_ARN: user-api/production/settings
    TRUSTED_PROXY_HOPS: "1"
- apiVersion: argoproj.io/v1alpha1
  kind: Rollout
  metadata: {name: user-api, namespace: production}
  spec:
    selector: {matchLabels: &labels {app.kubernetes.io/name: user-api}}
    strategy:
      canary:
        maxSurge: 1
        stableService: user-api
        canaryService: user-api-canary
        dynamicStableScale: true
        steps: [{setWeight: 10}, {pause: {duration: 10m}}]
        trafficRouting: {alb: {ingress: user-api, rootService: user-api, servicePort: 80}}
    template:
      metadata:
        labels:
            app.kubernetes.io/name: user-api
            app.kubernetes.io/component: api
            app.kubernetes.io/part-of: user-api
      spec:
        serviceAccountName: user-api
        automountServiceAccountToken: false
        priorityClassName: service
        terminationGracePeriodSeconds: 60
        securityContext: &pod
          {runAsNonRoot: true, runAsUser: 1001, seccompProfile: {type: RuntimeDefault}}
        topologySpreadConstraints:
          - topologyKey: topology.kubernetes.io/zone
            maxSkew: 1
            whenUnsatisfiable: ScheduleAnyway
            labelSelector: {matchLabels: *labels}
        containers:
          - name: api
            image: &image
              example/user-api@sha256:1234567812345678123456781234567812345678123456781234567812345678
            envFrom: [{configMapRef: {name: settings}}]
            env: [{name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
            ports: [{name: http, containerPort: 3000}, {name: metrics, containerPort: 3002}]
            startupProbe: &live {httpGet: {path: /health/live, port: http}}
            livenessProbe: *live
            readinessProbe: {httpGet: {path: /health/ready, port: http}}
            lifecycle: {preStop: {sleep: {seconds: 20}}}
            resources: &resources
              {requests: {cpu: 250m, memory: 512Mi}, limits: {cpu: "1", memory: 1Gi}}
            securityContext: &container
              allowPrivilegeEscalation: false
              readOnlyRootFilesystem: true
              capabilities: {drop: [ALL]}
- apiVersion: batch/v1
  kind: Job
  metadata: {name: db-migration, namespace: production}
  spec:
    template:
      metadata:
        labels:
            app.kubernetes.io/name: db-migration
            app.kubernetes.io/component: migration
            app.kubernetes.io/part-of: user-api
      spec:
        restartPolicy: Never
        serviceAccountName: db-migration
        automountServiceAccountToken: false
        priorityClassName: service
        securityContext: *pod
        containers:
          - name: migration
            image: *image
            env:
              - {name: ENVIRONMENT, value: production}
              - {name: MIGRATION_DATABASE_SECRET_ARN, value: user-api/production/owner}
            resources: *resources
            securityContext: *container
- apiVersion: external-secrets.io/v1
  kind: ClusterSecretStore
  metadata: {name: aws}
  spec: {provider: {aws: {service: SecretsManager, region: eu-central-1}}}
- apiVersion: external-secrets.io/v1
  kind: ExternalSecret
  metadata: {name: owner, namespace: production}
  spec: {secretStoreRef: {name: aws, kind: ClusterSecretStore}, data: []}
- apiVersion: autoscaling/v2
  kind: HorizontalPodAutoscaler
  metadata: {name: user-api-hpa, namespace: production}
  spec:
    scaleTargetRef: {apiVersion: argoproj.io/v1alpha1, kind: Rollout, name: user-api}
    minReplicas: 3
    maxReplicas: 10
- apiVersion: monitoring.coreos.com/v1
  kind: PodMonitor
  metadata: {name: user-api, namespace: production}
  spec: {selector: {matchLabels: *labels}, podMetricsEndpoints: [{port: metrics}]}
- apiVersion: policy/v1
  kind: PodDisruptionBudget
  metadata: {name: user-api, namespace: production}
  spec: {minAvailable: 2, selector: {matchLabels: *labels}}
- apiVersion: v1
  kind: Service
  metadata: {name: user-api, namespace: production}
  spec: &service {selector: *labels, ports: [{name: http, port: 80, targetPort: http}]}
- apiVersion: v1
  kind: Service
  metadata: {name: user-api-canary, namespace: production}
  spec: *service
- apiVersion: networking.k8s.io/v1
  kind: Ingress
  metadata:
    name: user-api
    namespace: production
    annotations:
      alb.ingress.kubernetes.io/target-group-attributes: deregistration_delay.timeout_seconds=15
  spec:
    rules:
      - http:
          paths:
            - path: /
              pathType: Prefix
              backend: {service: {name: user-api, port: {name: use-annotation}}}
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: user-api, namespace: production}
  spec:
    podSelector: {matchLabels: *labels}
    policyTypes: [Ingress, Egress]
    ingress:
      - from: [{ipBlock: {cidr: 10.0.0.0/16}}]
        ports: [{port: http}]
      - from:
          - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}
            podSelector: {matchLabels: {app.kubernetes.io/name: prometheus}}
        ports: [{port: metrics}]
    egress:
      - to:
          - &dns
            namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
            podSelector: {matchLabels: {k8s-app: kube-dns}}
        ports: [{port: 53, protocol: UDP}, {port: 53}]
      - {to: [{ipBlock: {cidr: 10.0.0.0/16}}], ports: [{port: 5432}, {port: 6379}]}
      - to: [&internet {ipBlock: {cidr: 0.0.0.0/0, except: [169.254.0.0/16]}}]
        ports: [{port: 443}]
      - {to: [{ipBlock: {cidr: 169.254.170.23/32}}], ports: [{port: 80}]}
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: db-migration, namespace: production}
  spec:
    podSelector: {matchLabels: {app.kubernetes.io/name: db-migration}}
    policyTypes: [Egress]
    egress:
      - {to: [*dns], ports: [{port: 53, protocol: UDP}, {port: 53}]}
      - {to: [{ipBlock: {cidr: 10.0.0.0/16}}], ports: [{port: 5432}]}
      - {to: [*internet], ports: [{port: 443}]}
      - {to: [{ipBlock: {cidr: 169.254.170.23/32}}], ports: [{port: 80}]}
"""


def sample_cluster() -> list[dict[str, Any]]:
    """A fresh copy, each object with the standard labels and no part shared."""
    # Aliases would share parts: written out, each is its own.
    manifests: list[dict[str, Any]] = json.loads(json.dumps(yaml.safe_load(_CLUSTER)))
    for it in manifests:
        labels = it["metadata"].setdefault("labels", {})
        labels |= {"app.kubernetes.io/name": it["metadata"]["name"]}
        labels |= {"app.kubernetes.io/part-of": "user-api"}
    return manifests
