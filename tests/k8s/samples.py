"""A small manifest of each kind of fault finder's, whole and valid, for tests to break."""

from __future__ import annotations

from typing import Any

import yaml

ROLLOUT = """
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: user-api, namespace: production}
spec:
  replicas: 3
  selector: {matchLabels: {app.kubernetes.io/name: user-api}}
  strategy:
    canary:
      canaryService: user-api-canary
      stableService: user-api
      maxSurge: 1
      maxUnavailable: 0
      steps: [{setWeight: 10}, {pause: {duration: 10m}}, {pause: {}}]
      trafficRouting: {alb: {ingress: user-api, servicePort: 80}}
  template:
    metadata: {labels: {app.kubernetes.io/name: user-api}}
    spec:
      containers:
        - name: api
          image: example/user-api
          ports: [{name: http, containerPort: 3000}]
"""
EXTERNAL_SECRET = """
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: debug, namespace: production}
spec:
  refreshInterval: 1h
  secretStoreRef: {name: aws, kind: ClusterSecretStore}
  target: {name: debug}
  data: [{secretKey: password, remoteRef: {key: user-api/production/database, property: password}}]
"""
SECRET_STORE = """
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: aws}
spec: {provider: {aws: {service: SecretsManager, region: eu-central-1}}}
"""
PEER_AUTHENTICATION = """
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: user-api, namespace: production}
spec: {mtls: {mode: STRICT}}
"""
DESTINATION_RULE = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: user-api, namespace: production}
spec:
  host: user-api
  trafficPolicy:
    connectionPool: {tcp: {maxConnections: 100}, http: {http1MaxPendingRequests: 50}}
    outlierDetection: {consecutive5xxErrors: 5, interval: 30s, baseEjectionTime: 30s}
    tls: {mode: ISTIO_MUTUAL}
"""
VIRTUAL_SERVICE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: user-api, namespace: production}
spec:
  hosts: [user-api]
  http:
    - match: [{method: {exact: GET}}]
      timeout: 6s
      retries: {attempts: 2, perTryTimeout: 2s, retryOn: connect-failure}
      route: [{destination: {host: user-api, port: {number: 80}}, weight: 100}]
"""
POD_MONITOR = """
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: user-api, namespace: production}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: user-api}}
  podTargetLabels: [rollouts-pod-template-hash]
  podMetricsEndpoints: [{port: metrics, path: /metrics, interval: 15s}]
"""
ANALYSIS = """
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: errors, namespace: production}
spec:
  args: [{name: version}]
  metrics:
    - name: errors
      interval: 1m
      count: 5
      failureLimit: 1
      successCondition: len(result) > 0 && result[0] < 0.05
      provider: {prometheus: {address: "http://prometheus.monitoring:9090", query: up}}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: user-api, namespace: development}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: user-api}}
  template:
    metadata: {labels: {app.kubernetes.io/name: user-api}}
    spec:
      containers:
        - name: api
          image: example/user-api
          ports: [{name: http, containerPort: 3000}]
          readinessProbe: {httpGet: {path: /health/ready, port: http}, periodSeconds: 5}
"""
ALL = {
    "Rollout": ROLLOUT,
    "ExternalSecret": EXTERNAL_SECRET,
    "ClusterSecretStore": SECRET_STORE,
    "PeerAuthentication": PEER_AUTHENTICATION,
    "DestinationRule": DESTINATION_RULE,
    "VirtualService": VIRTUAL_SERVICE,
    "PodMonitor": POD_MONITOR,
    "AnalysisTemplate": ANALYSIS,
    "Deployment": DEPLOYMENT,
}


def sample(kind: str) -> dict[str, Any]:
    """A fresh copy that a test may change."""
    manifest: dict[str, Any] = yaml.safe_load(ALL[kind])
    return manifest
