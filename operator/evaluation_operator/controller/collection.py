"""Objects of one kind: by name, by the uid of their owner, and never older than known."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

Name = tuple[str, str]
"""(namespace, name)"""


class Known(Protocol):
    """What every kept object can say about itself."""

    @property
    def uid(self) -> str: ...
    @property
    def resource_version(self) -> str: ...
    @property
    def owner_uid(self) -> str: ...


T = TypeVar("T", bound=Known)


class Collection(Generic[T]):
    """Objects of one kind by name, and by what `indexed_by` says of them: the uid of their
    controlling owner, unless it says more."""

    def __init__(self, indexed_by: Callable[[T], tuple[str, ...]] | None = None) -> None:
        self._indexed_by = indexed_by or (lambda value: (value.owner_uid,))
        self._objects: dict[Name, T] = {}
        self._seen: dict[Name, float] = {}
        self._uids: set[str] = set()
        self._index: defaultdict[str, set[Name]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._objects)

    def items(self) -> list[tuple[Name, T]]:
        return list(self._objects.items())

    def get(self, name: Name) -> T | None:
        return self._objects.get(name)

    def has_uid(self, uid: str) -> bool:
        return uid in self._uids

    def owned_by(self, uid: str) -> list[T]:
        return [self._objects[name] for name in self.names_by(uid)]

    def names_by(self, key: str) -> list[Name]:
        """Of those that say this of themselves, by `indexed_by`."""
        return sorted(self._index.get(key, ()))

    def is_news(self, name: Name, resource_version: str) -> bool:
        """False for what is known, or older than that.

        That goes for namesakes too: late news of a deleted object must not hide its successor.
        """
        known = self._objects.get(name)
        return known is None or _newer(resource_version, known.resource_version)

    def put(self, name: Name, value: T) -> bool:
        """Whether this is news."""
        if not self.is_news(name, value.resource_version):
            return False
        known = self._objects.get(name)
        if known is not None:
            self.remove(name, known.uid)
        self._objects[name] = value
        self._uids.add(value.uid)
        self._seen[name] = time.monotonic()
        for key in filter(None, self._indexed_by(value)):
            self._index[key].add(name)
        return True

    def remove(self, name: Name, uid: str) -> bool:
        """Forget that very object; a namesake that came after it stays."""
        known = self._objects.get(name)
        if known is None or known.uid != uid:
            return False
        del self._objects[name]
        self._uids.discard(uid)
        self._seen.pop(name, None)
        for key in filter(None, self._indexed_by(known)):
            self._index[key].discard(name)
            if not self._index[key]:
                del self._index[key]
        return True

    def unseen_since(self, names: set[Name], started: float) -> list[tuple[Name, T]]:
        """What a list that started then should have shown, but did not."""
        return [
            (name, value)
            for name, value in self._objects.items()
            if name not in names and self._seen[name] < started
        ]


def _newer(version: str, known: str) -> bool:
    # Resource versions of one kind are comparable numbers, by KEP-5504.
    try:
        return int(version) > int(known)
    except ValueError:
        return version != known
