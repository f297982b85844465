"""Lists of a server whose objects are as large as somebody else made them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from kubernetes.aio import client as kubernetes_client

from evaluation_operator.kube import EVALUATION_JOBS, Kube
from evaluation_operator.kube.paging import LARGEST_PAGE, PAGE_BYTES
from tests.builders import Manifest


class Shelf:
    """Serves objects of given sizes in pages, and remembers how many were asked for at once."""

    def __init__(self, sizes: list[int]) -> None:
        self.sizes = sizes
        self.asked: list[int] = []
        self.answered: list[int] = []

    async def list(self, request: web.Request) -> web.Response:
        limit, start = int(request.query["limit"]), int(request.query.get("continue", 0))
        sizes = list(enumerate(self.sizes))[start : start + limit]
        items = [{"metadata": {"name": f"job-{n}"}, "spec": {"text": "x" * it}} for n, it in sizes]
        end = start + limit
        metadata = {"continue": str(end)} if end < len(self.sizes) else {}
        data = json.dumps({"metadata": metadata, "items": items}).encode()
        self.asked.append(limit)
        self.answered.append(len(data))
        return web.Response(body=data, content_type="application/json")

    @asynccontextmanager
    async def kube(self) -> AsyncIterator[Kube]:
        app = web.Application()
        app.router.add_get("/{path:.*}", self.list)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        kube = Kube(kubernetes_client.Configuration(host=f"http://{host}:{port}"))
        try:
            yield kube
        finally:
            await kube.close()
            await runner.cleanup()


async def names_of(shelf: Shelf) -> list[str]:
    async with shelf.kube() as kube:
        listed: list[Manifest] = [item async for item in kube.list(EVALUATION_JOBS)]
    return [item["metadata"]["name"] for item in listed]


async def test_small_objects_come_many_at_a_time() -> None:
    shelf = Shelf([100] * 3000)

    assert await names_of(shelf) == [f"job-{n}" for n in range(3000)]
    assert max(shelf.asked) == LARGEST_PAGE
    assert len(shelf.asked) < 3000 / 100


async def test_a_page_is_never_larger_than_what_may_be_held() -> None:
    """500 objects of a megabyte each came in one answer, and the operator was killed for it: the
    metadata of an object is bounded by no schema."""
    shelf = Shelf([100] * 2000 + [2**20] * 25 + [100] * 500)

    assert await names_of(shelf) == [f"job-{n}" for n in range(2525)], "each of them, once"
    repeated = [size for size in shelf.answered if size > PAGE_BYTES]
    assert 0 < len(repeated) < 8, "what is too large is asked for again in smaller pages"
    small = [size for size in shelf.answered if size <= PAGE_BYTES]
    assert len(small) < 60


async def test_an_object_that_is_larger_than_a_page_may_be_is_read_alone() -> None:
    assert await names_of(Shelf([2 * PAGE_BYTES])) == ["job-0"]
