"""A cluster in memory: applies plans to facts as the API server and its controllers would.

Only what decisions can tell apart is there. `dies_at` cuts a turn off before that write, which is
what a crash of the operator looks like from outside.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from evaluation_operator.api.base import format_time
from evaluation_operator.api.dataset import Dataset
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_version import EvaluationJobVersion
from evaluation_operator.api.instruction import InstructionSpec
from evaluation_operator.domain.cover import Window
from evaluation_operator.domain.facts.claim import Claim
from evaluation_operator.domain.facts.dataset import DatasetFacts
from evaluation_operator.domain.facts.job import JobFacts
from evaluation_operator.domain.facts.obstacle import Obstacle
from evaluation_operator.domain.facts.pod import PodFacts
from evaluation_operator.domain.facts.reading import parse_time
from evaluation_operator.domain.facts.replica import Replica
from evaluation_operator.domain.facts.steps import current_job
from evaluation_operator.domain.jobs.decide import decide_job
from evaluation_operator.domain.jobs.revisions import build_revision
from evaluation_operator.domain.naming import (
    ANNOTATION_REEVALUATE,
    FINALIZER,
    evaluate_job_name,
)
from evaluation_operator.domain.plan import (
    Action,
    AddFinalizer,
    CreateRevision,
    CreateRun,
    CreateRunJob,
    CreateTableCheck,
    DeleteDataset,
    DeleteJob,
    EventRecord,
    OwnVersion,
    Plan,
    RemoveFinalizer,
    StopRun,
    TakeClaim,
    WriteOutcome,
)
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.readable import Answers
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.domain.snapshot import (
    JobSnapshot,
    Run,
    Sibling,
    TableCheck,
    VersionSnapshot,
)
from evaluation_operator.domain.versions.decide import decide_version
from tests.builders import (
    Manifest,
    make_evaluation_job,
    make_human_job,
    make_instruction,
    make_version,
    merged,
    stored,
)

CREATED = datetime(2026, 3, 2, 8, tzinfo=UTC)
FIRST_RUN = datetime(2026, 3, 2, 10, tzinfo=UTC)
DAY = timedelta(days=1)
INSTRUCTION = InstructionSpec.from_dict(make_instruction()["spec"])


class Died(Exception):
    """The operator ended before this write."""


class Lost(Exception):
    """Somebody else wrote first; the turn ends and is taken again."""


class World:
    """Datasets, Jobs and pods of one namespace, and the object that is being reconciled."""

    def __init__(self, now: datetime = CREATED) -> None:
        self.now = now
        self.policy = Policy()
        self.datasets: dict[str, Manifest] = {}
        self.jobs: dict[str, Manifest] = {}
        self.pods: dict[str, list[Manifest]] = {}
        self.lease: Manifest | None = None
        self.obstacle: Obstacle | None = None
        self.crowded = False
        self.free_places: int | None = None
        self.deleted_jobs: list[str] = []
        self.events: list[EventRecord] = []
        self.writes = 0
        self.created_jobs: list[str] = []
        self.dies_at: int | None = None
        self._again = False
        self._numbers = itertools.count(100)
        self.own: Manifest = {}

    # What the operator does.

    def decide(self) -> Plan:
        raise NotImplementedError

    def turn(self) -> Plan:
        """Decide and act; what is left undone is taken up by the next turn."""
        plan = self.decide()
        self._again = plan.wake_at is not None and plan.wake_at <= self.now
        try:
            self._carry_out(plan)
        except Died:
            self.go_on_without_operator()
            self._again = True
        except Lost:
            self._again = True
        return plan

    def go_on_without_operator(self) -> None:
        """What others do between its end and its next beginning."""

    def settle(self) -> Plan:
        """One turn, and more only as long as the plans ask for them; then there must be rest.

        The operator does not hear of its own writes: a plan that needs another turn says so by
        its `wake_at`.
        """
        for _ in range(12):
            plan = self.turn()
            if not self._again:
                rest = self.decide()
                assert is_quiet(rest), f"nobody would have woken the operator for {rest}"
                return plan
        raise AssertionError(f"no rest after 12 turns: {plan}")

    def _carry_out(self, plan: Plan) -> None:
        for action in plan.actions:
            if self.obstacle is None or isinstance(action, WriteOutcome):
                self._perform(action)
        if self.crowded and any(isinstance(action, CreateRun) for action in plan.actions):
            self._again = True
            return
        if plan.status is not None:
            self._write()
            self.own["status"] = plan.status.to_dict()
            assert_what_holds_runs_up_has_a_reason(self.own["status"].get("active", ()))
        for action in plan.final_actions:
            self._perform(action)
        self.events.extend(plan.events)

    def _perform(self, action: Action) -> None:
        match action:
            case AddFinalizer():
                self._write()
                self.own["metadata"].setdefault("finalizers", []).append(FINALIZER)
            case RemoveFinalizer():
                self._write()
                self.own["metadata"]["finalizers"].remove(FINALIZER)
                self.collect_garbage()
            case TakeClaim(lease):
                self._take_claim(lease)
            case OwnVersion(owner):
                self._write()
                self.own["metadata"].setdefault("ownerReferences", []).append(owner.to_dict())
            case CreateRun(dataset, job):
                self._create(self.datasets, dataset.to_dict())
                self._create_job(job, self.datasets[dataset.metadata.name])
            case CreateRevision(root, revision):
                revised = build_revision(Dataset.from_dict(self.datasets[root.name]), revision)
                if revised.metadata.name in self.datasets:
                    raise Lost
                self._create(self.datasets, revised.to_dict())
            case CreateRunJob(facts, job):
                self._create_job(job, self.datasets[facts.name])
            case CreateTableCheck(job):
                self._create(self.jobs, job)
            case WriteOutcome(facts, outcome):
                self._write()
                if "outcome" in self.datasets[facts.name]["status"]:
                    raise Lost
                self.commit(facts.name, **outcome.as_operator().to_dict())
            case DeleteJob(facts) | StopRun(job=facts):
                self._write()
                self.deleted_jobs.append(facts.name)
                self.remove_job(facts.name)
            case DeleteDataset(facts):
                self._write()
                self.remove_dataset(facts.name)

    def _take_claim(self, lease: Mapping[str, Any]) -> None:
        self._write()
        if self.lease is not None:
            given = lease["metadata"].get("resourceVersion")
            if given != self.lease["metadata"]["resourceVersion"]:
                raise Lost
        self.lease = merged(lease, {"metadata": {"resourceVersion": self._number()}})

    def _create(self, place: dict[str, Manifest], body: Mapping[str, Any]) -> None:
        name = body["metadata"]["name"]
        if name in place:
            return
        self._write()
        meta = {
            "uid": f"uid-{name}-{self._number()}",
            "resourceVersion": self._number(),
            "creationTimestamp": format_time(self.now),
        }
        place[name] = merged(body, {"metadata": meta, "status": {}})

    def _create_job(self, body: Mapping[str, Any], dataset: Manifest) -> None:
        name = body["metadata"]["name"]
        owner = body["metadata"]["ownerReferences"][0] | {"uid": dataset["metadata"]["uid"]}
        if name not in self.jobs:
            self._create(self.jobs, merged(body, {"metadata": {"ownerReferences": [owner]}}))
            self.created_jobs.append(name)
            self._again = True  # the Job controller's answer is an event

    def _write(self) -> None:
        if self.writes == self.dies_at:
            self.dies_at = None
            raise Died
        self.writes += 1

    def _number(self) -> str:
        return str(next(self._numbers))

    # What others do.

    def commit(self, name: str, result: str, **more: Any) -> None:
        """The one write that ends a run; the pod's or the operator's."""
        status = self.datasets[name]["status"]
        assert "outcome" not in status, "an outcome is written once"
        status["outcome"] = {"result": result, "time": format_time(self.now), **more}

    def succeed(self, name: str, figure: float | None = 0.9) -> None:
        """The pod publishes, and its Job, the last of the run, completes."""
        self.datasets[name]["status"]["dataItemCount"] = 12
        self.commit(
            name, "Succeeded", evaluation=name, meanAveragePrecision=figure, evaluatedItemCount=10
        )
        self.complete_job(name)
        self.complete_job(evaluate_job_name(name))

    def complete_job(self, name: str) -> None:
        if name in self.jobs:
            self.jobs[name]["status"]["conditions"] = [{"type": "Complete", "status": "True"}]

    def cut(self, name: str, *, total: int = 12) -> None:
        """The pod of a run with people writes what they are to label, and its Job completes."""
        status = self.datasets[name]["status"]
        status |= {"cut": {"uri": "file:///results", "rowCount": 20}, "dataItemCount": 20}
        status |= {"totalCount": total, "completedCount": 0}
        if not total:
            self.say_labeled(name, "True", "NothingToLabel")
        self.complete_job(name)

    def say_labeled(self, name: str, status: str, reason: str, message: str = "") -> None:
        """What the labeler says of a run, in its Dataset's condition."""
        self.datasets[name]["status"]["conditions"] = [
            {
                "type": "Labeled",
                "status": status,
                "reason": reason,
                "message": message,
                "lastTransitionTime": format_time(self.now),
            }
        ]

    def count_new_labels(self, name: str, count: int) -> None:
        """What the next run's pod, or the labeler, finds out about a run."""
        self.datasets[name]["status"]["newLabelCount"] = count

    def request(self, value: str) -> None:
        """What `kubectl annotate` does to the job."""
        annotations = {ANNOTATION_REEVALUATE: value}
        self.own = merged(self.own, {"metadata": {"annotations": annotations}})

    def start_pod(self, name: str, phase: str = "Running", **status: Any) -> None:
        state: Manifest = {"running": {}} if phase == "Running" else {}
        self._add_pod(name, phase, state, status)

    def fail(
        self,
        name: str,
        message: str = "the table is gone",
        *,
        code: int = 14,
        reason: str = "TableGone",
        job_reason: str = "BackoffLimitExceeded",
        partial_failures: int = 0,
    ) -> None:
        """The pod ends with words of its own, and its Job fails."""
        said = {
            "code": code,
            "message": message,
            "reason": reason,
            "partialFailures": [{"code": 3, "message": message}] * partial_failures,
        }
        ended = {"exitCode": 70, "message": json.dumps(said), "finishedAt": format_time(self.now)}
        self.pods.pop(name, None)
        self._add_pod(name, "Failed", {"terminated": ended}, {})
        self.fail_job(name, job_reason)

    def fail_job(self, name: str, reason: str = "BackoffLimitExceeded") -> None:
        failed = {"type": "Failed", "status": "True", "reason": reason, "message": "it failed"}
        self.jobs[name]["status"]["conditions"] = [failed]

    def _add_pod(self, job: str, phase: str, state: Manifest, status: Manifest) -> None:
        containers = [{"name": "run", "state": state}] if state else []
        pods = self.pods.setdefault(job, [])
        name = f"{job}-{len(pods)}"
        meta = {
            "name": name,
            "namespace": "fruit",
            "uid": f"uid-{name}",
            "resourceVersion": self._number(),
            "creationTimestamp": format_time(self.now),
            "ownerReferences": [{"uid": self.jobs[job]["metadata"]["uid"], "controller": True}],
        }
        pods.append(
            {"metadata": meta, "status": {"phase": phase, "containerStatuses": containers} | status}
        )

    def remove_job(self, name: str) -> None:
        self.jobs.pop(name, None)
        self.pods.pop(name, None)

    def remove_dataset(self, name: str) -> None:
        self.datasets.pop(name, None)
        self.remove_job(name)
        self.remove_job(evaluate_job_name(name))

    def collect_garbage(self) -> None:
        for name in list(self.datasets):
            self.remove_dataset(name)

    def delete(self) -> None:
        """What `kubectl delete` does to the object that is being reconciled."""
        self.own["metadata"]["deletionTimestamp"] = format_time(self.now)

    def edit(self, **spec: Any) -> None:
        self.own = merged(self.own, {"spec": spec})
        self.own["metadata"]["generation"] += 1

    # What can be seen.

    def run_of(self, dataset: Manifest) -> Run:
        facts = DatasetFacts.from_body(dataset)
        jobs = (JobFacts.from_body(job) for job in self.jobs.values())
        job = current_job(facts, [job for job in jobs if job.owner_uid == facts.uid])
        return Run(facts, job, self._pod_facts(job.name) if job else ())

    def _pod_facts(self, name: str) -> tuple[PodFacts, ...]:
        return tuple(PodFacts.from_body(pod) for pod in self.pods.get(name, ()))

    @property
    def status(self) -> Manifest:
        found: Manifest = self.own.get("status") or {}
        return found

    def condition(self, kind: str) -> Manifest:
        conditions = self.status.get("conditions", [])
        return next((item for item in conditions if item["type"] == kind), {})

    def final_state(self) -> Manifest:
        """What must be the same whatever way led here."""
        return {
            "status": self.status,
            "finalizers": self.own["metadata"].get("finalizers", []),
            "datasets": {
                name: (item["spec"], item["status"]) for name, item in self.datasets.items()
            },
            "jobs": sorted(self.jobs),
            "lease": self.lease["spec"] if self.lease else None,
        }


