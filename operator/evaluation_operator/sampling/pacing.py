"""Turns of the event loop for others, while one sender's work goes on."""

from __future__ import annotations

import asyncio
import time

from evaluation_operator.sampling.limits import TURN_SECONDS


class Pace:
    """One piece of work that has many parts; `breathe` after each."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = time.monotonic()

    async def breathe(self) -> None:
        """Lets others go on, if it is their turn."""
        if time.monotonic() - self._since > TURN_SECONDS:
            await asyncio.sleep(0)
            self._since = time.monotonic()
