"""How long to wait before something that failed is tried again."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass
class Backoff:
    """From `shortest` to `longest` seconds, about twice as long with each failure in a row, and
    random, so that not all who wait for one tool come back to it at once."""

    shortest: float
    longest: float
    failures: int = 0

    def succeeded(self) -> None:
        self.failures = 0

    def failed(self, retry_after: float | None = None) -> float:
        """Seconds to wait now. What the other side asked for is granted, up to `longest`."""
        self.failures += 1
        longest = min(self.longest, self.shortest * 2.0 ** min(self.failures, 20))
        pause = longest * random.uniform(0.5, 1.0)  # noqa: S311
        return min(self.longest, max(pause, self.shortest, retry_after or 0.0))
