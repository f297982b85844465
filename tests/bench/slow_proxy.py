"""An API server that is slow to some: passes everything on, but for hostile namespaces first waits.

It stands for whatever may keep a call waiting that a job gives rise to: a webhook, an aggregated
API server, a conversion. Lists and watches of all namespaces pass at once.
"""

from __future__ import annotations

import argparse
import asyncio

import aiohttp
import yarl
from aiohttp import web

from evaluation_operator.kube import Kube

MARK = "/namespaces/hostile"
PASSED_ON = ("Content-Type", "Accept")
CONNECTIONS = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True, help="how long hostile calls wait")
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments.kubeconfig, arguments.port, arguments.seconds))


async def _serve(kubeconfig: str, port: int, seconds: float) -> None:
    kube = await Kube.connect(kubeconfig)
    async with kube.watch_session(CONNECTIONS) as session:

        async def answer(request: web.Request) -> web.StreamResponse:
            if MARK in request.raw_path:
                await asyncio.sleep(seconds)
            return await _pass_on(request, session, kube.server)

        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=CONNECTIONS).start()
        await asyncio.Event().wait()


async def _pass_on(
    request: web.Request, session: aiohttp.ClientSession, server: str
) -> web.StreamResponse:
    url = yarl.URL(server + request.raw_path, encoded=True)
    headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
    timeout = aiohttp.ClientTimeout(total=None)
    body = await request.read()
    async with session.request(
        request.method, url, data=body or None, headers=headers, timeout=timeout
    ) as response:
        answer = web.StreamResponse(status=response.status)
        answer.content_type = response.content_type
        await answer.prepare(request)
        async for chunk in response.content.iter_any():
            await answer.write(chunk)
        await answer.write_eof()
        return answer


if __name__ == "__main__":
    main()
