"""`python -m cdk.app`: the stacks of one environment, chosen by the context value `env`.

Nothing is looked up and nothing is asked of AWS. A configuration that cannot be deployed ends it
with one line on standard error and status 2, and no template is written.
"""

from __future__ import annotations

import sys

from aws_cdk import App

from cdk.config.deployment import Deployment, read_deployment, refuse_example
from cdk.config.model import ConfigurationError
from cdk.nag import add_rules
from cdk.stacks.backup import BackupStack, RecoveryBackupStack
from cdk.stacks.cluster import ClusterStack
from cdk.stacks.data import DataStack
from cdk.stacks.delivery import DeliveryStack
from cdk.stacks.dns import DnsStack
from cdk.stacks.dr_archive import RecoveryArchiveStack
from cdk.stacks.dr_data import RecoveryDataStack
from cdk.stacks.edge import EdgeStack
from cdk.stacks.fallback import FallbackStack
from cdk.stacks.network import NetworkStack
from cdk.stacks.observability import ObservabilityStack


def add_stacks(app: App, deployment: Deployment) -> None:
    """Adds every stack of the deployment, those of its second region included."""
    site = deployment.primary
    network = NetworkStack(app, deployment=deployment, site=site)
    data = DataStack(app, deployment=deployment, site=site, network=network)
    edge = EdgeStack(app, deployment=deployment, site=site)
    cluster = ClusterStack(
        app, deployment=deployment, site=site, network=network, data=data, edge=edge
    )
    fallback = FallbackStack(
        app, deployment=deployment, site=site, network=network, data=data, edge=edge
    )
    ObservabilityStack(
        app,
        deployment=deployment,
        site=site,
        network=network,
        data=data,
        cluster=cluster,
        edge=edge,
        fallback=fallback,
    )
    BackupStack(app, deployment=deployment, site=site, data=data)
    if deployment.repository is not None:
        DeliveryStack(app, deployment=deployment, site=site, cluster=cluster)
    recovery_fallback = _add_recovery(app, deployment, data)
    if deployment.domain is not None:
        DnsStack(
            app,
            deployment=deployment,
            site=site,
            edge=edge,
            fallback=fallback,
            recovery_fallback=recovery_fallback,
        )


def _add_recovery(app: App, deployment: Deployment, primary: DataStack) -> FallbackStack | None:
    site = deployment.recovery
    if site is None:
        return None
    network = NetworkStack(app, deployment=deployment, site=site)
    archive = RecoveryArchiveStack(app, deployment=deployment, site=site)
    # Buckets and secrets are copied to where a bucket and a key have to be first.
    primary.add_stack_dependency(archive)
    data = RecoveryDataStack(
        app, deployment=deployment, site=site, network=network, archive=archive
    )
    # The replica and the signing key's replica name what the primary region has made.
    data.add_stack_dependency(primary)
    edge = EdgeStack(app, deployment=deployment, site=site)
    fallback = FallbackStack(
        app, deployment=deployment, site=site, network=network, data=data, edge=edge
    )
    ObservabilityStack(
        app,
        deployment=deployment,
        site=site,
        network=network,
        data=data,
        cluster=None,
        edge=edge,
        fallback=fallback,
    )
    RecoveryBackupStack(app, deployment=deployment, site=site, data=data)
    return fallback


def main() -> int:
    app = App()
    try:
        deployment = read_deployment(app.node.try_get_context)
        refuse_example(deployment)
        add_stacks(app, deployment)
        add_rules(app, deployment)
    except ConfigurationError as error:
        print(f"cdk: {error}", file=sys.stderr)
        return 2
    try:
        app.synth()
    except RuntimeError as error:
        if "ValidationFailed" not in str(error):
            raise
        print("cdk: the templates break the rules named above", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
