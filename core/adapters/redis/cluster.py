"""A Redis cluster: who serves which slot, asked for again when that has changed.

redis-py's own cluster client asks one node after the other while it holds a lock, sleeps when the
cluster is down, and follows up to 16 redirects (docs/decisions/0013). All commands here have one
key, which needs none of the rest.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from core.adapters.redis.node import Command, Moved, Node, Reply, Skipped, Unreachable

Address = tuple[str, int]
Ranges = list[tuple[int, int, Address]]


class Cluster:
    """Implements Server. A node that fails takes along its own slots only."""

    def __init__(
        self,
        seed: Address,
        open_node: Callable[[str, int], Node],
        *,
        pause: float,
        seconds: Callable[[], float],
    ) -> None:
        self._seed = seed
        self._open_node = open_node
        self._pause = pause
        self._seconds = seconds
        self._lock = threading.Lock()
        self._nodes: dict[Address, Node] = {seed: open_node(*seed)}
        self._slots: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        self._stale = True
        self._turn = 0
        self._next_look = seconds()

    def call(self, command: Command[Reply]) -> Reply:
        """Raises Unreachable. Follows one redirect, which costs one more wait."""
        if self._stale:
            self._look_around()
        address = self._slots[key_slot(command.key.encode())]
        if address is None:
            raise Skipped
        try:
            return self._call(address, command)
        except Unreachable:
            # Its replica may have taken over.
            self._stale = True
            raise

    def reachable(self) -> bool:
        """Whether every slot is served; the first node that fails is the last one to be asked."""
        if self._stale:
            self._look_around()
        served = set(self._slots)
        return None not in served and all(
            self._node(address).reachable() for address in served if address is not None
        )

    def close(self) -> None:
        with self._lock:
            for node in self._nodes.values():
                node.close()

    def _call(self, address: Address, command: Command[Reply]) -> Reply:
        try:
            return self._node(address).call(command)
        except Moved as moved:
            self._stale = True
            there = (moved.host or address[0], moved.port)
        try:
            return self._node(there).call(command)
        except Moved:
            raise Unreachable("redirected twice") from None

    def _node(self, address: Address) -> Node:
        with self._lock:
            if address not in self._nodes:
                self._nodes[address] = self._open_node(*address)
            return self._nodes[address]

    def _look_around(self) -> None:
        """One caller asks, once in a `pause`; on a node that fails it spends one wait at most."""
        with self._lock:
            now = self._seconds()
            if now < self._next_look:
                return
            self._next_look = now + self._pause
            known = list(self._nodes.values())
            self._turn += 1
        turn = self._turn % len(known)
        for node in known[turn:] + known[:turn]:
            try:
                ranges = node.call(_slots_command(node.host))
            except Skipped:
                continue
            except (Unreachable, Moved):
                return
            self._learn(ranges)
            return

    def _learn(self, ranges: Ranges) -> None:
        slots: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        for first, last, address in ranges:
            slots[first : last + 1] = [address] * (last + 1 - first)
        kept = {self._seed, *(address for _, _, address in ranges)}
        with self._lock:
            for address in self._nodes.keys() - kept:
                self._nodes.pop(address).close()
        self._slots = slots
        self._stale = False


def _slots_command(asked: str) -> Command[Ranges]:
    """CLUSTER SLOTS; an empty or unknown host in its reply is the one that was asked."""

    def read(reply: object) -> Ranges:
        if not isinstance(reply, list) or not reply:
            raise ValueError("no slots")
        ranges = []
        for first, last, primary, *_ in reply:
            host = primary[0].decode() if primary[0] else ""
            ranges.append((int(first), int(last), (host.strip("?") or asked, int(primary[1]))))
        return ranges

    return Command(operation="slots", key="", words=("CLUSTER", "SLOTS"), read=read)
