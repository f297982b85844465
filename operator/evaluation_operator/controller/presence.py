"""Whether what jobs name is there and as it should be, read seldom: it is not watched."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from evaluation_operator.kube import ApiServer, NotFound
from evaluation_operator.kube.resources import Resource

BELIEVED_SECONDS = 60.0


class Presence:
    """What is as it should be is believed for a minute; everything else is read again."""

    def __init__(self, kube: ApiServer) -> None:
        self._kube = kube
        self._good: dict[tuple[str, str, str], float] = {}

    async def judge(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        is_good: Callable[[Mapping[str, str]], bool] = lambda _: True,
        *,
        anew: bool = False,
    ) -> bool | None:
        """What `is_good` says of the object's labels; None when there is no such object. `anew`:
        what is believed is not."""
        place, now = (resource.plural, namespace, name), time.monotonic()
        believed = now - self._good.get(place, -BELIEVED_SECONDS) < BELIEVED_SECONDS
        if believed and not anew:
            return True
        self._good.pop(place, None)
        try:
            body = await self._kube.get(resource, namespace, name)
        except NotFound:
            return None
        good = is_good(body["metadata"].get("labels") or {})
        if good:
            self._good[place] = now
        return good
