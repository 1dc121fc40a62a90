"""What a container runs, how long it may take, and what it may write to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import click

from core.config import Settings
from handler import cli
from tests.k8s.cluster import Faults, Manifests, Pods, of_kind, pods, selects, title
from tests.k8s.policies.balancer import OUT_OF_SERVICE
from tests.k8s.policies.hardening import USER
from tests.k8s.render import ROOT

_COMMAND = "app.kubernetes.io/component"
# The first migration finds no roles, and makes them.
RUNS: Mapping[str, list[str]] = {
    "api": ["serve"],
    "worker": ["worker"],
    "migration": ["migrate", "--provision"],
}
"""By component: a command of ours, which the image starts without."""

# A start fetches secrets and asks the database; a person waits for the rest.
_START = range(45, 121)
# Long enough for a pause of the process under load, short enough for who waits.
_DEAD = range(20, 61)
# A request to a process that is busy; and so many misses in a row are no chance.
_ANSWER, _MISSES = 2, range(2, 6)
# What EC2 leaves a node that it takes back.
_MOST_GRACE = 120
_RETRIES = range(1, 4)
# A day, or more: an operator finds the job of the evening in the morning.
_KEPT = range(86_400, 7 * 86_400 + 1)


def commands(manifests: Manifests) -> Faults:
    """Each runs the command of its component, with options that the command line has."""
    faults = []
    for it in pods(manifests):
        component = it.labels.get(_COMMAND, "")
        for container in it.spec["containers"]:
            words = [*container.get("command", ()), *container.get("args", ())]
            if component in RUNS and words != ["user-api", *RUNS[component]]:
                faults.append(f"{it.name} runs {' '.join(words)}")
    return faults + [
        f"the command line does not take {' '.join(words)}"
        for words in RUNS.values()
        if not _taken(words)
    ]


def _taken(words: list[str]) -> bool:
    try:
        found = cli.commands.commands[words[0]]
        found.make_context(words[0], words[1:])
    except (LookupError, click.UsageError):
        return False
    return True


def looks(manifests: Manifests) -> Faults:
    """A pod for a look sleeps, and is gone when the time of its owner is over."""
    faults = []
    for it in of_kind(manifests, "Pod"):
        spec = it["spec"]
        deadline = spec.get("activeDeadlineSeconds")
        # "For an hour", says docs/runbooks/port-forward-exec-copy.md.
        if deadline != _HOUR or spec.get("restartPolicy") != "Never":
            faults.append(f"{title(it)} stays for {deadline} s")
        if (grace := spec.get("terminationGracePeriodSeconds", 30)) > _SHELL:
            faults.append(f"{title(it)}: deletion takes {grace} s")
        names = {container["name"] for container in spec["containers"]}
        first = it["metadata"].get("annotations", {}).get("kubectl.kubernetes.io/default-container")
        if first not in names or names != {"psql", "curl"}:
            faults.append(f"{title(it)}: its containers are {sorted(names)}, {first} first")
        faults += [
            f"{title(it)}: {container['name']} runs {container.get('command')}"
            for container in spec["containers"]
            if container.get("command") != ["sleep", str(_HOUR)]
        ]
    return faults


_HOUR, _SHELL = 3600, 10


def jobs(manifests: Manifests) -> Faults:
    """A job tries again, ends before the runbook's wait does, and is there to be read."""
    faults = []
    for it in of_kind(manifests, "Job"):
        spec = it["spec"]
        if spec.get("backoffLimit", 6) not in _RETRIES:
            faults.append(f"{title(it)} tries {spec.get('backoffLimit')} times again")
        if not _START[-1] * 2 <= spec.get("activeDeadlineSeconds", 0) <= _waited():
            faults.append(
                f"{title(it)} has {spec.get('activeDeadlineSeconds')} s, of {_waited()} s"
            )
        if spec.get("ttlSecondsAfterFinished") not in _KEPT:
            faults.append(f"{title(it)} is kept for {spec.get('ttlSecondsAfterFinished')} s")
        # OnFailure takes the pod of a failed try away, and its log.
        if spec["template"]["spec"].get("restartPolicy") != "Never":
            faults.append(f"{title(it)}: the log of a try is lost")
    return faults


@cache
def _waited() -> int:
    text = (ROOT / "docs/runbooks/migration.md").read_text()
    (minutes,) = re.findall(
        r"kubectl wait .* job/db-migration .*--timeout=(\d+)m$", text, re.MULTILINE
    )
    return int(minutes) * 60


