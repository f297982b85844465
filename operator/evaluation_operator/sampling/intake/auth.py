"""Who may send: those who know one of the tokens in a file, if there is one."""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from evaluation_operator.redaction import redact

logger = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 1.0
SHORTEST_TOKEN = 16


class TokensError(ValueError):
    """A token file that cannot be used; names it and the cure."""


class Tokens:
    """The tokens of a file, one a line; blank lines and those that begin with `#` do not count.

    A changed file is taken over within a second or two, so that tokens can be replaced while
    senders go on: add the new one, change the senders, remove the old one. A file that cannot
    be used any more admits nobody, for taking a token away must not be in vain.
    """

    def __init__(self, path: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Raises TokensError."""
        self._path = path
        self._monotonic = monotonic
        self._looked = monotonic()
        self._stamp = self._state()
        self._tokens = _read(path)
        self.problem: str | None = None

    def admits(self, authorization: str | None) -> bool:
        """`authorization`: the header's value, `Bearer TOKEN` or `Basic …` with it as password."""
        self._look_again()
        token = _token(authorization)
        if token is None:
            return False
        # Every token is compared, so that the time taken says nothing about any of them.
        found = False
        for known in self._tokens:
            found |= hmac.compare_digest(known, token)
        return found

    def _look_again(self) -> None:
        now = self._monotonic()
        if now - self._looked < LOOK_AGAIN_SECONDS:
            return
        self._looked = now
        stamp = self._state()
        if stamp == self._stamp and stamp is not None:
            return
        self._stamp = stamp
        try:
            self._tokens, self.problem = _read(self._path), None
        except TokensError as error:
            if self.problem is None:
                logger.error("nobody is admitted: %s", error)
            self._tokens, self.problem = (), str(error)

    def _state(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size


def _token(authorization: str | None) -> bytes | None:
    scheme, _, value = (authorization or "").strip().partition(" ")
    value = value.strip()
    match scheme.lower():
        case "bearer":
            return value.encode("latin-1", "replace")
        case "basic":
            try:
                pair = base64.b64decode(value, validate=True)
            except (binascii.Error, ValueError):
                return None
            return pair.partition(b":")[2]
        case _:
            return None


def _read(path: Path) -> tuple[bytes, ...]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise TokensError(
            f"{path}: cannot be read: {error.strerror}: mount the Secret there"
        ) from None
    tokens = tuple(
        line.strip() for line in lines if line.strip() and not line.strip().startswith(b"#")
    )
    if not tokens:
        raise TokensError(f"{path}: holds no token: write one a line")
    for number, token in enumerate(tokens, 1):
        if len(token) < SHORTEST_TOKEN:
            raise TokensError(
                f"{path}: token {number} has {len(token)} characters: give at least "
                f"{SHORTEST_TOKEN}, like those of `openssl rand -hex 32`"
            )
    redact.learn([token.decode("utf-8", "replace") for token in tokens], source=str(path))
    return tokens
