"""Following something in the cluster to its end: every change is told, for at most some time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from evaluation_operator.api.codes import Code
from evaluation_operator.cli import errors
from evaluation_operator.cli.errors import CliError
from evaluation_operator.cli.output import say
from evaluation_operator.kube import Transient

T = TypeVar("T")

POLL_SECONDS = 1.0
"""One GET of one small object: a watch would cost more to keep alive than it saves."""


@dataclass(frozen=True, slots=True)
class News(Generic[T]):
    """How it stands; `end` is what it came to, None while it goes on."""

    text: str
    end: T | None = None


async def follow(
    look: Callable[[], Awaitable[News[T]]], timeout_seconds: float | None, where: str
) -> T:
    """What it came to. CliError with exit code 3 when the time is over, since it goes on without
    us: `where` is the command that shows it."""
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _follow(look)
    except TimeoutError:
        raise CliError(
            f"it goes on after {timeout_seconds:g} s: look at it with `{where}`, or wait longer "
            "with --timeout",
            code=Code.DEADLINE_EXCEEDED,
            exit_code=errors.EXIT_NOT_ENDED,
        ) from None


async def _follow(look: Callable[[], Awaitable[News[T]]]) -> T:
    told = ""
    while True:
        try:
            news = await look()
        except Transient as error:
            news = News(f"{error.message}; still trying")
        if news.text != told:
            say(f"{datetime.now(UTC):%H:%M:%S} {news.text}")
            told = news.text
        if news.end is not None:
            return news.end
        await asyncio.sleep(POLL_SECONDS)
