"""`python -m tests.infra.deploy`: bootstrap, deploy, look, deploy again, destroy, look again."""

from __future__ import annotations

import json
import shutil
import sys
import time

from cdk.assembly import EXAMPLE, ROOT, synthesize
from cdk.config.deployment import EXAMPLE_ACCOUNT, Deployment, read_deployment
from tests.infra.deploy import remains, state, stubs
from tests.infra.deploy.account import Account
from tests.infra.deploy.server import environment, running
from tests.infra.deploy.toolkit import Toolkit, ToolkitError
from tests.support.server import free_port
from tests.support.stopwatch import timed

ENVIRONMENTS = ("development", "production")
_OUT = ROOT / "build/deploy-offline"
_SECONDS = 150.0
"""The deadline of one command."""


def main() -> int:
    started = time.monotonic()
    shutil.rmtree(_OUT, ignore_errors=True)
    _OUT.mkdir(parents=True)
    try:
        _play()
    except (ToolkitError, AssertionError) as error:
        print(f"deploy: FAILED: {error}\ndeploy: the logs are in {_OUT}", file=sys.stderr)
        return 1
    print(f"deploy: everything held, in {time.monotonic() - started:.0f} s")
    return 0


def _play() -> None:
    deployments = [_deployment(name) for name in ENVIRONMENTS]
    templates = {}
    for name in ENVIRONMENTS:
        with timed(f"deploy: synth {name}"):
            stacks = synthesize(name, _OUT / name).stacks
        templates[name] = {each.stack_name: each.template for each in stacks}
    port = free_port()
    settings = environment(port)
    listed = _OUT / "stubbed.txt"
    toolkit = Toolkit(settings=settings, directory=_OUT)
    account = Account.of(settings)
    with running(settings, port=port, stubs=listed, log=_OUT / "moto.log"):
        regions = sorted({region for each in deployments for region in _regions(each)})
        targets = [f"aws://{EXAMPLE_ACCOUNT}/{region}" for region in regions]
        toolkit.run("bootstrap", *targets, seconds=_SECONDS)
        for deployment in deployments:
            _deploy(toolkit, deployment.environment.name)
            with timed(f"deploy: state of {deployment.environment.name}"):
                state.check(account, deployment)
        stubs.check(listed)
        for name in ENVIRONMENTS:
            again = _deploy(toolkit, name)
            for stack in templates[name]:
                assert f"{stack} (no changes)" in again, f"{stack} has changed"
        for deployment in deployments:
            name = deployment.environment.name
            remains.destroy(toolkit, account, deployment, _OUT / name, templates[name])


def _deploy(toolkit: Toolkit, name: str) -> str:
    return toolkit.run(
        "deploy",
        "--app",
        str(_OUT / name),
        "--all",
        "--method",
        "direct",
        "--require-approval",
        "never",
        "--concurrency",
        "4",
        seconds=_SECONDS,
    )


def _deployment(name: str) -> Deployment:
    context = json.loads(EXAMPLE.read_text()) | {"env": name}
    return read_deployment(context.get)


def _regions(deployment: Deployment) -> list[str]:
    recovery = deployment.recovery
    return [deployment.primary.region] + ([] if recovery is None else [recovery.region])


if __name__ == "__main__":
    sys.exit(main())
