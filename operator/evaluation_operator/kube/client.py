"""Typed calls to the API server on one bounded, shared HTTP session.

Bodies are plain dictionaries: the generated models of the client library would parse every
answer into hundreds of objects that nobody reads.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

import aiohttp
import yarl
from kubernetes.aio import client as kubernetes_client
from kubernetes.aio import config as kubernetes_config

from evaluation_operator.kube.errors import NotFound, Transient, from_response
from evaluation_operator.kube.paging import PageSize
from evaluation_operator.kube.port import Body, Operations
from evaluation_operator.kube.resources import Resource

APPLY_PATCH = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"


class _TooLarge(Exception):
    """The answer has more bytes than the caller wants to hold."""


class Kube:
    """The API server, as its caller's own identity. Use `connect` or `in_cluster_or_kubeconfig`."""

    def __init__(
        self,
        configuration: kubernetes_client.Configuration,
        *,
        request_timeout_seconds: float = 30.0,
        on_write: Callable[[str, Resource], None] | None = None,
    ) -> None:
        self._api = kubernetes_client.ApiClient(configuration)
        self._timeout = aiohttp.ClientTimeout(total=request_timeout_seconds)
        self._on_write = on_write

    @classmethod
    async def connect(
        cls,
        kubeconfig: str | None = None,
        *,
        connections: int = 64,
        on_write: Callable[[str, Resource], None] | None = None,
    ) -> Kube:
        """Connect as the pod's service account, else as the kubeconfig's current context."""
        configuration = kubernetes_client.Configuration()
        if kubeconfig is None:
            try:
                kubernetes_config.load_incluster_config(client_configuration=configuration)
            except kubernetes_config.ConfigException:
                await kubernetes_config.load_kube_config(client_configuration=configuration)
        else:
            await kubernetes_config.load_kube_config(
                config_file=kubeconfig, client_configuration=configuration
            )
        configuration.connection_pool_maxsize = connections
        return cls(configuration, on_write=on_write)

    @property
    def server(self) -> str:
        return str(self._api.configuration.host)

    def url(self, path: str, query: Mapping[str, str] | None = None) -> yarl.URL:
        """Sent as it is: nothing decodes or shortens a path that `Resource.path` has quoted."""
        return yarl.URL(
            self.server + path + (f"?{urlencode(query)}" if query else ""), encoded=True
        )

    def watch_session(
        self, connections: int, *middlewares: aiohttp.ClientMiddlewareType
    ) -> aiohttp.ClientSession:
        """A bounded session for a framework that watches, with tokens renewed per request.

        `middlewares` see each request before it is sent.
        """

        async def authenticate(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            request.headers.update(await self._auth_headers())
            return await handler(request)

        connector = aiohttp.TCPConnector(
            limit=connections, ssl=self._api.rest_client.ssl_context, keepalive_timeout=30
        )
        return aiohttp.ClientSession(
            connector=connector, middlewares=(*middlewares, authenticate), read_bufsize=2**21
        )

    async def get(self, resource: Resource, namespace: str, name: str) -> Body:
        return await self._call("GET", resource.path(namespace, name))

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[Body]:
        """Every object, read in pages so that no answer is large; what has been yielded is let
        go of."""
        selectors = {"label_selector": label_selector, "field_selector": field_selector}
        async for page in self.pages(resource, namespace, **selectors):
            items = page["items"][::-1]
            page.clear()
            while items:
                yield items.pop()

    async def pages(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[Body]:
        """The list's pages as they come: `items`, and `metadata` with the resourceVersion from
        which on a watch tells what has changed since."""
        selectors = {"labelSelector": label_selector, "fieldSelector": field_selector}
        query = {name: text for name, text in selectors.items() if text}
        size, path = PageSize(), resource.path(namespace)
        while True:
            query["limit"] = str(size.objects)
            try:
                data = await self._request("GET", path, query=query, most_bytes=size.most_bytes)
            except _TooLarge:
                size.was_too_large()
                continue
            size.fitted(len(data))
            page = json.loads(data)
            del data  # the caller may take its time
            token = (page.get("metadata") or {}).get("continue")
            page["items"] = page.get("items") or []
            for item in page["items"]:
                item.setdefault("apiVersion", resource.api_version)
                item.setdefault("kind", resource.kind)
            yield page
            if not token:
                return
            query["continue"] = token
            del page  # before the next one comes

    async def serves(self, resources: Iterable[Resource]) -> bool:
        """Whether discovery shows all of these kinds; that may lag behind their being served."""
        wanted: dict[str, set[str]] = {}
        for resource in resources:
            root = resource.path(None).rpartition("/")[0]
            wanted.setdefault(root, set()).add(resource.plural)
        for root, plurals in wanted.items():
            try:
                found = await self._call("GET", root)
            except NotFound:
                return False
            if not plurals <= {item["name"] for item in found.get("resources") or []}:
                return False
        return True

    async def create(self, resource: Resource, namespace: str, body: Body) -> Body:
        """Raises AlreadyExists when the name is taken."""
        result = await self._call("POST", resource.path(namespace), body=body)
        self._wrote("create", resource)
        return result

    async def replace(
        self, resource: Resource, namespace: str, body: Body, *, subresource: str = ""
    ) -> Body:
        """PUT with the body's resourceVersion; raises Conflict when somebody wrote first."""
        name = body["metadata"]["name"]
        path = resource.path(namespace, name, subresource)
        result = await self._call("PUT", path, body=body)
        self._wrote("update", resource)
        return result

    async def replace_status(self, resource: Resource, namespace: str, body: Body) -> Body:
        return await self.replace(resource, namespace, body, subresource="status")

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Mapping[str, Any],
        *,
        field_manager: str = "evaluation-operator",
    ) -> Body:
        """JSON merge patch; put metadata.resourceVersion into it to make it conditional."""
        path = resource.path(namespace, name)
        query = {"fieldManager": field_manager}
        result = await self._call(
            "PATCH", path, body=dict(patch), query=query, content_type=MERGE_PATCH
        )
        self._wrote("patch", resource)
        return result

    async def edit(
        self, resource: Resource, namespace: str, name: str, operations: Operations
    ) -> Body:
        """JSON patch, for lists that are too long to be sent whole; replace
        /metadata/resourceVersion in it to make it conditional."""
        path = resource.path(namespace, name)
        result = await self._call("PATCH", path, body=operations, content_type=JSON_PATCH)
        self._wrote("patch", resource)
        return result

    async def apply(
        self,
        resource: Resource,
        namespace: str,
        body: Body,
        *,
        field_manager: str = "evaluation-operator",
    ) -> Body:
        """Server-side apply, never by force: raises Conflict where somebody else has set a field.

        What this manager applied before and leaves out now is removed. With metadata.uid in the
        body no object is made where there is none.
        """
        path = resource.path(namespace, body["metadata"]["name"])
        query = {"fieldManager": field_manager, "force": "false"}
        result = await self._call("PATCH", path, body=body, query=query, content_type=APPLY_PATCH)
        self._wrote("apply", resource)
        return result

    async def delete(
        self, resource: Resource, namespace: str, name: str, *, uid: str | None = None
    ) -> None:
        """Delete in the background; with a uid only that very object."""
        body: Body = {"propagationPolicy": "Background"}
        if uid is not None:
            body["preconditions"] = {"uid": uid}
        await self._call("DELETE", resource.path(namespace, name), body=body)
        self._wrote("delete", resource)

    async def close(self) -> None:
        await self._api.close()

    def _wrote(self, verb: str, resource: Resource) -> None:
        if self._on_write is not None:
            self._on_write(verb, resource)

    async def _auth_headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], "", "", None)
        return headers

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: Body | Operations | None = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Body:
        data = await self._request(method, path, body=body, query=query, content_type=content_type)
        parsed: Body = json.loads(data)
        return parsed

    async def _request(
        self,
        method: str,
        path: str,
        *,
        body: Body | Operations | None = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        most_bytes: int | None = None,
    ) -> bytes:
        """The answer's bytes; raises _TooLarge when a good one has more of them."""
        url = self.url(path, query)
        headers = await self._auth_headers()
        headers |= {"Accept": "application/json", "Content-Type": content_type}
        try:
            answer = await self._api.rest_client.request(
                method, url, headers=headers, body=body, _request_timeout=self._timeout
            )
            data = await _read(answer.response, most_bytes)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Transient(
                f"the API server does not answer: {type(error).__name__}: {error}"
            ) from error
        if answer.status >= 400:
            raise from_response(
                answer.status,
                data,
                creating=method == "POST",
                retry_after=answer.headers.get("Retry-After"),
            )
        return data


async def _read(response: aiohttp.ClientResponse, most_bytes: int | None) -> bytes:
    if most_bytes is None or response.status >= 400:
        return await response.read()
    read = bytearray()
    async for chunk in response.content.iter_any():
        read += chunk
        if len(read) > most_bytes:
            response.close()
            raise _TooLarge
    return bytes(read)
