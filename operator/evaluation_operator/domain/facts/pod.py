"""The few fields of a run's pod that decisions need, read from its API form.

Others put containers into a pod beside the run's own (a mesh its proxy, before or beside it), so
what is said here is of the container `run`, and of others only where they are in its way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from evaluation_operator.api.kubernetes import (
    Body,
    ContainerState,
    ContainerStatus,
    PodSpec,
    PodStatus,
    StoredPod,
    Terminated,
)
from evaluation_operator.api.verdict import read_verdict
from evaluation_operator.domain.facts.dataset import Failure
from evaluation_operator.domain.facts.reading import controller_uid, parse_time
from evaluation_operator.domain.naming import LABEL_DATASET, RUN_CONTAINER

STOPPED_EXIT_CODE = 143
"""Of a run's program that was told to end."""
_DETAIL_LENGTH = 512
_MESSAGE_LENGTH = 1024
_GOES_ON_BY_ITSELF = frozenset({"", "ContainerCreating", "PodInitializing"})
"""Reasons of a container that waits for nothing but its turn."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run's program said when it ended, in its termination message."""

    failure: Failure
    reason: str
    partial_failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class Word:
    """A reason of Kubernetes' own, and what it says to it; empty where it says nothing."""

    reason: str = ""
    message: str = ""

    def __bool__(self) -> bool:
        return bool(self.reason)


@dataclass(frozen=True, slots=True)
class PodFacts:
    """`waiting`: why a container cannot start. `ending`: how Kubernetes says that the run's own
    ended, or the whole pod. `still_running`: a container that goes on after the run's has ended.
    `memory_limit` is the run's own, as it was asked for."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    owner_uid: str
    dataset: str
    create_time: datetime
    deletion_time: datetime | None
    phase: str
    node: str
    start_time: datetime | None
    unschedulable: str
    waiting: Word
    exit_code: int | None
    ending: Word
    verdict: Verdict | None
    finish_time: datetime | None
    still_running: str
    memory_limit: str

    @property
    def run(self) -> str:
        """Whose pod it is, also without its Job; empty for a table check's."""
        return run_of(self.namespace, self.dataset) if self.dataset else ""

    def ended_at(self, now: datetime) -> datetime:
        """When its program ended. What a node says whose clock is ahead would keep others waiting
        until then: its pod was made before, by the clock of the API server."""
        if self.finish_time is None or self.finish_time > now:
            return self.create_time
        return self.finish_time

    @property
    def started(self) -> bool:
        return self.start_time is not None

    @property
    def has_ended(self) -> bool:
        """The whole pod, not only the run's container."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def has_failed(self) -> bool:
        return self.phase == "Failed" or self.exit_code not in (None, 0)

    @property
    def was_stopped(self) -> bool:
        """By whoever deleted it, which says nothing of the run."""
        return self.exit_code == STOPPED_EXIT_CODE and not self.ending

    @property
    def has_succeeded(self) -> bool:
        return self.exit_code == 0

    @classmethod
    def from_body(cls, body: Body) -> PodFacts:
        stored = cast(StoredPod, body)
        meta, spec = stored["metadata"], stored.get("spec") or {}
        status = stored.get("status") or {}
        containers = status.get("containerStatuses") or []
        created = parse_time(meta["creationTimestamp"])
        state = _state(_named(containers, RUN_CONTAINER))
        ended = state.get("terminated") or {}
        begun = (state.get("running") or ended).get("startedAt")
        finished = ended.get("finishedAt")
        return cls(
            namespace=meta["namespace"],
            name=meta["name"],
            uid=meta["uid"],
            resource_version=meta["resourceVersion"],
            owner_uid=controller_uid(meta),
            dataset=str((meta.get("labels") or {}).get(LABEL_DATASET, "")),
            create_time=created,
            deletion_time=_time(meta.get("deletionTimestamp")),
            phase=str(status.get("phase", "Pending")),
            node=str(spec.get("nodeName") or ""),
            start_time=_time(begun) or (created if "running" in state or ended else None),
            unschedulable=_unschedulable(status),
            waiting=_waiting(status),
            exit_code=ended.get("exitCode"),
            ending=_ending(status, ended),
            verdict=_verdict(str(ended.get("message", ""))),
            finish_time=_time(finished),
            still_running=_still_running(containers) if ended else "",
            memory_limit=_memory_limit(spec),
        )


def _time(text: str | None) -> datetime | None:
    return parse_time(text) if text else None


def run_of(namespace: str, dataset: str) -> str:
    """The key by which pods of a run are found."""
    return f"{namespace}/{dataset}"


def _state(container: ContainerStatus) -> ContainerState:
    return container.get("state") or {}


def _named(containers: Sequence[ContainerStatus], name: str) -> ContainerStatus:
    nothing: ContainerStatus = {}
    return next((item for item in containers if item.get("name") == name), nothing)


def _waiting(status: PodStatus) -> Word:
    """Of the first container that cannot start; those that come before the others first."""
    for container in _in_order(status):
        waiting = _state(container).get("waiting") or {}
        if waiting.get("reason", "") not in _GOES_ON_BY_ITSELF:
            name, message = container.get("name"), str(waiting.get("message", ""))
            whose = "" if name == RUN_CONTAINER else f"container {name!r}: "
            return Word(str(waiting["reason"])[:128], (whose + message)[:_DETAIL_LENGTH])
    return Word()


def _in_order(status: PodStatus) -> Iterator[ContainerStatus]:
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()


def _ending(status: PodStatus, ended: Terminated) -> Word:
    """OOMKilled of the container comes before what the pod says, and that before a container that
    was to run before the run's own and failed."""
    if ended.get("reason") == "OOMKilled":
        return Word("OOMKilled")
    if status.get("phase") != "Failed":
        return Word()
    if reason := status.get("reason"):
        return Word(str(reason)[:128], str(status.get("message", ""))[:_DETAIL_LENGTH])
    for condition in status.get("conditions") or ():
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            words = str(condition.get("message") or condition.get("reason") or "")
            return Word("Evicted", words[:_DETAIL_LENGTH])
    for container in status.get("initContainerStatuses") or ():
        code = (_state(container).get("terminated") or {}).get("exitCode")
        if code not in (None, 0):
            words = f"container {container.get('name')!r}, which runs first, ended with exit code"
            return Word("InitContainerFailed", f"{words} {code}")
    return Word()


def _still_running(containers: Sequence[ContainerStatus]) -> str:
    names = (str(item.get("name")) for item in containers if "running" in _state(item))
    return next(names, "")


def _memory_limit(spec: PodSpec) -> str:
    for container in spec.get("containers") or ():
        if container.get("name") == RUN_CONTAINER:
            limits = (container.get("resources") or {}).get("limits") or {}
            return str(limits.get("memory", ""))[:32]
    return ""


def _unschedulable(status: PodStatus) -> str:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            text = str(condition.get("message") or condition.get("reason") or "not scheduled")
            return text[:_MESSAGE_LENGTH]
    return ""


def _verdict(message: str) -> Verdict | None:
    said = read_verdict(message)
    if said is None:
        return None
    return Verdict(
        failure=Failure(said.code, said.message[:2048]),
        reason=said.reason,
        partial_failures=tuple(Failure(it.code, it.message) for it in said.partial_failures[:5]),
    )
