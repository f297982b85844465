"""Whether an event loop still turns."""

from __future__ import annotations

import asyncio
import time

HEARTBEAT_SECONDS = 0.5
LONGEST_LAG_SECONDS = 30.0


class Heartbeat:
    """How long ago the event loop last turned, and the longest that it ever lagged."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self.longest_lag_seconds = 0.0

    def age_seconds(self) -> float:
        return time.monotonic() - self._last

    async def run(self) -> None:
        """Runs for ever."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            now = time.monotonic()
            lag = now - self._last - HEARTBEAT_SECONDS
            self.longest_lag_seconds = max(self.longest_lag_seconds, lag)
            self._last = now
