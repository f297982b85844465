"""What our programs ask of an API server: the verbs, and what each of them promises.

Whoever works on objects takes an `ApiServer`, so that a server in memory can stand in for the real
one. `Kube` is the real one. How to connect to it, and how to watch, is not said here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

from evaluation_operator.kube.resources import Resource

Body = dict[str, Any]
Operations = list[Body]
"""A JSON patch."""


class ApiServer(Protocol):
    """Every call raises an ApiError. A body that is answered is the caller's own."""

    async def get(self, resource: Resource, namespace: str, name: str) -> Body:
        """Raises NotFound."""

    def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[Body]:
        """Every object, each with its apiVersion and kind."""

    def pages(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[Body]:
        """The list's pages: `items`, and `metadata` with the resourceVersion to watch from."""

    async def create(self, resource: Resource, namespace: str, body: Body) -> Body:
        """Raises AlreadyExists when the name is taken."""

    async def replace(
        self, resource: Resource, namespace: str, body: Body, *, subresource: str = ""
    ) -> Body:
        """Raises Conflict when the body's resourceVersion is not the newest."""

    async def replace_status(self, resource: Resource, namespace: str, body: Body) -> Body:
        """The status alone; raises Conflict as `replace` does."""

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Mapping[str, Any],
        *,
        field_manager: str = "evaluation-operator",
    ) -> Body:
        """A merge patch, conditional where it holds metadata.resourceVersion."""

    async def edit(
        self, resource: Resource, namespace: str, name: str, operations: Operations
    ) -> Body:
        """A JSON patch, conditional where it replaces /metadata/resourceVersion."""

    async def apply(
        self,
        resource: Resource,
        namespace: str,
        body: Body,
        *,
        field_manager: str = "evaluation-operator",
    ) -> Body:
        """Server-side apply without force; raises Conflict over a field that another has set."""

    async def delete(
        self, resource: Resource, namespace: str, name: str, *, uid: str | None = None
    ) -> None:
        """In the background; with a uid only that very object, else it raises Conflict."""