class JobWorld(World):
    """An EvaluationJob whose namespace, table and labels are there unless a test takes them."""

    def __init__(
        self,
        *,
        checked: bool = True,
        people: bool = False,
        policy: Policy | None = None,
        **spec: Any,
    ) -> None:
        super().__init__()
        self.policy = policy or self.policy
        make = make_human_job if people else make_evaluation_job
        self.own = stored(make(spec={"schedule": "every 1 days"} | spec))
        self.labels: tuple[str, ...] | None = ("ripe", "unripe")
        self.namespace_lacks: tuple[str, ...] = ()
        self.claim_is_for_tables = True
        self.has_labeler = True
        self.instruction: InstructionSpec | None = InstructionSpec.from_dict(
            make_instruction()["spec"]
        )
        self.holder_exists = True
        self.replicas: tuple[Replica, ...] = ()
        self.answers: Answers | None = None
        if checked:
            self.settle()
            self.complete_check()
            self.settle()

    @property
    def job(self) -> EvaluationJob:
        return EvaluationJob.from_dict(self.own)

    @property
    def check_name(self) -> str:
        return next(name for name in self.jobs if name.startswith("evc-"))

    def complete_check(self) -> None:
        self.complete_job(self.check_name)

    def snapshot(self) -> JobSnapshot:
        uid = self.own["metadata"]["uid"]
        owned = [
            item
            for item in self.datasets.values()
            if item["metadata"]["ownerReferences"][0]["uid"] == uid
        ]
        checks = [item for name, item in self.jobs.items() if name.startswith("evc-")]
        check = JobFacts.from_body(checks[0]) if checks else None
        return JobSnapshot(
            job=self.job,
            runs=tuple(self.run_of(item) for item in owned),
            claim=self._claim(),
            labels=self.labels,
            instruction=self.instruction,
            has_labeler=self.has_labeler,
            namespace_lacks=self.namespace_lacks,
            claim_is_for_tables=self.claim_is_for_tables,
            table_check=TableCheck(check, self._pod_facts(check.name)) if check else None,
            obstacle=self.obstacle,
            replicas=self.replicas,
            free_places=self.free_places,
            answers=self.answers,
        )

    def _claim(self) -> Claim | None:
        if self.lease is None:
            return None
        holder = self.lease["spec"]["holderIdentity"]
        mine = holder == self.own["metadata"]["uid"]
        return Claim(
            name=self.lease["metadata"]["name"],
            holder_uid=holder,
            holder_name=self.lease["metadata"]["ownerReferences"][0]["name"],
            holder_exists=mine or self.holder_exists,
            resource_version=self.lease["metadata"]["resourceVersion"],
        )

    def decide(self) -> Plan:
        return decide_job(self.snapshot(), self.now, self.policy)

    def at_slot(self, day: int = 0, *, seconds: float = 1) -> Plan:
        """The clock comes to the slot so many days after the first, and the operator works."""
        self.now = FIRST_RUN + day * DAY + timedelta(seconds=seconds)
        return self.settle()

    @property
    def active(self) -> list[str]:
        return [item["name"] for item in self.status.get("active", [])]

    def newest(self) -> str:
        """The run that was created last."""
        return max(self.datasets, key=lambda name: self.datasets[name]["spec"]["scheduledTime"])

    def windows(self, name: str) -> list[Window]:
        return list(DatasetFacts.from_body(self.datasets[name]).windows)

    def spans(self, field: str) -> list[Window]:
        return [
            Window(
                parse_time(item["startTime"]), parse_time(item["endTime"]), item.get("failures", 0)
            )
            for item in self.status.get(field, [])
        ]


