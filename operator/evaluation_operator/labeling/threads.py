"""Threads for work that blocks, some for each backend, so that one that hangs takes only its own.

A thread that waits for storage cannot be broken off. Out of asyncio's own few, shared by all, a
single volume that does not answer would take every one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_current: ContextVar[Executor | None] = ContextVar("threads", default=None)


@dataclass
class Threads:
    """`count` for each name, made when they are first needed."""

    count: int
    _pools: dict[str, ThreadPoolExecutor] = field(default_factory=dict)

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Within it, and in tasks that are begun within it, `in_thread` uses those of the name."""
        if name not in self._pools:
            self._pools[name] = ThreadPoolExecutor(self.count, thread_name_prefix=name)
        before = _current.set(self._pools[name])
        try:
            yield
        finally:
            _current.reset(before)

    def close(self) -> None:
        """Waits for nothing: what hangs ends with the process."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        self._pools.clear()


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do it in one of the threads that the caller works with; without any, in asyncio's."""
    return await asyncio.get_running_loop().run_in_executor(
        _current.get(), lambda: work(*args, **kwargs)
    )
