"""What a program does when the kubelet asks it to end."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable


async def run_until_signalled(run: Callable[[], Awaitable[None]], stop: Callable[[], None]) -> None:
    """`run`, which `stop` makes return, until SIGTERM or SIGINT."""
    stop_on_signals(stop)
    await run()


def stop_on_signals(stop: Callable[[], None]) -> None:
    """Call `stop` on SIGTERM or SIGINT, whoever has heard them until now. Only a loop of the main
    thread can; any other has somebody else who stops it."""
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
