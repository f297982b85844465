"""Secrets that are looked for wherever a program tells something."""

from __future__ import annotations

import base64
import html
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from urllib.parse import quote

from evaluation_operator.redaction import log_to_stderr

PART = 6
"""Characters: nobody may learn so many of a secret."""


def parts_of(secret: str) -> set[str]:
    """Every run of PART characters of a secret, as it is and as it may have been sent."""
    forms = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], html.escape(secret)}
    forms |= {repr(secret)[1:-1], secret.upper(), secret.lower()}
    for before in ("", "u:", "\0u\0"):
        whole = base64.b64encode(f"{before}{secret}".encode()).decode()
        forms.add(whole[len(before) * 4 // 3 + 1 :].rstrip("=")[:-1])
    return {form[at : at + PART] for form in forms for at in range(len(form) - PART + 1)}


@dataclass
class Canaries:
    """`secrets` by what they are for; `texts` is all that was told, with where it was."""

    secrets: dict[str, str]
    texts: list[tuple[str, str]] = field(default_factory=list)

    def note(self, where: str, told: object) -> None:
        """An exception is noted with all that hangs on it, as a traceback would show it."""
        self.texts.append((where, _whole(told) if isinstance(told, BaseException) else str(told)))

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Whatever is logged meanwhile, at DEBUG, is noted as the log of our programs shows it."""
        stream, root = StringIO(), logging.getLogger()
        handlers, level = root.handlers[:], root.level
        root.handlers.clear()
        try:
            log_to_stderr("DEBUG")
            [handler] = root.handlers
            assert isinstance(handler, logging.StreamHandler)
            handler.setStream(stream)
            yield
        finally:
            root.handlers[:], root.level = handlers, level
            for line in stream.getvalue().splitlines():
                self.note("log", line)

    def found(self) -> list[str]:
        """Where any part of any secret is: `secret | where | text`, of which there must be none."""
        return [
            f"{name} | {where} | {text[:300]}"
            for name, secret in self.secrets.items()
            for where, text in self.texts
            if any(part in text for part in parts_of(secret))
        ]


def _whole(error: BaseException | None) -> str:
    """An error with its causes, contexts and groups."""
    if error is None:
        return ""
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    shown = [f"{type(error).__name__}: {error} {error.args!r}"]
    hidden = None if error.__suppress_context__ else error.__context__
    return " | ".join([*shown, *map(_whole, (error.__cause__, hidden, *inner))])
