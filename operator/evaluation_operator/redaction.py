"""Secrets are taken out of whatever a process tells: messages, statuses, verdicts and log lines.

No message is meant to hold one. But libraries and servers word their errors as they like, and a
server may repeat what it was sent. So whoever reads a secret tells it to `redact`, and what leaves
the process goes through it.
"""

from __future__ import annotations

import base64
import html
import json
import logging
import sys
import threading
from collections.abc import Iterable, Iterator
from string import ascii_lowercase, ascii_uppercase
from typing import Final
from urllib.parse import quote, quote_plus

from evaluation_operator.visible import visible

REDACTED: Final = "[redacted]"
PART: Final = 6
"""Characters: what has so many of a secret in a row is a part of it."""
_SHORTEST: Final = 3
_LONG_WORD: Final = 16
_LONGEST_LINE: Final = 32_768
"""Characters of a log's entry: to look through one of megabytes would hold up all else."""
_LOWER: Final = str.maketrans(ascii_uppercase, ascii_lowercase)
_TALKATIVE: Final = ("httpx", "httpcore", "aiosmtplib", "urllib3", "kubernetes", "kopf", "hpack")
"""They log requests with headers and bodies, or a line for each event."""


class Redactor:
    """What it has learned is taken out of texts, whole or in parts, and as it may have been sent:
    in capitals or not, in base64, percent-encoded, or escaped as JSON, HTML or Python does it.

    A short secret, or a part that is a word of letters alone, is everywhere: `postgres` as a
    password is in every address of a table. It is taken out only where the secret stands alone.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._learning = threading.Lock()
        self._read: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
        self._known: frozenset[str] = frozenset()
        self._parts: frozenset[str] = frozenset()
        self._lengths: tuple[int, ...] = ()
        self.learn(secrets)

    def learn(self, secrets: Iterable[str], source: str = "") -> None:
        """Each line is one. What a source has held before it was renewed is remembered once more,
        as it may still turn up in an answer; without a source, for ever."""
        lines = (line.strip() for it in secrets for line in it.splitlines())
        told = frozenset(line for line in lines if len(line) >= _SHORTEST)
        with self._learning:
            now, before = self._read.get(source, (frozenset(), frozenset()))
            if told <= now:
                return
            self._read[source] = (told, now) if source else (now | told, before)
            self._known = frozenset(it for both in self._read.values() for it in both[0] | both[1])
            parts = frozenset(part for it in self._known for part in _parts(it))
            self._lengths = tuple(sorted({len(it) for it in parts}))
            self._parts = parts

    def __call__(self, text: str) -> str:
        """The text with `[redacted]` in each place of a secret or a part of one."""
        shown: list[str] = []
        end = 0
        for begin, stop in self._places(text):
            shown += [text[end:begin], REDACTED]
            end = stop
        return "".join([*shown, text[end:]])

    def finds(self, text: str) -> bool:
        """Whether there is anything to take out."""
        return next(self._places(text), None) is not None

    def _places(self, text: str) -> Iterator[tuple[int, int]]:
        """Where secrets begin and end; those that overlap or touch are one."""
        parts, lengths, folded = self._parts, self._lengths, text.translate(_LOWER)
        begin = stop = 0
        for place in range(len(folded) if parts else 0):
            for length in lengths:
                if folded[place : place + length] in parts:
                    if place > stop:
                        if self._is_told(text, begin, stop):
                            yield begin, stop
                        begin = place
                    stop = max(stop, place + length)
        if self._is_told(text, begin, stop):
            yield begin, stop

    def _is_told(self, text: str, begin: int, stop: int) -> bool:
        found = text[begin:stop]
        if len(found) >= PART and (len(found) >= _LONG_WORD or not found.isalpha()):
            return True
        neighbours = text[max(begin - 1, 0) : begin] + text[stop : stop + 1]
        return found in self._known and not any(it.isalnum() for it in neighbours)


redact: Final = Redactor()
"""That of this process."""


def _parts(secret: str) -> Iterator[str]:
    """Every run of PART characters of each form of a secret; one that is shorter, whole."""
    if len(secret) < PART:
        yield secret.translate(_LOWER)
        return
    for form in _forms(secret):
        folded = form.translate(_LOWER)
        for begin in range(len(folded) - PART + 1):
            yield folded[begin : begin + PART]


def _forms(secret: str) -> set[str]:
    forms = {
        secret,
        quote(secret, safe="", errors="replace"),
        quote_plus(secret, errors="replace"),
        json.dumps(secret)[1:-1],
        json.dumps(secret).replace("/", "\\/")[1:-1],
        html.escape(secret),
        repr(secret)[1:-1],
        secret.encode("unicode_escape").decode("ascii"),
    }
    content = secret.encode("utf-8", "replace")
    for shift, mixed in enumerate((0, 2, 3)):
        # What stands before it, like `user:`, moves it by so many bytes; the characters at both
        # ends are its neighbours', too.
        encoded = base64.b64encode(b"\0" * shift + content).decode("ascii").rstrip("=")
        inner = encoded[mixed : -1 if (shift + len(content)) % 3 else None]
        forms |= {inner, inner.translate(str.maketrans("+/", "-_"))}
    return forms


class _Lines(logging.Formatter):
    """One line a record, and tracebacks below, without secrets and hidden characters."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        return visible(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        return visible(redact(super().format(record)[:_LONGEST_LINE]), keeps_layout=True)


def log_to_stderr(level: str) -> None:
    """Set up the log of a program. Libraries that show what they send stay silent at any level."""
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(_Lines("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[lines])
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
