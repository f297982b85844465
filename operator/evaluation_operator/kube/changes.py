"""Changing a status that others change too: read, change, write; again if somebody was faster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from evaluation_operator.kube.client import Kube
from evaluation_operator.kube.errors import Conflict, NotFound
from evaluation_operator.kube.resources import Resource

Body: TypeAlias = dict[str, Any]
ATTEMPTS: Final = 10


class NoPeace(Exception):
    """Somebody else has changed the status each time just before it could be written."""


async def change_status(
    kube: Kube,
    resource: Resource,
    namespace: str,
    name: str,
    change: Callable[[Body], Body | None],
    *,
    uid: str | None = None,
) -> Body | None:
    """The status after the change; None if the object is gone, or another one than `uid` says.

    `change` gets the whole object each time and gives the new status, or None to leave it as it
    is. Raises NoPeace after ATTEMPTS, or an ApiError.
    """
    for _ in range(ATTEMPTS):
        try:
            body = await kube.get(resource, namespace, name)
            if uid is not None and body["metadata"]["uid"] != uid:
                return None
            status: Body = body.get("status") or {}
            changed = change(body)
            if changed is None:
                return status
            await kube.replace_status(resource, namespace, body | {"status": changed})
        except Conflict:
            continue
        except NotFound:
            return None
        return changed
    raise NoPeace(f"{resource.kind} {name}: its status changed {ATTEMPTS} times meanwhile")
