"""Secrets are taken out of whatever a program tells: messages, statuses, verdicts and log lines.

No text that a remote server or a library wrote is known to be free of what it was sent. So it is
shown only after a `Redactor` has looked at it, and every line of a log goes through one as well.
"""

from __future__ import annotations

import base64
import html
import json
import logging
import string
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote, quote_plus

from evaluation_operator.visible import visible

REDACTED: Final = "[redacted]"
PART: Final = 6
"""Characters: a part of a secret from this length on is a secret. What is shorter as a whole is
one only where it stands alone, for it is everywhere; below `_SHORTEST` it is none."""
_SHORTEST: Final = 3
_REMEMBERED: Final = 16_384
"""Characters of secrets: the latest, since one that was replaced may still turn up in an answer."""
_SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_TALKATIVE: Final = ("httpx", "httpcore", "aiosmtplib", "urllib3", "kubernetes", "kopf", "hpack")
"""They log requests with headers and bodies, or a line for each event."""
_SECRET_WORDS: Final = ("PASSWORD", "SECRET", "TOKEN", "CREDENTIAL", "ACCESS_KEY")
_NO_SECRETS: Final = ("_FILE", "_DIR", "_PATH", "_URI", "_URL")


class Redactor:
    """What it has learned is cleaned from texts, whole or in parts, and as it may have been sent:
    in capitals or not, in base64, percent-encoded, or escaped as JSON, HTML or Python does it."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._learning = threading.Lock()
        self._known: dict[str, frozenset[str]] = {}
        self._parts: frozenset[str] = frozenset()
        self._lengths: tuple[int, ...] = ()
        self.learn(*secrets)

    def learn(self, *secrets: str) -> None:
        """Each line of a secret is one; those that are known cost nothing."""
        lines = [line.strip() for it in secrets for line in it.splitlines()]
        told = {line for line in lines if len(line) >= _SHORTEST}
        if told <= self._known.keys():
            return
        with self._learning:
            fresh = {it: frozenset(_parts(it)) for it in told if it not in self._known}
            self._known = _latest(self._known | fresh, told)
            parts = frozenset[str]().union(*self._known.values())
            self._lengths = tuple(sorted({len(it) for it in parts}))
            self._parts = parts

    def clean(self, text: str) -> str:
        """The text with `[redacted]` in each place of a secret or a part of one."""
        shown: list[str] = []
        end = 0
        for begin, stop in self._places(text):
            shown += [text[end:begin], REDACTED]
            end = stop
        return "".join([*shown, text[end:]])

    def finds(self, text: str) -> bool:
        """Whether there is anything to clean."""
        return next(self._places(text), None) is not None

    def _places(self, text: str) -> Iterator[tuple[int, int]]:
        """Where secrets begin and end; those that overlap or touch are one."""
        parts, lengths, folded = self._parts, self._lengths, text.translate(_LOWER)
        begin = stop = 0
        for place in range(len(folded) if parts else 0):
            for length in lengths:
                if folded[place : place + length] not in parts:
                    continue
                if length < PART and not _stands_alone(folded, place, length):
                    continue
                if place > stop:
                    if stop > begin:
                        yield begin, stop
                    begin = place
                stop = max(stop, place + length)
        if stop > begin:
            yield begin, stop


def _latest(known: dict[str, frozenset[str]], kept: Collection[str]) -> dict[str, frozenset[str]]:
    """Without the oldest that are too much, but with all that are to be kept."""
    excess = sum(map(len, known)) - _REMEMBERED
    left = dict(known)
    for secret in known:
        if excess > 0 and secret not in kept:
            del left[secret]
            excess -= len(secret)
    return left


def _stands_alone(text: str, begin: int, length: int) -> bool:
    before, after = text[begin - 1 : begin], text[begin + length : begin + length + 1]
    return not (before.isalnum() or after.isalnum())


def _parts(secret: str) -> Iterator[str]:
    """Every run of PART characters of each form of a secret, or a form that is shorter itself."""
    for form in _forms(secret):
        folded = form.translate(_LOWER)
        if len(folded) <= PART:
            yield folded
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
    for shift in range(3 if len(content) > PART // 2 else 0):
        # What stands before it, as `user:`, moves it by so many bytes; the characters at both ends
        # depend on its neighbours, too.
        encoded = base64.b64encode(b"\0" * shift + content).decode("ascii").rstrip("=")
        inner = encoded[(0, 2, 3)[shift] :]
        inner = inner[:-1] if (shift + len(content)) % 3 else inner
        forms |= {inner, inner.translate(str.maketrans("+/", "-_"))}
    return forms


def secret_variables(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The values of variables that are named as secrets are, like PGPASSWORD."""
    return tuple(
        value
        for name, value in environment.items()
        if any(word in name.upper() for word in _SECRET_WORDS)
        and not name.upper().endswith(_NO_SECRETS)
    )


def secret_files(paths: Iterable[Path | None]) -> tuple[str, ...]:
    """What the files hold now; one that cannot be read has nothing that could be told."""
    contents = []
    for path in paths:
        try:
            contents += [path.read_text(encoding="utf-8", errors="replace")] if path else []
        except OSError:
            continue
    return tuple(contents)


class _Lines(logging.Formatter):
    """One line a record, and tracebacks below, without secrets and hidden characters."""

    def __init__(self, layout: str, redactor: Redactor, held: Callable[[], Iterable[str]]) -> None:
        super().__init__(layout)
        self._redactor, self._held = redactor, held

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        return visible(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        self._redactor.learn(*self._held(), *secret_files([_SERVICE_ACCOUNT]))
        return visible(self._redactor.clean(super().format(record)), keeps_layout=True)


def log_to_stderr(level: str, redactor: Redactor, held: Callable[[], Iterable[str]]) -> None:
    """Set up a program's log. `held` gives the secrets that it holds now, and is asked before each
    line, so that a Secret that was renewed is known before anything can be said of it."""
    lines = logging.StreamHandler(sys.stderr)
    layout = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    lines.setFormatter(_Lines(layout, redactor, held))
    logging.basicConfig(level=level, handlers=[lines])
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
