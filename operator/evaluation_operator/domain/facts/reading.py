"""What several kinds of object have, read from their API form."""

from __future__ import annotations

from datetime import UTC, datetime

from evaluation_operator.api.kubernetes import StoredMeta


def controller_uid(meta: StoredMeta) -> str:
    """The uid of the owner that controls an object; empty when nobody does."""
    for reference in meta.get("ownerReferences") or ():
        if reference.get("controller"):
            return str(reference["uid"])
    return ""


def parse_time(text: str) -> datetime:
    """RFC 3339 as the API server writes it, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def time_of(text: str | None) -> datetime | None:
    return parse_time(text) if text else None
