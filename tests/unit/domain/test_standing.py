"""Where a Job with its pods stands: every way in which a pod can fail to appear, to start, to go on
and to end, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evaluation_operator.api.base import format_time
from evaluation_operator.domain.facts.job import JobFacts
from evaluation_operator.domain.facts.pod import PodFacts
from evaluation_operator.domain.facts.standing import (
    Phase,
    Standing,
    asked_about,
    has_come_to_its_end,
    stand,
)
from evaluation_operator.domain.facts.troubles import TOLD_BYTES, WarningFacts, is_same, told_before
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.reasons import Reason
from tests.builders import Manifest, merged

BEGUN = datetime(2026, 3, 2, 10, tzinfo=UTC)
LATER = BEGUN + timedelta(minutes=5)
POLICY = Policy()
JOB = "evj-ripeness-29541240"


def make_job(**more: Any) -> JobFacts:
    body: Manifest = {
        "metadata": {
            "name": JOB,
            "namespace": "fruit",
            "uid": "uid-job",
            "resourceVersion": "1",
            "creationTimestamp": format_time(BEGUN),
        },
        "spec": {"activeDeadlineSeconds": 600},
        "status": {},
    }
    return JobFacts.from_body(merged(body, more))


def make_pod(state: Manifest | None = None, name: str = "x7k2p", **more: Any) -> PodFacts:
    containers = [{"name": "run", "state": state}] if state is not None else []
    body: Manifest = {
        "metadata": {
            "name": f"{JOB}-{name}",
            "namespace": "fruit",
            "uid": f"uid-{name}",
            "resourceVersion": "1",
            "creationTimestamp": format_time(BEGUN),
        },
        "spec": {
            "nodeName": "node-1",
            "containers": [{"name": "run", "resources": {"limits": {"memory": "1Gi"}}}],
        },
        "status": {"phase": "Pending", "containerStatuses": containers},
    }
    return PodFacts.from_body(merged(body, more))


def waiting(reason: str, message: str = "") -> PodFacts:
    return make_pod({"waiting": {"reason": reason, "message": message}})


def ended(code: int, reason: str = "Error", **more: Any) -> PodFacts:
    state = {
        "terminated": {
            "exitCode": code,
            "reason": reason,
            "startedAt": format_time(BEGUN),
            "finishedAt": format_time(BEGUN + timedelta(minutes=1)),
        }
    }
    phase = {"phase": "Succeeded" if code == 0 else "Failed"}
    return make_pod(state, **merged({"status": phase}, more))


def warns(reason: str, message: str) -> tuple[WarningFacts, ...]:
    return (WarningFacts(reason, message, BEGUN),)


def refused(why: str) -> tuple[WarningFacts, ...]:
    """As the Job controller writes it, with a name that is another one each time."""
    pod = f"{JOB}-7xk2p"
    return warns("FailedCreate", f'Error creating: pods "{pod}" is forbidden: {why}')


@dataclass(frozen=True)
class Case:
    want_reason: Reason
    want_detail: str
    want_cure: str
    pods: tuple[PodFacts, ...] = ()
    warnings: tuple[WarningFacts, ...] = ()
    job: JobFacts = field(default_factory=make_job)
    want_phase: Phase = Phase.QUEUING


RUNNING = make_pod({"running": {"startedAt": format_time(BEGUN)}}, status={"phase": "Running"})
NEXT = make_pod({"waiting": {"reason": "ContainerCreating"}}, "9qlmw")
GOING = make_pod(
    {"running": {"startedAt": format_time(BEGUN)}},
    metadata={"deletionTimestamp": format_time(BEGUN + timedelta(minutes=1))},
    status={"phase": "Running"},
)
COMPANION = [
    {"name": "istio-proxy", "state": {"running": {"startedAt": format_time(BEGUN)}}},
    {
        "name": "run",
        "state": {"terminated": {"exitCode": 0, "finishedAt": format_time(BEGUN)}},
    },
]

CASES = {
    "a quota": Case(
        Reason.FAILED_CREATE,
        f'pods "{JOB}" is forbidden: exceeded quota: pods, requested: pods=1, used: pods=2',
        "raise the ResourceQuota; or ask for less in spec.runTemplate.resources, and kubectl",
        warnings=refused("exceeded quota: pods, requested: pods=1, used: pods=2"),
    ),
    "a quota that wants to be told": Case(
        Reason.FAILED_CREATE,
        "failed quota: cpu: must specify limits.cpu for: run",
        "give in spec.runTemplate.resources what the ResourceQuota wants to be told, and kubectl",
        warnings=refused("failed quota: cpu: must specify limits.cpu for: run"),
    ),
    "a priority that is gone": Case(
        Reason.FAILED_CREATE,
        "no PriorityClass with name batch was found",
        "name one that exists in spec.runTemplate.priorityClassName, and kubectl delete job",
        warnings=refused("no PriorityClass with name batch was found"),
    ),
    "a service account of one's own": Case(
        Reason.FAILED_CREATE,
        'serviceaccount "trainer" not found',
        "create it, or name another in spec.runTemplate.serviceAccountName and kubectl delete",
        warnings=refused(
            'error looking up service account fruit/trainer: serviceaccount "trainer" not found'
        ),
    ),
    "a LimitRange": Case(
        Reason.FAILED_CREATE,
        "maximum memory usage per Container is 128Mi, but limit is 1Gi",
        "kubectl describe limitrange -n fruit",
        warnings=refused("maximum memory usage per Container is 128Mi, but limit is 1Gi"),
    ),
    "a service account that was deleted": Case(
        Reason.FAILED_CREATE,
        'serviceaccount "evaluation-runner" not found',
        "kubectl apply -n fruit -k manifests/namespace",
        warnings=refused(
            "error looking up service account fruit/evaluation-runner: serviceaccount "
            '"evaluation-runner" not found'
        ),
    ),
    "an admission policy": Case(
        Reason.FAILED_CREATE,
        "ValidatingAdmissionPolicy 'no-pods' with binding 'no-pods' denied request",
        "have whoever owns that rule admit pods",
        warnings=refused(
            "ValidatingAdmissionPolicy 'no-pods' with binding 'no-pods' denied request"
        ),
    ),
    "a webhook that refuses": Case(
        Reason.FAILED_CREATE,
        "denied the request",
        "have whoever owns that rule admit pods",
        warnings=refused('admission webhook "w.example.com" denied the request: no'),
    ),
    "a webhook that does not answer": Case(
        Reason.FAILED_CREATE,
        "failed calling webhook",
        "that webhook does not answer: repair it",
        warnings=warns(
            "FailedCreate", 'Internal error occurred: failed calling webhook "w.example.com": EOF'
        ),
    ),
    "a sidecar that the namespace's security level forbids": Case(
        Reason.FAILED_CREATE,
        "violates PodSecurity",
        "kubectl get mutatingwebhookconfigurations",
        warnings=refused('violates PodSecurity "restricted:latest": unrestricted capabilities'),
    ),
    "a reason that nobody has thought of": Case(
        Reason.FAILED_CREATE,
        "is forbidden: a new rule",
        f"kubectl describe job {JOB} -n fruit",
        warnings=refused("a new rule"),
    ),
    "no node has room": Case(
        Reason.UNSCHEDULABLE,
        "0/3 nodes are available",
        "make room",
        pods=(
            make_pod(
                spec={"nodeName": ""},
                status={
                    "conditions": [
                        {
                            "type": "PodScheduled",
                            "status": "False",
                            "message": "0/3 nodes are available: 3 Insufficient memory.",
                        }
                    ]
                },
            ),
        ),
    ),
    "a claim that cannot be bound": Case(
        Reason.UNSCHEDULABLE,
        "unbound immediate PersistentVolumeClaims",
        "kubectl describe pvc -n fruit",
        pods=(
            make_pod(
                spec={"nodeName": ""},
                status={
                    "conditions": [
                        {
                            "type": "PodScheduled",
                            "status": "False",
                            "message": "pod has unbound immediate PersistentVolumeClaims",
                        }
                    ]
                },
            ),
        ),
    ),
    "an image that is not there": Case(
        Reason.IMAGE_PULL_BACK_OFF,
        "lookup registry.example: no such host",
        "spec.runTemplate.image",
        pods=(
            waiting(
                "ImagePullBackOff",
                'Back-off pulling image "registry.example/x:1": ErrImagePull: failed to pull: '
                "dial tcp: lookup registry.example: no such host",
            ),
        ),
    ),
    "an image that is being tried again": Case(
        Reason.IMAGE_PULL_BACK_OFF,
        "lookup registry.example: no such host",
        "imagePullSecrets",
        pods=(waiting("ErrImagePull", "dial tcp: lookup registry.example: no such host"),),
    ),
    "an image's name that is none": Case(
        Reason.INVALID_IMAGE_NAME,
        "couldn't parse",
        "image",
        pods=(waiting("InvalidImageName", "couldn't parse"),),
    ),
    "a container that runs first and cannot": Case(
        Reason.CREATE_CONTAINER_ERROR,
        "CrashLoopBackOff: container 'istio-init': back-off 10s",
        "kubectl describe pod",
        pods=(
            make_pod(
                status={
                    "initContainerStatuses": [
                        {
                            "name": "istio-init",
                            "state": {
                                "waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}
                            },
                        }
                    ]
                }
            ),
        ),
    ),
    "a Secret that does not exist": Case(
        Reason.FAILED_MOUNT,
        'secret "evaluation-db" not found',
        "create that Secret, or name another one in spec.runTemplate.envFrom",
        pods=(NEXT,),
        warnings=warns(
            "FailedMount",
            'MountVolume.SetUp failed for volume "secret-0" : secret "evaluation-db" not found',
        ),
    ),
    "a volume that cannot be attached": Case(
        Reason.FAILED_ATTACH_VOLUME,
        "Multi-Attach error",
        "see who else has the volume",
        pods=(NEXT,),
        warnings=warns("FailedAttachVolume", 'Multi-Attach error for volume "pvc-1"'),
    ),
    "a sandbox that cannot be made": Case(
        Reason.FAILED_CREATE_POD_SANDBOX,
        "no route to host",
        "kubectl describe pod",
        pods=(NEXT,),
        warnings=warns("FailedCreatePodSandBox", "cni: no route to host"),
    ),
    "too little memory, while the run is tried again": Case(
        Reason.OOM_KILLED,
        "the run needs more memory than its limit (1Gi)",
        "raise spec.runTemplate.resources.limits.memory",
        pods=(ended(137, "OOMKilled"), NEXT),
    ),
    "an eviction, while the next pod starts": Case(
        Reason.EVICTED,
        "from node node-1: The node was low on resource: memory",
        "spec.runTemplate.resources.requests",
        pods=(
            make_pod(
                status={
                    "phase": "Failed",
                    "reason": "Evicted",
                    "message": "The node was low on resource: memory.",
                }
            ),
            NEXT,
        ),
    ),
    "a node that is gone": Case(
        Reason.POD_LOST,
        f"pod {JOB}-x7k2p was told to end, and node node-1 has not said that it did",
        "if that node is gone for good: kubectl delete node node-1",
        pods=(GOING,),
    ),
    "a Job that somebody has suspended": Case(
        Reason.SUSPENDED,
        "is suspended by hand",
        f'kubectl patch job {JOB} -n fruit --type=merge -p \'{{"spec":{{"suspend":false}}}}\'',
        job=make_job(spec={"suspend": True}),
    ),
    "a Job that is deleted and held": Case(
        Reason.HELD_BY_FINALIZER,
        "held by example.com/backup",
        f"kubectl patch job {JOB}",
        job=make_job(
            metadata={
                "deletionTimestamp": format_time(BEGUN),
                "finalizers": ["foregroundDeletion", "example.com/backup"],
            }
        ),
    ),
    "a sidecar that goes on": Case(
        Reason.CONTAINER_STILL_RUNNING,
        "container 'istio-proxy' goes on",
        "restartPolicy: Always",
        pods=(make_pod(status={"phase": "Running", "containerStatuses": COMPANION}),),
        want_phase=Phase.RUNNING,
    ),
}


def standing(case: Case) -> Standing:
    return stand(case.job, case.pods, case.warnings, LATER, POLICY)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_stands_still_says_why_and_what_to_do(case: Case) -> None:
    found = standing(case)

    assert found.trouble is not None
    assert (found.reason, found.phase) == (case.want_reason, case.want_phase)
    assert found.message.startswith(f"{case.want_reason}: ")
    assert case.want_detail in found.message
    assert case.want_cure in found.message
    assert found.is_held_up


def test_a_long_story_is_cut_short_and_its_cure_is_not() -> None:
    """Of an image that no registry had, an attempt kept 256 bytes: all of the story, no cure."""
    said = f"failed to resolve reference: {'no such host, ' * 200}"
    found = stand(make_job(), (waiting("ErrImagePull", said),), (), LATER, POLICY)

    assert found.trouble is not None
    assert found.trouble.failure.message == found.message
    assert len(found.message.encode()) <= TOLD_BYTES
    assert f"…; {found.trouble.cure}" in found.message


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_trouble_is_known_again_in_the_status_that_told_it(case: Case) -> None:
    told = told_before(standing(case).message)

    assert told is not None
    assert standing(case).message.startswith(told.message)
    assert "kubectl delete job" not in told.message, "it has ended by then"


@pytest.mark.parametrize(
    "text", ["", None, "waiting for a pod", "suspended: a queue holds the Job", "Labeling: slow"]
)
def test_what_is_no_trouble_is_not_told_at_a_deadline(text: str | None) -> None:
    assert told_before(text) is None


def test_other_quantities_are_no_news() -> None:
    """Each look at a quota that others use would have cost a write."""
    texts = [
        stand(
            make_job(), (), refused(f"exceeded quota: q, used: pods={used}"), LATER, POLICY
        ).message
        for used in (2, 13)
    ]

    assert texts[0] != texts[1]
    assert is_same(*texts)
    assert not is_same(texts[0], texts[0].replace("quota: q", "quota: p"))
    assert not is_same(None, texts[0])


def test_the_containers_of_others_are_not_taken_for_the_runs() -> None:
    """Kubernetes lists them by name, and a mesh's comes before `run`."""
    mesh = {"name": "istio-proxy", "state": {"running": {"startedAt": format_time(BEGUN)}}}
    own = {"name": "run", "state": {"waiting": {"reason": "PodInitializing"}}}
    pod = make_pod(status={"phase": "Pending", "containerStatuses": [mesh, own]})

    assert not pod.started
    assert stand(make_job(), (pod,), (), LATER, POLICY).phase is Phase.QUEUING


