"""What can go wrong with one API call, drawn as a tree by what the caller should do next."""

from __future__ import annotations

import json

MESSAGE_LENGTH = 2000


class ApiError(Exception):
    """A call that the API server refused or that did not reach it."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        reason: str = "",
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


class NotFound(ApiError):
    """404: the object, its namespace or its kind does not exist."""


class Conflict(ApiError):
    """409 on an update: somebody wrote first. Read again, decide again."""


class AlreadyExists(Conflict):
    """409 on a create: the name is taken. Read it and adopt it, if it is ours."""


class Rejected(ApiError):
    """The request itself is wrong (400, 422, or it could not even be written): it never passes."""


class Forbidden(ApiError):
    """403: a permission, a quota or an admission policy is in the way, perhaps for a while."""


class Transient(ApiError):
    """The server is busy, restarting or out of reach: the same request may pass later."""


def from_response(status: int, body: bytes, *, creating: bool, retry_after: str | None) -> ApiError:
    """The error for a response of 400 or above.

    A 403 while the namespace is being deleted is NotFound: nothing can be created there any
    more, and retrying would storm the server.
    """
    reason, message, causes = _status_of(body)
    if status == 403 and any("NamespaceTerminating" in cause for cause in causes):
        return NotFound(message, status=status, reason="NamespaceTerminating")
    kind: type[ApiError]
    match status:
        case 404 | 410:
            kind = NotFound
        case 409:
            kind = AlreadyExists if creating and reason == "AlreadyExists" else Conflict
        case 401 | 408 | 429:
            kind = Transient
        case 403:
            kind = Forbidden
        case _:
            kind = Rejected if status < 500 else Transient
    return kind(
        message, status=status, reason=reason, retry_after_seconds=_retry_after(retry_after)
    )


def _status_of(body: bytes) -> tuple[str, str, list[str]]:
    text = body.decode("utf-8", "replace")[:MESSAGE_LENGTH]
    try:
        parsed = json.loads(body)
    except ValueError:
        return "", text, []
    if not isinstance(parsed, dict):
        return "", text, []
    details = parsed.get("details") or {}
    causes = [str(cause.get("reason", "")) for cause in details.get("causes") or []]
    message = str(parsed.get("message", text))
    if len(message) > MESSAGE_LENGTH:  # a name of somebody's choice for each of a thousand faults
        message = f"{message[:MESSAGE_LENGTH]}…"
    return str(parsed.get("reason", "")), message, causes


def _retry_after(header: str | None) -> float | None:
    try:
        return float(header) if header else None
    except ValueError:
        return None
