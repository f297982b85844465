"""What goes over the wire for a name that somebody else has chosen.

`spec.modelSelector.inferenceservicename: ../../victim/inferenceservices/prod` once walked out of
its namespace: the operator read, and would have written, whatever stood at the end of that path,
as itself. Quoted it would do so still, since the API server decodes a path before it splits it
(tests/soak/test_neighbours.py shows that). A server on a socket sees here what is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.aio import client as kubernetes_client

from evaluation_operator.kube import INFERENCE_SERVICES, Kube, Rejected, follow

ANSWER = b'{"metadata": {"resourceVersion": "1"}}'
NAMESPACE = "attacker"
PREFIX = f"/apis/serving.kserve.io/v1beta1/namespaces/{NAMESPACE}/inferenceservices/"
WALKS = [
    "../../victim/inferenceservices/prod",
    "../../../../../../api/v1/namespaces/kube-system/serviceaccounts/default",
    "%2e%2e/%2e%2e/victim/inferenceservices/prod",
    "%2e%2e",
    "prod/status",
    "prod%2Fstatus",
    "/prod",
    ".",
    "..",
    "",
]
ODD = [
    "prod?fieldManager=evil&force=true#",
    "a b",
    "...",
    "..\\..",
    "a;b",
    "größe",
    "a\r\nb: c",
    "+",
]


@dataclass
class Wire:
    """An HTTP server that notes the target of every request as it came."""

    kube: Kube
    targets: list[str] = field(default_factory=list)


@pytest_asyncio.fixture
async def wire() -> AsyncIterator[Wire]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        found.targets.append(head.split(" ", 2)[1])
        size = len(ANSWER)
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size)
        writer.write(ANSWER)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    configuration = kubernetes_client.Configuration()
    configuration.host = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    found = Wire(Kube(configuration))
    yield found
    await found.kube.close()
    server.close()
    await server.wait_closed()


def service(name: str) -> dict[str, object]:
    return {"metadata": {"name": name, "uid": "u"}}


Call = Callable[[Kube, str], Awaitable[object]]
CALLS: dict[str, Call] = {
    "get": lambda kube, name: kube.get(INFERENCE_SERVICES, NAMESPACE, name),
    "apply": lambda kube, name: kube.apply(INFERENCE_SERVICES, NAMESPACE, service(name)),
    "replace": lambda kube, name: kube.replace(INFERENCE_SERVICES, NAMESPACE, service(name)),
    "patch": lambda kube, name: kube.patch(INFERENCE_SERVICES, NAMESPACE, name, {}),
    "delete": lambda kube, name: kube.delete(INFERENCE_SERVICES, NAMESPACE, name),
}


@pytest.mark.parametrize("name", WALKS)
@pytest.mark.parametrize("call", CALLS)
async def test_nothing_is_sent_for_a_name_that_walks(wire: Wire, call: str, name: str) -> None:
    with pytest.raises(Rejected, match="can be the name of nothing"):
        await CALLS[call](wire.kube, name)

    assert wire.targets == []


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("call", CALLS)
async def test_any_other_name_arrives_as_one_segment(wire: Wire, call: str, name: str) -> None:
    """aiohttp, given a string, would decode some of it and shorten the rest."""
    await CALLS[call](wire.kube, name)

    (target,) = wire.targets
    path, _, query = target.partition("?")
    assert path.startswith(PREFIX)
    segment = path.removeprefix(PREFIX)
    assert "/" not in segment
    assert unquote(segment) == name
    assert "evil" not in query


@pytest.mark.parametrize("namespace", ["victim/inferenceservices/prod", "..", ""])
async def test_a_namespace_is_a_segment_too(wire: Wire, namespace: str) -> None:
    with pytest.raises(Rejected):
        await wire.kube.get(INFERENCE_SERVICES, namespace, "prod")
    with pytest.raises(Rejected):
        await wire.kube.create(INFERENCE_SERVICES, namespace, service("prod"))
    with pytest.raises(Rejected):
        await wire.kube.replace(INFERENCE_SERVICES, "ns", service("prod"), subresource="a/b")

    assert wire.targets == []


async def test_a_watch_is_asked_for_by_the_same_path(wire: Wire) -> None:
    async with aclosing(follow(wire.kube, INFERENCE_SERVICES, "a b")) as news, asyncio.timeout(10):
        await anext(news)
        pending = asyncio.ensure_future(anext(news))
        while len(wire.targets) < 2:
            await asyncio.sleep(0.01)
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)

    paths = {urlsplit(target).path for target in wire.targets}
    assert paths == {"/apis/serving.kserve.io/v1beta1/namespaces/a%20b/inferenceservices"}


def test_a_long_name_is_not_told_in_full() -> None:
    with pytest.raises(Rejected) as caught:
        INFERENCE_SERVICES.path("ns", "/" * 5000)

    assert len(caught.value.message) < 300


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_a_path_has_as_many_segments_whatever_the_name(name: str) -> None:
    try:
        path = INFERENCE_SERVICES.path(NAMESPACE, name, "status")
    except Rejected:
        assert name in ("", ".", "..") or set(name) & set("/%")
        return
    segments = path.split("/")
    assert len(segments) == 9
    assert unquote(segments[-2]) == name
    assert path.isascii()
    assert not set(path) & set("?# \r\n\\")