def patience(manifests: Manifests) -> Faults:
    """Probes wait for what they ask: longer than an answer takes, no longer than users bear."""
    return [
        f"{it.name}: {line}"
        for it in pods(manifests)
        if it.serving
        for container in it.spec["containers"]
        for line in _patience(container)
    ] + [
        f"{it.name} has {it.spec['terminationGracePeriodSeconds']} s of grace"
        for it in pods(manifests)
        if it.spec.get("terminationGracePeriodSeconds", 30) > _MOST_GRACE
    ]


def _patience(container: Mapping[str, Any]) -> Iterator[str]:
    # Readiness connects to the database and asks it.
    asks = Settings.database_connect_timeout + Settings.database_statement_timeout
    for name, span, least in (
        ("startupProbe", _START, _ANSWER),
        ("livenessProbe", _DEAD, _ANSWER),
        ("readinessProbe", range(5, OUT_OF_SERVICE + 1), asks),
    ):
        probe = {**_DEFAULTS, **container.get(name, {})}
        period, timeout, misses = (probe[key] for key in _DEFAULTS)
        if not least <= timeout <= period:
            yield f"{name} waits for {timeout} s every {period} s"
        if period * misses not in span:
            yield f"{name} gives up after {misses} times {period} s"
        if name != "startupProbe" and misses not in _MISSES:
            yield f"{name} gives up after {misses} misses"


_DEFAULTS = {"periodSeconds": 10, "timeoutSeconds": 1, "failureThreshold": 3}


def volumes(manifests: Manifests) -> Faults:
    """There is one place to write to, the one for temporary files, and it has a size."""
    faults = []
    for it in pods(manifests):
        there = {each["name"]: each for each in it.spec.get("volumes", ())}
        for container in it.containers():
            mounted = {
                each["mountPath"]: each["name"] for each in container.get("volumeMounts", ())
            }
            if set(mounted) != {"/tmp"} or not set(mounted.values()) <= set(there):  # noqa: S108
                faults.append(f"{it.name} {container['name']} mounts {mounted}")
        faults += [
            f"{it.name}: {name} may fill its node"
            for name, each in there.items()
            if "emptyDir" in each and "sizeLimit" not in each["emptyDir"]
        ]
    return faults


def groups(manifests: Manifests) -> Faults:
    """The pod's user is of no group but its own, not of root's, and finds no foreign variables.

    Service links would put a variable into it for each Service, of names like our settings'.
    """
    faults = []
    for it in pods(manifests):
        context = it.spec.get("securityContext", {})
        if (context.get("runAsGroup"), context.get("fsGroup")) != (USER, USER):
            faults.append(f"{it.name} runs as group {context.get('runAsGroup')}")
        if context.get("runAsNonRoot") is not True:
            faults.append(f"{it.name} may be root")
        if it.spec.get("enableServiceLinks") is not False:
            faults.append(f"{it.name} has variables of every Service")
        faults += [
            f"{it.name} {container['name']} asks the registry at each start"
            for container in it.containers()
            if container.get("imagePullPolicy") != "IfNotPresent"
        ]
    faults += [
        f"{title(it)} gives its pods a token"
        for it in of_kind(manifests, "ServiceAccount")
        if it.get("automountServiceAccountToken") is not False
    ]
    return faults


def apart(manifests: Manifests) -> Faults:
    """Pods of one kind are apart by node and by zone if they can, and start anyway if not."""
    return [f"{it.name}: {line}" for it in pods(manifests) if it.serving for line in _apart(it)]


def _apart(it: Pods) -> Iterator[str]:
    rules = it.spec.get("affinity", {}).get("podAntiAffinity", {})
    for rule in rules.get("preferredDuringSchedulingIgnoredDuringExecution", ()) or [{}]:
        term = rule.get("podAffinityTerm", {})
        if (
            not 1 <= rule.get("weight", 0) <= 100
            or term.get("topologyKey") != "kubernetes.io/hostname"
            or not _own(term.get("labelSelector"), it)
        ):
            yield "one node may have all"
    for constraint in it.spec.get("topologySpreadConstraints", ()):
        if constraint.get("maxSkew") != 1 or not _own(constraint.get("labelSelector"), it):
            yield "one zone may have more"
        if constraint.get("whenUnsatisfiable") != "ScheduleAnyway":
            yield "when a zone is lost, its pods have no place"


def _own(selector: Mapping[str, Any] | None, it: Pods) -> bool:
    """It selects these pods by a label of theirs, and not every pod."""
    return bool(selector and any(selector.values())) and selects(selector, it.labels)
