"""A mistake in one place of a cluster."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tests.k8s.cluster import namespace, title
from tests.k8s.mutations import Cluster, Json

GONE = object()
"""In place of a value: it is taken away."""

Row = tuple[str, str, Any]
"""Kind/name, the keys and positions that lead to a value with dots between, and another value.

Kind/name is a pattern, with `namespace:` before it where there are several. Without a path all that
match are `GONE`, or an object is added: the value is what it has besides its kind and name.
"""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One place of one object, and the policy that has to find it."""

    found_by: str
    row: Row
    cluster: str

    def __str__(self) -> str:
        of, path, value = self.row
        what = "gone" if value is GONE else value if path else "added"
        return f"{self.found_by}: {of} {path.rpartition('.')[2]} {what}"

    def make(self, cluster: Cluster) -> None:
        """In place."""
        of, path, value = self.row
        if path:
            # Not the one of the same name that is there for the monitoring.
            _put(min(self._own(cluster), key=_of_monitoring), path, value)
        elif value is GONE:
            gone = self._own(cluster)
            assert gone, f"{of} is not there"
            cluster[:] = [it for it in cluster if it not in gone]
        else:
            kind, name = of.split("/")
            labels = {"app.kubernetes.io/part-of": "user-api"}
            metadata = {"name": name, "labels": labels, **value.get("metadata", {})}
            cluster.append({"kind": kind, **value, "metadata": metadata})

    def _own(self, cluster: Cluster) -> Cluster:
        of = self.row[0] if ":" in self.row[0] else f".*:{self.row[0]}"
        # A generated map has a hash behind its name.
        pattern = re.compile(f"{of}(-[0-9a-z]{{10}})?")
        return [it for it in cluster if pattern.fullmatch(f"{namespace(it)}:{title(it)}")]


def _of_monitoring(it: Json) -> bool:
    return namespace(it).startswith("monitoring")


def _put(place: Any, path: str, value: Any) -> None:
    """A key that has dots itself has commas for them in the path."""
    steps = [step.replace(",", ".") for step in path.split(".")]
    *way, last = (int(step) if step.isdigit() else step for step in steps)
    for step in way:
        place = place[step]
    if value is GONE:
        del place[last]
    elif isinstance(place, list) and last == len(place):
        place.append(value)
    else:
        place[last] = value
