"""An environment and what only its owner knows: account, domain, alarm targets, repository."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cdk.config.development import DEVELOPMENT
from cdk.config.model import ConfigurationError, Environment, Fallback, Network
from cdk.config.production import PRODUCTION
from cdk.config.staging import STAGING

ENVIRONMENTS: Mapping[str, Environment] = {
    each.name: each for each in (DEVELOPMENT, STAGING, PRODUCTION)
}
EXAMPLE_ACCOUNT = "123456789012"
"""The account of `example.context.json`, which nobody owns: AWS's documents use it so."""

Lookup = Callable[[str], Any]
"""A context value by its key, None without one."""

_FORMS = {
    "account": r"\d{12}",
    "domain": r"(?=.{4,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}",
    "hosted_zone_id": r"Z[A-Z0-9]{5,31}",
    "repository": r"[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}",
}
_ALARM_TARGET = re.compile(r"https://[^\s/@]+\.[^\s@]+|[^\s@:/]+@[^\s@]+\.[^\s@]+")


@dataclass(frozen=True, kw_only=True)
class Site:
    """One region of a deployment. `part` stands in the names of what it holds: "" or "dr-"."""

    region: str
    network: Network
    fallback: Fallback
    part: str = ""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """All that the stacks of one environment are made from.

    `domain` is the public name of the API, in the hosted zone `hosted_zone_id`; without one there
    is no certificate and no public load balancer. `alarm_targets` are addresses or https URLs.
    """

    environment: Environment
    account: str
    domain: str | None
    hosted_zone_id: str | None
    alarm_targets: tuple[str, ...]
    repository: str | None

    @property
    def primary(self) -> Site:
        it = self.environment
        return Site(region=it.region, network=it.network, fallback=it.fallback)

    @property
    def recovery(self) -> Site | None:
        it = self.environment.recovery
        if it is None:
            return None
        return Site(region=it.region, network=it.network, fallback=it.fallback, part="dr-")

    def name(self, *parts: str) -> str:
        """`user-api-production-...`: the one form of every name."""
        return "-".join(("user-api", self.environment.name, *parts))

    def path(self, *parts: str) -> str:
        """`/user-api/production/...`: parameters; secrets have it without the first stroke."""
        return "/".join(("/user-api", self.environment.name, *parts))

    def bucket_name(self, purpose: str, site: Site) -> str:
        """Globally unique by the account, and known in the other region before it exists."""
        return self.name(purpose, self.account, site.region)


def read_deployment(lookup: Lookup) -> Deployment:
    """Reads `env` and what goes with it; a key of the environment's own object wins.

    Raises:
        ConfigurationError: something is missing or malformed; one line says what, and what to do.
    """
    environment = ENVIRONMENTS.get(str(lookup("env")))
    if environment is None:
        raise ConfigurationError(
            f"env is {lookup('env') or 'missing'}; say one: -c env={'|'.join(ENVIRONMENTS)}"
        )
    own = lookup(environment.name) or {}
    if not isinstance(own, Mapping):
        raise ConfigurationError(f"{environment.name} in the context is not an object")

    def value(key: str) -> Any:
        return own.get(key, lookup(key))

    needed = environment.guarded
    deployment = Deployment(
        environment=environment,
        account=_text("account", value("account"), needed=True) or "",
        domain=_text("domain", value("domain"), needed=needed),
        hosted_zone_id=_text("hosted_zone_id", value("hosted_zone_id"), needed=needed),
        alarm_targets=_alarm_targets(value("alarm_targets"), needed=needed),
        repository=_text("repository", value("repository"), needed=needed),
    )
    if (deployment.domain is None) != (deployment.hosted_zone_id is None):
        raise ConfigurationError("domain and hosted_zone_id belong together; one is missing")
    return deployment


def refuse_example(deployment: Deployment, environ: Mapping[str, str] = os.environ) -> None:
    """The example is there to be looked at: the CDK command line does not get to deploy it.

    Raises:
        ConfigurationError: the command line runs the application with the example's account.
    """
    if deployment.account == EXAMPLE_ACCOUNT and "CDK_CLI_VERSION" in environ:
        raise ConfigurationError(
            f"account {EXAMPLE_ACCOUNT} is the example's; say yours: -c account=..."
        )


def _text(key: str, value: Any, *, needed: bool) -> str | None:
    if value is None or value == "":
        if needed:
            raise ConfigurationError(f"{key} is missing; say it: -c {key}=...")
        return None
    if not re.fullmatch(_FORMS[key], str(value)):
        raise ConfigurationError(f"{key} {value!r} does not look like one")
    return str(value)


def _alarm_targets(value: Any, *, needed: bool) -> tuple[str, ...]:
    if not isinstance(value, str | list | tuple | None):
        raise ConfigurationError(f"alarm_targets: {value!r} is no list")
    targets = (
        [each for each in value.split(",") if each] if isinstance(value, str) else list(value or ())
    )
    if needed and not targets:
        raise ConfigurationError(
            "alarm_targets is missing; say it: -c alarm_targets=a@b.c,https://..."
        )
    for target in targets:
        if not isinstance(target, str) or not _ALARM_TARGET.fullmatch(target):
            raise ConfigurationError(f"alarm_targets: {target!r} is no address and no https URL")
    return tuple(targets)