class VersionWorld(World):
    """An EvaluationJobVersion of a job that is ready."""

    def __init__(self, *, job_spec: Mapping[str, Any] | None = None, **spec: Any) -> None:
        super().__init__()
        self.own = stored(make_version(spec=spec))
        ready = {"type": "Ready", "status": "True", "reason": "Ready"} | {
            "lastTransitionTime": format_time(CREATED)
        }
        job = stored(make_evaluation_job(spec=dict(job_spec or {})))
        self.job: Manifest | None = merged(job, {"status": {"conditions": [ready]}})
        self.siblings: tuple[Sibling, ...] = ()
        self.labels: tuple[str, ...] | None = ("ripe", "unripe")
        self.source_dataset_found = False

    @property
    def run_name(self) -> str:
        return f"evjv-{self.own['metadata']['name']}"

    def snapshot(self) -> VersionSnapshot:
        dataset = self.datasets.get(self.run_name)
        return VersionSnapshot(
            version=EvaluationJobVersion.from_dict(self.own),
            job=EvaluationJob.from_dict(self.job) if self.job else None,
            siblings=self.siblings,
            run=self.run_of(dataset) if dataset else None,
            labels=self.labels,
            source_dataset_found=self.source_dataset_found,
            obstacle=self.obstacle,
            free_places=self.free_places,
        )

    def decide(self) -> Plan:
        return decide_version(self.snapshot(), self.now, self.policy)


def is_quiet(plan: Plan) -> bool:
    """Whether the plan writes nothing at all."""
    return plan.status is None and not plan.actions and not plan.final_actions


def assert_what_holds_runs_up_has_a_reason(active: Iterable[Manifest]) -> None:
    """A message without one is in no list of reasons, and so has no cure that anybody can find."""
    for run in active:
        reason = run.get("reason")
        assert ("message" in run) == (reason is not None), run
        assert reason is None or Reason(reason)
        assert run.get("message", "").startswith(f"{reason}: ") or reason is None, run