LOOKS = {
    "a pod that is late to come": ((), LATER, "uid-job"),
    "a pod that is not late yet": ((), BEGUN + timedelta(seconds=19), None),
    "a pod that starts for long": ((NEXT,), LATER, "uid-9qlmw"),
    "a pod that has no node yet": ((make_pod(spec={"nodeName": ""}),), LATER, None),
    "a pod that says why by itself": ((waiting("ErrImagePull"),), LATER, None),
    "a pod that runs": ((RUNNING,), LATER, None),
    "a pod that has ended well": ((ended(0),), LATER, None),
    "the next pod is late to come": ((ended(75),), LATER, "uid-job"),
}


@pytest.mark.parametrize(("pods", "now", "want"), LOOKS.values(), ids=LOOKS.keys())
def test_events_are_asked_for_where_nothing_else_says_why(
    pods: tuple[PodFacts, ...], now: datetime, want: str | None
) -> None:
    assert asked_about(make_job(), pods, now, POLICY) == want


def test_no_events_are_asked_for_while_the_job_controller_counts_a_pod() -> None:
    assert asked_about(make_job(status={"active": 1}), (), LATER, POLICY) is None


PATIENCE = {
    "a pod that has just failed": (make_job(), ended(75), timedelta(seconds=61)),
    "a pod that is being deleted": (make_job(), GOING, timedelta(seconds=61)),
    "a Job that was given up": (
        make_job(
            status={
                "conditions": [
                    {
                        "type": "FailureTarget",
                        "status": "True",
                        "lastTransitionTime": format_time(BEGUN),
                    }
                ]
            }
        ),
        RUNNING,
        timedelta(seconds=1),
    ),
}


