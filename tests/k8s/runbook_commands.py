"""The commands that runbooks tell people to type, and what is wrong with one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.k8s.render import ENVIRONMENTS, Manifest

FENCES = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
PROGRAM = re.compile(r"\b(kubectl|aws|user-api) ")
INLINE = re.compile(r"`([^`]+)`")
KINDS: Mapping[str, str] = {
    "configmap": "ConfigMap",
    "externalsecret": "ExternalSecret",
    "deployment": "Deployment",
    "hpa": "HorizontalPodAutoscaler",
    "job": "Job",
    "networkpolicy": "NetworkPolicy",
    "pdb": "PodDisruptionBudget",
    "pod": "Pod",
    "resourcequota": "ResourceQuota",
    "rollout": "Rollout",
    "svc": "Service",
}
"""The short names that kubectl knows of what is in the manifests."""
ANY = frozenset({"all", "events", "nodes", "pod", "pods"})
"""What is asked for without there being a manifest of it."""

ROLLOUTS: Mapping[str, frozenset[str]] = {
    "abort": frozenset(),
    "get rollout": frozenset({"--no-color", "--timeout-seconds", "--watch"}),
    "promote": frozenset({"--full"}),
    "restart": frozenset({"--in"}),
    "retry rollout": frozenset(),
    "status": frozenset({"--timeout", "--watch"}),
    "undo": frozenset({"--to-revision"}),
}
"""Subcommand of `kubectl argo rollouts` -> flags of its own. Read in
docs/generated/kubectl-argo-rollouts of argoproj/argo-rollouts, at 4e1af7b00716."""


@dataclass(frozen=True)
class Command:
    """One program with its arguments; `place` is the page that tells to type it."""

    place: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.place}: {shlex.join(self.words)}"

    @property
    def own(self) -> tuple[str, ...]:
        """The words before `--`."""
        return self.words[: self.words.index("--")] if "--" in self.words else self.words

    @property
    def inner(self) -> tuple[str, ...]:
        """The words after `--`: what runs in the pod."""
        return self.words[len(self.own) + 1 :]

    def option(self, *names: str) -> str | None:
        for word, following in zip(self.own, (*self.own[1:], ""), strict=True):
            name, sign, value = word.partition("=")
            if name in names:
                return value if sign else following
        return None


def fenced(text: str, languages: Collection[str]) -> Iterator[str]:
    for language, block in FENCES.findall(text):
        if language in languages:
            yield block


def commands(page: Path, *, prose: bool) -> list[Command]:
    """Every simple command of the shell blocks; with `prose`, of the sentences too."""
    text = page.read_text()
    lines = [
        line
        for block in fenced(text, {"", "sh"})
        for line in block.replace("\\\n", " ").splitlines()
        if PROGRAM.search(line)
    ]
    # A command that is only talked about names no namespace.
    lines += [
        " ".join(each.split())
        for each in INLINE.findall(FENCES.sub("", text))
        if prose
        and re.match(r"(kubectl .*(-n|--kustomize) |aws .* --|user-api [a-z])", each, re.DOTALL)
    ]
    return [Command(page.name, words) for line in lines for words in _simple(line)]


def _simple(line: str) -> Iterator[tuple[str, ...]]:
    inside = re.fullmatch(r" *\w+=\$\((.*)\)", line)
    lexer = shlex.shlex(inside[1] if inside else line, posix=True, punctuation_chars="|>;&")
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    for word in [*lexer, "|"]:
        if word not in {"|", ">", "&&", ";"}:
            words.append(word)
            continue
        if words and words[0] in {"kubectl", "aws", "user-api"}:
            yield tuple(words)
        words = []


def manifests_of(
    command: Command, rendered: Mapping[str, Iterable[Manifest]]
) -> tuple[list[Manifest], str | None]:
    """What there is in the command's namespace, and the namespace."""
    namespace = command.option("-n", "--namespace")
    return list(rendered.get(namespace or "", ())), namespace


def wrong_names(command: Command, rendered: Mapping[str, Iterable[Manifest]]) -> list[str]:
    """Names in it that no manifest has. `rendered`: namespace -> all that is applied to it."""
    found, namespace = manifests_of(command, rendered)
    wrong = []
    if namespace is not None and namespace not in rendered:
        wrong.append(f"there is no namespace {namespace}")
    present = {(each["kind"], each["metadata"]["name"]) for each in found}
    for kind, name in _objects(command):
        if kind not in KINDS:
            wrong.append(f"{kind} is no kind of the manifests")
        elif name is not None and (KINDS[kind], name) not in present:
            wrong.append(f"{namespace} has no {kind}/{name}")
        elif name is None and KINDS[kind] not in {each for each, _ in present}:
            wrong.append(f"{namespace} has no {kind}")
    return wrong + _wrong_selection(command, found) + _wrong_container(command, found)


def _objects(command: Command) -> Iterator[tuple[str, str | None]]:
    own = command.own[1:]
    if own[:2] == ("argo", "rollouts"):
        yield "rollout", command.words[3 + len(_subcommand(command).split())]
        return
    for word in own[1:]:
        kind, stroke, name = word.partition("/")
        if (
            stroke
            and kind.isalpha()
            and kind not in {*ENVIRONMENTS, "k", "api"}
            and "=" not in word
        ):
            yield kind, name
    if own[0] in {"get", "describe"} and "/" not in own[1] and own[1] not in ANY:
        yield own[1], None


def _wrong_selection(command: Command, found: Iterable[Manifest]) -> list[str]:
    selector = command.option("--selector", "-l")
    if selector is None:
        return []
    wanted = set(selector.split(","))
    of_pods = command.own[1] in {"logs", "wait"} or "pods" in command.own
    for each in found:
        template = each.get("spec", {}).get("template", {}) if of_pods else each
        labels = template.get("metadata", {}).get("labels", {})
        if wanted <= {f"{key}={value}" for key, value in labels.items()}:
            return []
    return [f"nothing has the labels {selector}"]


def _wrong_container(command: Command, found: Iterable[Manifest]) -> list[str]:
    name = command.option("-c", "--container")
    names = set()
    for each in found:
        pod = each if each["kind"] == "Pod" else each.get("spec", {}).get("template", {})
        names |= {it["name"] for it in pod.get("spec", {}).get("containers", ())}
    return [] if name is None or name in names else [f"there is no container {name}"]


def _subcommand(command: Command) -> str:
    two = " ".join(command.words[3:5])
    return two if two in ROLLOUTS else command.words[3]


def wrong_rollouts_command(command: Command) -> list[str]:
    """What the plugin does not know of it."""
    name = _subcommand(command)
    if name not in ROLLOUTS:
        return [f"kubectl argo rollouts has no {name}"]
    flags = {word.partition("=")[0] for word in command.own if word.startswith("-")}
    return [f"{name} has no {flag}" for flag in sorted(flags - ROLLOUTS[name] - {"-n"})]
