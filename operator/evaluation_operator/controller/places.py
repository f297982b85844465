"""Places of each namespace for Jobs that have not ended, and who gets the next one.

The bound holds exactly within one process: a place is taken before the Job is created, and is the
Job's until it has ended. Whoever was due first is first; nobody overtakes those that wait.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from evaluation_operator.controller.keys import Key
from evaluation_operator.kube import Conflict

Order = tuple[datetime, str, str]


class Places:
    """`limit` Jobs a namespace, 0 for any number; `wake` is called with who may go on."""

    def __init__(self, limit: int = 0, wake: Callable[[Key], None] = lambda _: None) -> None:
        self._limit = limit
        self._wake = wake
        self._held: defaultdict[str, set[str]] = defaultdict(set)
        self._reserved: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._waiting: defaultdict[str, dict[Key, datetime]] = defaultdict(dict)
        self._asked: dict[Key, datetime] = {}

    @property
    def waiting(self) -> int:
        """How many keys wait, in all namespaces."""
        return sum(len(keys) for keys in self._waiting.values())

    def note(self, namespace: str, job: str, *, is_active: bool) -> None:
        """A Job was seen; it is active until it has ended or is gone."""
        if is_active:
            self._held[namespace].add(job)
        elif job in self._held[namespace]:
            self._held[namespace].discard(job)
            self._wake_next(namespace)

    def free_for(self, key: Key) -> int | None:
        """How many Jobs may be created for the key now; None: any number."""
        if not self._limit:
            return None
        free = self._free(key.namespace)
        return max(free - self._ahead_of(key), 0) if free > 0 else 0

    @contextmanager
    def taken(self, key: Key, job: str) -> Iterator[None]:
        """A place for that Job while it is created; raises Conflict where there is none."""
        namespace = key.namespace
        reserved = self._reserved[namespace]
        has_one = job in self._held[namespace] or reserved[job] > 0
        if not has_one and self.free_for(key) == 0:
            del reserved[job]
            raise Conflict(f"namespace {namespace!r} has no place for Job {job!r}")
        reserved[job] += 1
        try:
            yield
        finally:
            reserved[job] -= 1
            if not reserved[job]:
                del reserved[job]
                if job not in self._held[namespace]:
                    self._wake_next(namespace)

    @contextmanager
    def turn(self, key: Key) -> Iterator[None]:
        """Who has asked in the turn waits after it; who has not does not wait any more."""
        self._asked.pop(key, None)
        try:
            yield
        finally:
            self._settle(key, self._asked.pop(key, None))

    def ask(self, key: Key, since: datetime) -> None:
        """The key has a Job to create that has been due since then."""
        self._asked[key] = since

    def _settle(self, key: Key, since: datetime | None) -> None:
        waiting = self._waiting[key.namespace]
        before = waiting.pop(key, None)
        if since is not None:
            waiting[key] = since
        if since != before:
            self._wake_next(key.namespace)

    def _free(self, namespace: str) -> int:
        return self._limit - len(self._held[namespace] | self._reserved[namespace].keys())

    def _ahead_of(self, key: Key) -> int:
        waiting = self._waiting[key.namespace]
        mine = waiting.get(key)
        if mine is None:
            return len(waiting)
        return sum(_order(*item) < _order(key, mine) for item in waiting.items())

    def _wake_next(self, namespace: str) -> None:
        waiting, free = self._waiting[namespace], self._free(namespace)
        if not waiting or free <= 0:
            return
        for key, _ in heapq.nsmallest(free, waiting.items(), key=lambda item: _order(*item)):
            self._wake(key)


def _order(key: Key, since: datetime) -> Order:
    return since, key.kind, key.name