@pytest.mark.parametrize(("job", "pod", "since"), PATIENCE.values(), ids=PATIENCE.keys())
def test_what_mostly_ends_by_itself_is_looked_at_again(
    job: JobFacts, pod: PodFacts, since: timedelta
) -> None:
    """Nobody tells when a node does not answer, or a Job controller makes no further pod."""
    found = stand(job, (pod,), (), BEGUN + since, POLICY)

    assert not found.is_held_up
    assert found.again_at is not None
    assert timedelta(0) < found.again_at - (BEGUN + since) <= timedelta(minutes=1)


@pytest.mark.parametrize("minutes", [-5, 0, 5], ids=["behind", "right", "ahead"])
def test_by_whatever_clock_a_pod_has_ended_its_trouble_is_told_within_a_minute(
    minutes: int,
) -> None:
    """A node whose clock was ahead by five minutes had its failed pods believed to have just
    ended for as long."""
    terminated = {"exitCode": 137, "reason": "OOMKilled"} | {
        "finishedAt": format_time(BEGUN + timedelta(minutes=minutes))
    }
    pod = make_pod({"terminated": terminated}, status={"phase": "Failed"})

    found = stand(make_job(), (pod,), (), BEGUN + timedelta(minutes=1), POLICY)

    assert found.reason is Reason.OOM_KILLED


