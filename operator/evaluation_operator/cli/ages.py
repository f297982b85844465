"""Times with their ages: at night nobody counts hours back from UTC."""

from __future__ import annotations

from datetime import UTC, datetime

from evaluation_operator.api.base import format_time


def age_of(time: datetime) -> str:
    """How long ago, as kubectl says it, in one unit."""
    return _length((datetime.now(UTC) - time).total_seconds())


def shown_time(time: datetime | None) -> str:
    """To the second, in UTC."""
    return format_time(time.replace(microsecond=0)) if time is not None else ""


def past(time: datetime | None) -> str:
    """`2026-03-03T10:00:00Z (2d ago)`."""
    return f"{shown_time(time)} ({age_of(time)} ago)" if time is not None else ""


def due(time: datetime | None) -> str:
    """`2026-03-05T10:00:00Z (in 19h)`. A run that is due may wait, say for the sampler."""
    if time is None:
        return ""
    left = (time - datetime.now(UTC)).total_seconds()
    when = f"in {_length(left)}" if left > 0 else f"due for {_length(-left)}"
    return f"{shown_time(time)} ({when})"


def _length(seconds: float) -> str:
    whole = max(int(seconds), 0)
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if whole >= 2 * length:
            return f"{whole // length}{unit}"
    return f"{whole}s"
