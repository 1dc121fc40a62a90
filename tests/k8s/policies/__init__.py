"""What must hold for everything in a cluster: each policy gives the faults, a line each."""

from __future__ import annotations

from collections.abc import Callable

from tests.k8s.cluster import Faults, Manifests
from tests.k8s.policies import availability, configuration, details, hardening, networking, wiring

Policy = Callable[[Manifests], Faults]

POLICIES: tuple[Policy, ...] = (
    hardening.restricted,
    hardening.pod_security,
    hardening.resources,
    hardening.pinned_images,
    hardening.service_accounts,
    hardening.narrow_roles,
    availability.probes,
    availability.disruption,
    availability.quota,
    availability.grace,
    availability.spread,
    availability.priorities,
    networking.default_deny,
    networking.ports_in_use,
    networking.metrics_apart,
    networking.egress_of_settings,
    networking.policies_select,
    networking.never_everywhere,
    wiring.labels,
    wiring.unique,
    wiring.selectors,
    wiring.services,
    wiring.monitors,
    wiring.references,
    configuration.settings,
    configuration.no_secrets,
    configuration.roles_of_aws,
    details.protocols,
    details.keys,
    details.mesh_ports,
    details.egress_peers,
)
"""They see a whole cluster: an environment, what it stands on, and its migration."""