def test_of_what_was_made_by_a_clock_that_is_ahead_events_are_asked_for_at_once() -> None:
    assert asked_about(make_job(), (), BEGUN - timedelta(minutes=5), POLICY) == "uid-job"


ENDS = {
    "it goes on": (make_job(), (RUNNING,), False),
    "it has failed": (
        make_job(status={"conditions": [{"type": "Failed", "status": "True"}]}),
        (),
        True,
    ),
    "it was given up, and a pod on a node that is gone keeps it": (
        make_job(
            status={
                "conditions": [
                    {
                        "type": "FailureTarget",
                        "status": "True",
                        "reason": "DeadlineExceeded",
                        "lastTransitionTime": format_time(BEGUN),
                    }
                ]
            }
        ),
        (GOING,),
        True,
    ),
    "a sidecar goes on for more than a minute": (
        make_job(),
        (make_pod(status={"phase": "Running", "containerStatuses": COMPANION}),),
        True,
    ),
    "it was deleted, and is held for longer than a Job may be refused": (
        make_job(
            metadata={
                "deletionTimestamp": format_time(LATER - POLICY.create_deadline),
                "finalizers": ["example.com/backup"],
            }
        ),
        (),
        True,
    ),
    "it was deleted, and goes": (
        make_job(metadata={"deletionTimestamp": format_time(BEGUN - timedelta(days=1))}),
        (),
        False,
    ),
}


@pytest.mark.parametrize(("job", "pods", "want"), ENDS.values(), ids=ENDS.keys())
def test_a_run_whose_job_cannot_end_has_come_to_its_end(
    job: JobFacts, pods: tuple[PodFacts, ...], want: bool
) -> None:
    assert has_come_to_its_end(job, pods, LATER, POLICY) is want
