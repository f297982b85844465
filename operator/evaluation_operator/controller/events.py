"""Kubernetes Events: told once, in the background, and never in the way of the work."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Iterable

from evaluation_operator.api.base import API_VERSION, format_time
from evaluation_operator.controller.clock import Clock
from evaluation_operator.controller.keys import Key
from evaluation_operator.domain.conditions import clip
from evaluation_operator.domain.naming import REPORTING_COMPONENT
from evaluation_operator.domain.plan import EventRecord
from evaluation_operator.kube import EVENTS, ApiError, ApiServer

logger = logging.getLogger(__name__)

WAITING_LIMIT = 10_000
MESSAGE_BYTES = 1024


class EventPublisher:
    """Keeps what is to be told until the API server takes it; drops what exceeds its bound."""

    def __init__(
        self,
        kube: ApiServer,
        clock: Clock,
        uid_of: Callable[[Key], str],
        *,
        component: str = "evaluation-operator",
        on_event: Callable[[EventRecord], None] = lambda _: None,
    ) -> None:
        self._kube = kube
        self._clock = clock
        self._uid_of = uid_of
        self._component = component
        self._on_event = on_event
        self._waiting: asyncio.Queue[tuple[Key, str, EventRecord]] = asyncio.Queue(WAITING_LIMIT)
        self.dropped = 0

    def publish(self, key: Key, events: Iterable[EventRecord]) -> None:
        for event in events:
            self._on_event(event)
            try:
                self._waiting.put_nowait((key, self._uid_of(key), event))
            except asyncio.QueueFull:
                self.dropped += 1

    async def run(self) -> None:
        """Runs for ever; an Event that cannot be published is logged and forgotten."""
        while True:
            key, uid, event = await self._waiting.get()
            level = logging.WARNING if event.warning else logging.INFO
            logger.log(level, "%s: %s: %s", key, event.reason, event.message)
            try:
                await self._kube.create(EVENTS, key.namespace, self._body(key, uid, event))
            except ApiError as error:
                self.dropped += 1
                logger.info("%s: the Event %s was not taken: %s", key, event.reason, error.message)

    def _body(self, key: Key, uid: str, event: EventRecord) -> dict[str, object]:
        now = format_time(self._clock.now().replace(microsecond=0))
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{key.name}.{uuid.uuid4().hex[:16]}", "namespace": key.namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": key.kind,
                "namespace": key.namespace,
                "name": key.name,
                "uid": uid,
            },
            "reason": str(event.reason),
            "message": clip(event.message, MESSAGE_BYTES),
            "type": "Warning" if event.warning else "Normal",
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": self._component},
            "reportingComponent": REPORTING_COMPONENT,
            "reportingInstance": self._component,
        }
