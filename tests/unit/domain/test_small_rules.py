"""Conditions, quality, names, and what a run's pod may do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from evaluation_operator.domain.allowances import Allowances
from evaluation_operator.domain.conditions import clip, condition
from evaluation_operator.domain.facts.pod import PodFacts
from evaluation_operator.domain.naming import model_version_lease_name, run_name, table_digest
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.domain.stalled import Limits
from tests.unit.domain.world import CREATED, DAY, FIRST_RUN, JobWorld

ALERT = {
    "evaluationJobAlertConfig": {
        "email": "owner@example.com",
        "minAcceptableMeanAveragePrecision": 0.8,
    }
}


def test_a_conditions_time_moves_only_with_its_status() -> None:
    def at(hour: int, value: bool, reason: Reason, before: list[Any]) -> Any:
        now = CREATED + timedelta(hours=hour)
        return condition("Ready", value, reason, "m", generation=1, now=now, before=before)

    first = at(0, True, Reason.READY, [])
    same = at(1, True, Reason.PAUSED, [first])
    other = at(2, False, Reason.TABLE_INVALID, [same])

    assert same.last_transition_time == CREATED
    assert same.reason == Reason.PAUSED
    assert other.last_transition_time == CREATED + timedelta(hours=2)


@pytest.mark.parametrize("text", ["short", "x" * 100, "ü" * 100, "🍎" * 100])
def test_clipping_counts_bytes_and_cuts_no_letter(text: str) -> None:
    clipped = clip(text, 50)

    assert len(clipped.encode()) <= 50
    assert text.startswith(clipped.removesuffix("…"))


@dataclass(frozen=True)
class Quality:
    figure: float | None
    want_status: str
    want_reason: Reason


QUALITIES = {
    "above the threshold": Quality(0.81, "True", Reason.QUALITY_ACCEPTABLE),
    "at the threshold": Quality(0.8, "True", Reason.QUALITY_ACCEPTABLE),
    "below it": Quality(0.7999, "False", Reason.QUALITY_BELOW_THRESHOLD),
    "without a figure": Quality(None, "Unknown", Reason.QUALITY_UNKNOWN),
}


@pytest.mark.parametrize("quality", QUALITIES.values(), ids=QUALITIES.keys())
def test_quality_is_judged_by_the_newest_evaluation(quality: Quality) -> None:
    world = JobWorld(evaluationJobConfig=ALERT)
    assert world.condition("QualityAcceptable")["reason"] == Reason.NO_EVALUATION
    world.at_slot(0)
    world.succeed(world.active[0], figure=quality.figure)
    world.settle()

    told = world.condition("QualityAcceptable")
    assert told["status"] == quality.want_status
    assert told["reason"] == quality.want_reason
    assert world.condition("Ready")["status"] == "True", "a low score is no fault of the job"
    reasons = [event.reason for event in world.events]
    assert reasons.count(Reason.QUALITY_BELOW_THRESHOLD) == int(quality.want_status == "False")


def test_quality_is_unknown_when_evaluations_stay_away() -> None:
    world = JobWorld(evaluationJobConfig=ALERT)
    world.at_slot(0)
    world.succeed(world.active[0])
    plan = world.settle()
    assert plan.wake_at is not None

    world.edit(paused=True)
    plan = world.settle()
    assert plan.wake_at == FIRST_RUN + 2 * DAY
    world.now = plan.wake_at
    world.settle()
    assert world.condition("QualityAcceptable")["reason"] == Reason.STALE


def test_a_job_without_a_threshold_is_not_judged() -> None:
    assert JobWorld().condition("QualityAcceptable") == {}


def test_names_are_functions_of_what_they_lock() -> None:
    assert run_name("j", FIRST_RUN) == "evj-j-29540760"
    assert model_version_lease_name("a", "bc") != model_version_lease_name("ab", "c")
    assert table_digest("a", "") != table_digest("", "a")


def test_a_runs_pod_keeps_the_restricted_profile_whatever_the_template_says() -> None:
    allowances = Allowances(priority_classes=("low",), tolerations=("gpu",), node_labels=("gpu",))
    world = JobWorld(
        policy=Policy(limits=Limits(allowances=allowances)),
        runTemplate={
            "nodeSelector": {"gpu": "yes"},
            "tolerations": [{"key": "gpu", "operator": "Exists"}],
            "envFrom": [{"secretRef": {"name": "evaluation-db"}}],
            "priorityClassName": "low",
        },
    )
    world.at_slot(0)
    job = world.jobs[world.active[0]]
    pod = job["spec"]["template"]["spec"]
    [container] = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] == "evaluation-runner"
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["nodeSelector"] == {"gpu": "yes"}
    disrupted, stopped, failed = job["spec"]["podFailurePolicy"]["rules"]
    assert disrupted == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}
    assert (stopped["action"], stopped["onExitCodes"]["values"]) == ("Ignore", [143])
    assert (failed["action"], failed["onExitCodes"]["values"]) == ("FailJob", [2, 65, 66])
    assert "ttlSecondsAfterFinished" not in job["spec"]


def test_each_secret_is_mounted_apart_and_never_merged_into_variables() -> None:
    """`envFrom` merged all keys of all Secrets: PGPASSWORD of one met PGHOST of another."""
    names = ["evaluation-db", "evaluation-bucket", "evaluation-db"]
    secrets = [{"secretRef": {"name": name}} for name in names]
    world = JobWorld(runTemplate={"envFrom": secrets})
    world.at_slot(0)

    for name in (world.check_name, world.active[0]):
        pod = world.jobs[name]["spec"]["template"]["spec"]
        [container] = pod["containers"]
        assert "envFrom" not in container
        environment = {item["name"]: item.get("value") for item in container["env"]}
        assert environment["EVALUATION_SECRETS"] == "evaluation-db,evaluation-bucket"
        folder = environment["EVALUATION_SECRETS_DIR"]
        mounted = {it["name"]: it["mountPath"] for it in container["volumeMounts"]}
        volumes = {it["name"]: it["secret"] for it in pod["volumes"] if "secret" in it}
        assert {mounted[name]: it["secretName"] for name, it in volumes.items()} == {
            f"{folder}/{name}": name for name in names
        }
        assert all(it["optional"] for it in volumes.values()), "a missing one is told by the pod"
        assert all(it["defaultMode"] == 0o440 for it in volumes.values())


def test_a_table_check_gets_no_token() -> None:
    world = JobWorld()
    pod = world.jobs[world.check_name]["spec"]["template"]["spec"]

    assert [volume["name"] for volume in pod["volumes"]] == ["scratch", "table"]


VERDICTS = {
    "its own words": ('{"code": 9, "message": "no label", "reason": "NoLabel"}', 9),
    "no words": ("", None),
    "a stack trace": ("Traceback (most recent call last):", None),
    "another JSON": ("[1, 2]", None),
    "a code that is no number": ('{"code": "9"}', None),
    "a code that there is not": ('{"code": 99, "message": "no status takes it"}', None),
    "a failure with such a code": ('{"code": 9, "partialFailures": [{"code": 99}]}', None),
    "a message that is no text": ('{"code": 9, "message": 9}', None),
    "nothing but brackets": ("[" * 4096, None),
}


@pytest.mark.parametrize(("message", "want_code"), VERDICTS.values(), ids=VERDICTS.keys())
def test_a_termination_message_is_read_or_ignored(message: str, want_code: int | None) -> None:
    ended = {"terminated": {"exitCode": 65, "message": message}}
    pod = PodFacts.from_body(
        {
            "metadata": {
                "name": "p",
                "namespace": "n",
                "uid": "u",
                "resourceVersion": "1",
                "creationTimestamp": "2026-03-02T10:00:00Z",
            },
            "status": {"phase": "Failed", "containerStatuses": [{"name": "run", "state": ended}]},
        }
    )

    assert (pod.verdict.failure.code if pod.verdict else None) == want_code


def failed_with(message: str, code: int) -> JobWorld:
    """A job whose first run's pod has ended with these words, once everything has settled."""
    world = JobWorld()
    world.at_slot(0)
    [run] = world.active
    world.start_pod(run)
    world.fail(run, message=message, code=code)
    world.settle()
    return world


def test_half_a_pair_in_the_last_words_of_a_pod_is_told_as_a_question_mark() -> None:
    """JSON can say half a surrogate pair, UTF-8 cannot: each turn of the job ended there, and it
    never ran again."""
    world = failed_with("no \ud800 label", code=3)

    assert world.active == []
    assert "no ? label" in str(world.status["attempts"])


def test_a_pod_that_says_a_code_that_there_is_not_fails_its_run_all_the_same() -> None:
    """The API server takes no such status: each turn of the job ended there, and the run stayed."""
    world = failed_with("nothing", code=99)

    assert world.active == []
    assert world.status["attempts"][0]["partialFailures"][0]["code"] == 2
