"""Label Studio's REST API: one request at a time, and what its answers mean to us.

Both kinds of token work: the legacy one, and the personal one, a JWT which is traded for access
that lasts minutes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx
from pydantic import BaseModel, JsonValue, ValidationError

from evaluation_operator.api.faults import first_fault
from evaluation_operator.labeling.backend import BackendRefused, BackendUnavailable
from evaluation_operator.redaction import redact
from evaluation_operator.visible import visible

_CONNECT_SECONDS = 10.0
_TOO_MANY = 429
_EXCERPT = 500


class Gone(BackendUnavailable):
    """The server knows no such thing; if it was our project, it is made anew."""


class Client:
    """`read_token` is asked before each request, so that a renewed Secret is used at once."""

    def __init__(
        self, url: str, read_token: Callable[[], str], *, timeout_seconds: float = 120.0
    ) -> None:
        self.url = url.rstrip("/")
        self._read_token = read_token
        self._seconds = timeout_seconds
        self._traded: tuple[str, str] | None = None
        timeout = httpx.Timeout(timeout_seconds, connect=min(_CONNECT_SECONDS, timeout_seconds))
        self._http = httpx.AsyncClient(timeout=timeout)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: JsonValue = None,
    ) -> JsonValue:
        """The JSON of the answer, None if it is empty.

        Raises BackendUnavailable, of which Gone is a kind, and BackendRefused.
        """
        response = await self._send(method, path, query, body, await self._authorization())
        if response.status_code == httpx.codes.UNAUTHORIZED and self._traded is not None:
            # Access may have run out; only a refused refresh token is for somebody to mend.
            self._traded = None
            response = await self._send(method, path, query, body, await self._authorization())
        return self._read(method, path, response)

    async def _authorization(self) -> str:
        token = self._token()
        if token.count(".") != 2:
            return f"Token {token}"
        if self._traded is None or self._traded[0] != token:
            path = "/api/token/refresh/"
            response = await self._send("POST", path, None, {"refresh": token}, None)
            answer = self._read("POST", path, response)
            access = answer.get("access") if isinstance(answer, dict) else None
            if not isinstance(access, str) or not _is_one_word(access):
                raise BackendUnavailable(f"{self.url}{path} answered without access; try again")
            redact.learn([access], source=f"access to {self.url}")
            self._traded = (token, access)
        return f"Bearer {self._traded[1]}"

    def _token(self) -> str:
        try:
            token = self._read_token().strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "no text"
            raise BackendRefused(
                f"the token for {self.url} cannot be read ({why}): mount its Secret"
            ) from None
        redact.learn([token], source=f"token for {self.url}")
        if not _is_one_word(token):
            raise BackendRefused(
                f"the token for {self.url} is empty or no single word: put an access token of "
                "Label Studio (Account & Settings) into its Secret"
            )
        return token

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None,
        body: JsonValue,
        authorization: str | None,
    ) -> httpx.Response:
        headers = {"Accept": "application/json"}
        if authorization is not None:
            headers["Authorization"] = authorization
        try:
            # httpx bounds each wait, which a server that drips byte by byte never exceeds.
            async with asyncio.timeout(self._seconds):
                return await self._http.request(
                    method, self.url + path, params=query, json=body, headers=headers
                )
        except (TimeoutError, httpx.TimeoutException):
            raise BackendUnavailable(
                f"{method} {self.url}{path} was not answered in {self._seconds:g} s"
            ) from None
        except httpx.HTTPError as error:
            # The library's own words may be those of a header that it could not send or read.
            why = redact(f"{type(error).__name__}: {error}").rstrip(": ")
            raise BackendUnavailable(f"{method} {self.url}{path}: no answer ({why})") from None
        except (httpx.InvalidURL, UnicodeError) as error:
            raise BackendRefused(f"url: {self.url!r}: {error}: give Label Studio's own") from None

    def _read(self, method: str, path: str, response: httpx.Response) -> JsonValue:
        asked, status = f"{method} {self.url}{path}", response.status_code
        content = _json_of(response)
        if status == _TOO_MANY or status >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise BackendUnavailable(f"{asked} was answered {status}", _retry_after(response))
        if response.is_success:
            if content is _NO_JSON:
                raise BackendUnavailable(
                    f"{asked} was answered by a page instead of JSON: a proxy's, or that of "
                    "another server; look at the address"
                )
            return content
        if status == httpx.codes.NOT_FOUND and _is_own_error(content):
            raise Gone(f"{asked} was answered 404: it is gone; it is made anew")
        raise BackendRefused(f"{asked} was answered {status}{_cure(status, content)}")


Parsed = TypeVar("Parsed", bound=BaseModel)


def parsed(kind: type[Parsed], content: JsonValue) -> Parsed:
    """An answer as what it must be; raises BackendUnavailable, for a server that changed."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise BackendUnavailable(
            f"Label Studio answered with something else than {kind.__name__.lstrip('_')}: "
            f"{first_fault(error)}; is it a version that is supported?"
        ) from None


def _is_one_word(token: str) -> bool:
    """What a header can hold."""
    return bool(token) and token.isascii() and token.isprintable() and " " not in token


_NO_JSON: JsonValue = "\0"


def _json_of(response: httpx.Response) -> JsonValue:
    if not response.content:
        return None
    try:
        content: JsonValue = json.loads(response.content)
    except (ValueError, RecursionError):
        return _NO_JSON
    return content


def _is_own_error(content: JsonValue) -> bool:
    """Label Studio describes its errors; whatever else lives at a wrong address does not so."""
    return isinstance(content, dict) and "status_code" in content and "detail" in content


def _cure(status: int, content: JsonValue) -> str:
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return (
            ": the token is not or no more valid, or its owner may not do this: put a new one of "
            "Label Studio (Account & Settings) into the Secret"
        )
    if not _is_own_error(content):
        return ": no Label Studio answers at this address; give the one that people open"
    assert isinstance(content, dict)
    return f": {_excerpt(content.get('validation_errors') or content.get('detail'))}"


def _excerpt(told: JsonValue) -> str:
    """The server's own words, which whoever mends it needs. An answer that repeats what it was
    sent in any form is not shown at all, for nobody knows what else it repeats."""
    text = json.dumps(told, ensure_ascii=False)[: 4 * _EXCERPT]
    if redact.finds(text):
        return "its answer is not shown, as it repeats the token: look into Label Studio's log"
    return visible(text)[:_EXCERPT]


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds; the header holds them, or a date (RFC 9110, section 10.2.3)."""
    text = response.headers.get("Retry-After", "")
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
