"""The backends of a namespace, as its administrator has named them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable

from evaluation_operator.labeling.backend import Backend, BackendError
from evaluation_operator.labeling.backends.label_studio import LabelStudio
from evaluation_operator.labeling.backends.manual import Manual
from evaluation_operator.labeling.settings import BackendEntry, BackendType
from evaluation_operator.results.folder import Folder
from evaluation_operator.storage.options import TableOptions

CONFIG = "the ConfigMap labeling-backends (backends.yaml)"


class BackendNotFound(BackendError):
    """No backend of that name, or none named where there are several."""


class Backends:
    """Each is made when it is first asked for. Nothing is asked of it by that."""

    def __init__(
        self, entries: Iterable[BackendEntry], make: Callable[[BackendEntry], Backend]
    ) -> None:
        self._entries = {it.name: it for it in entries}
        self._make = make
        self._made: dict[str, Backend] = {}
        self._making = {name: threading.Lock() for name in self._entries}

    def choose(self, name: str | None) -> str:
        """The name of the backend; raises BackendNotFound."""
        known = ", ".join(self._entries)
        if name is None:
            if len(self._entries) != 1:
                raise BackendNotFound(
                    f"spec.labeling.backend: not set, and {CONFIG} has several: set it to one of "
                    f"{known} in a new job"
                )
            return next(iter(self._entries))
        if name not in self._entries:
            raise BackendNotFound(
                f"spec.labeling.backend: {name!r}: {CONFIG} has {known}: add it there, or name "
                "one of them in a new job"
            )
        return name

    def get(self, name: str) -> Backend:
        """From any thread, since to open a folder may take a while; nobody waits for another's."""
        with self._making[name]:
            if name not in self._made:
                self._made[name] = self._make(self._entries[name])
            return self._made[name]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._entries)

    async def aclose(self) -> None:
        made = tuple(self._made.values())
        await asyncio.gather(*(it.aclose() for it in made), return_exceptions=True)


def make_backend(entry: BackendEntry, options: TableOptions, owner: str) -> Backend:
    """The adapter of an entry's type. `owner` tells labelers apart that share a tool."""
    match entry.type:
        case BackendType.MANUAL:
            return Manual(Folder.open(entry.url, options))
        case BackendType.LABEL_STUDIO:
            token = entry.token_file
            assert token is not None, "a rule of the entry"
            return LabelStudio(entry.url, token.read_text, public_url=entry.public_url, owner=owner)
