"""Waiting for what must come true, with a bound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from prometheus_client import Counter

from evaluation_operator.kube import NotFound

T = TypeVar("T")
PAUSE_SECONDS = 0.05


async def eventually(
    look: Callable[[], Awaitable[T]],
    holds: Callable[[T], object] = bool,
    *,
    seconds: float = 20,
) -> T:
    """What `look` gives, as soon as `holds` is true of it. What does not exist yet is waited for.

    Raises AssertionError with what was seen last.
    """
    end = time.monotonic() + seconds
    seen: object = "nothing"
    while time.monotonic() < end:
        try:
            found = await look()
        except NotFound as error:
            seen = error.message
        else:
            if holds(found):
                return found
            seen = found
        await asyncio.sleep(PAUSE_SECONDS)
    raise AssertionError(f"not within {seconds:g} s; last seen: {seen}")


def count_of(counter: Counter) -> float:
    """What a counter of Prometheus, or one of its children, has counted."""
    samples = [sample for metric in counter.collect() for sample in metric.samples]
    (total,) = [it.value for it in samples if it.name.endswith("_total")]
    return total
