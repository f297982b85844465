"""May this job run, and if not, why: small checks in the order in which people should fix them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from evaluation_operator.api.base import Condition
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.names import parse_annotation_spec_set_name, parse_instruction_name
from evaluation_operator.api.table_address import shown_address
from evaluation_operator.api.table_schemes import OPENED
from evaluation_operator.domain.allowances import claim_breach, job_breaches
from evaluation_operator.domain.answer_classes import unknown_classes
from evaluation_operator.domain.facts.claim import Claim
from evaluation_operator.domain.facts.standing import (
    Phase,
    has_come_to_its_end,
    last_failed,
    later,
    stand,
)
from evaluation_operator.domain.facts.troubles import is_same, of_end
from evaluation_operator.domain.faults import Fault, listed
from evaluation_operator.domain.manifests.lease import lease_for_model_version
from evaluation_operator.domain.manifests.table_check import build_table_check
from evaluation_operator.domain.naming import LABELER_LEASE
from evaluation_operator.domain.plan import Action, CreateTableCheck, DeleteJob, TakeClaim
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.domain.snapshot import JobSnapshot, TableCheck
from evaluation_operator.domain.stalled import stalled_faults
from evaluation_operator.domain.tables import table_source

CLAIM = "evaluations"
"""That of manifests/namespace."""
TABLE_SOURCE_PATH = "spec.evaluationJobConfig.inputConfig.tableSource"


@dataclass(frozen=True, slots=True)
class Readiness:
    """`stalled`: nothing happens before the spec changes or a claim is freed.

    Not ready and not stalled: something is missing that may still come; `actions` fetch it,
    `retry_at` says when to look again without an event.
    """

    ready: bool
    reason: Reason
    message: str
    stalled: bool = False
    actions: tuple[Action, ...] = ()
    retry_at: datetime | None = None
    table_digest: str | None = None


def judge(snapshot: JobSnapshot, now: datetime, policy: Policy) -> Readiness:
    """The first thing that keeps the job from running, or that it is ready."""
    return (
        _invalid_spec(snapshot, policy)
        or _model_version_claim(snapshot)
        or _obstacle(snapshot, now, policy)
        or _not_allowed(snapshot, now, policy)
        or _unsupported(snapshot)
        or _missing_references(snapshot)
        or _unknown_classes(snapshot)
        or _namespace(snapshot, now, policy)
        or _labeler(snapshot, now, policy)
        or _table(snapshot, now, policy)
    )


def _missing(
    reason: Reason,
    message: str,
    *actions: Action,
    retry_at: datetime | None = None,
) -> Readiness:
    return Readiness(False, reason, message, actions=actions, retry_at=retry_at)


def _invalid_spec(snapshot: JobSnapshot, policy: Policy) -> Readiness | None:
    job = snapshot.job
    faults = stalled_faults(job, job.metadata.namespace, limits=policy.limits)
    if not faults:
        return None
    return Readiness(False, Reason.INVALID_SPEC, listed(faults), stalled=True)


def _model_version_claim(snapshot: JobSnapshot) -> Readiness | None:
    claim, job = snapshot.claim, snapshot.job
    if claim is not None and claim.holder_uid == job.metadata.uid:
        return None
    if claim is not None and claim.holder_exists:
        message = _taken(job, claim)
        return Readiness(False, Reason.MODEL_VERSION_TAKEN, message, stalled=True)
    version = claim.resource_version if claim is not None else None
    return _missing(
        Reason.PROGRESSING,
        "claiming the model version",
        TakeClaim(lease_for_model_version(job, version)),
    )


def _taken(job: EvaluationJob, claim: Claim) -> str:
    holder, namespace = claim.holder_name, job.metadata.namespace
    taken = f"{job.spec.model_version} is evaluated by EvaluationJob {holder!r}"
    if not claim.holder_goes:
        return f"{taken}: a model version has one job; delete one of the two"
    goes = f"{taken}, which was deleted; this job takes over once it is gone"
    if not claim.holder_finalizers:
        return goes
    patch = '{"metadata":{"finalizers":null}}'
    return (
        f"{goes}. It is held by {', '.join(claim.holder_finalizers)}; once that is done with it, "
        f"or gone for good: kubectl patch evj {holder} -n {namespace} --type=merge -p '{patch}'"
    )


def _obstacle(snapshot: JobSnapshot, now: datetime, policy: Policy) -> Readiness | None:
    obstacle = snapshot.obstacle
    if obstacle is None:
        return None
    return _missing(obstacle.reason, obstacle.message, retry_at=now + policy.retry)


def _not_allowed(snapshot: JobSnapshot, now: datetime, policy: Policy) -> Readiness | None:
    """It may be allowed tomorrow, so nothing is lost: sampling goes on.

    Only a claim is looked at again by itself: its owner may label it, and nobody tells. The rest
    changes with the job, or with the operator's settings, which it starts anew for.
    """
    job, allowances = snapshot.job, policy.limits.allowances
    faults: list[Fault] = job_breaches(job, allowances) if allowances is not None else []
    claim, retry_at = table_source(job).volume_claim, None
    if claim is not None and not snapshot.claim_is_for_tables:
        faults.append(claim_breach(job, claim))
        retry_at = now + policy.retry
    if not faults:
        return None
    return _missing(Reason.NOT_ALLOWED, listed(faults), retry_at=retry_at)


def _unsupported(snapshot: JobSnapshot) -> Readiness | None:
    """Fields that are in the resource from the start and come to life in later versions."""
    job = snapshot.job
    source = table_source(job)
    if source.scheme not in OPENED:
        message = (
            f"no backend for {source.scheme}:// tables in this version "
            f"({shown_address(source.uri)}); use tableSource with one of {', '.join(OPENED)}"
        )
        return _missing(Reason.BACKEND_UNAVAILABLE, message)
    return None


def _missing_references(snapshot: JobSnapshot) -> Readiness | None:
    spec, namespace = snapshot.job.spec, snapshot.job.metadata.namespace
    if snapshot.labels is None:
        name = parse_annotation_spec_set_name(spec.annotation_spec_set, namespace=namespace)
        message = f"AnnotationSpecSet {name!r} does not exist in namespace {namespace!r}: apply it"
        return _missing(Reason.SPEC_SET_NOT_FOUND, message)
    human = spec.evaluation_job_config.human_annotation_config
    if human is not None and snapshot.instruction is None:
        name = parse_instruction_name(human.instruction, namespace=namespace)
        message = f"Instruction {name!r} does not exist in namespace {namespace!r}: apply it"
        return _missing(Reason.INSTRUCTION_NOT_FOUND, message)
    return None


def _unknown_classes(snapshot: JobSnapshot) -> Readiness | None:
    """Labels that the job says of its model's answers, and that its set does not have."""
    config = snapshot.job.spec.evaluation_job_config.input_config
    faults = list(unknown_classes(config, snapshot.labels or ()))
    return _missing(Reason.CLASS_NAMES_UNKNOWN, listed(faults)) if faults else None


def _namespace(snapshot: JobSnapshot, now: datetime, policy: Policy) -> Readiness | None:
    if not snapshot.namespace_lacks:
        return None
    namespace, lacks = snapshot.job.metadata.namespace, snapshot.namespace_lacks
    cures = dict.fromkeys(_cure_of_lack(what, namespace, policy) for what in lacks)
    message = f"namespace {namespace!r} lacks {' and '.join(lacks)}: {'; '.join(cures)}"
    return _missing(Reason.NAMESPACE_NOT_READY, message, retry_at=now + policy.retry)


def _cure_of_lack(what: str, namespace: str, policy: Policy) -> str:
    """The namespace's component makes what jobs have unless they name another one."""
    made = (f"ServiceAccount {policy.service_account!r}", f"PersistentVolumeClaim {CLAIM!r}")
    if what in made:
        return f"kubectl apply -n {namespace} -k {policy.namespace_component}"
    if what.startswith("PersistentVolumeClaim"):
        field = f"{TABLE_SOURCE_PATH}.persistentVolumeClaimName"
    else:
        field = "spec.runTemplate.serviceAccountName"
    return f"create {what}, or name another one in {field}"


def _labeler(snapshot: JobSnapshot, now: datetime, policy: Policy) -> Readiness | None:
    """Where people are to label, somebody has to bring the tasks to them."""
    job = snapshot.job
    if not job.spec.label_missing_ground_truth or snapshot.has_labeler:
        return None
    namespace = job.metadata.namespace
    message = (
        f"spec.labelMissingGroundTruth: true: no labeler works in namespace {namespace!r} (its "
        f"Lease {LABELER_LEASE!r} is not renewed): "
        f"kubectl apply -n {namespace} -k {policy.labeler_component}"
    )
    return _missing(Reason.BACKEND_UNAVAILABLE, message, retry_at=now + policy.retry)


def _table(snapshot: JobSnapshot, now: datetime, policy: Policy) -> Readiness:
    job, check = snapshot.job, snapshot.table_check
    digest = table_source(job).digest
    good = Readiness(
        True, Reason.READY, "sampled rows are evaluated on schedule", table_digest=digest
    )
    if job.status.table_digest == digest or (check is not None and _has_passed(check)):
        return good
    if check is None:
        return _checking(job, CreateTableCheck(build_table_check(job, policy)))
    if check.job.deleting:
        return _checking(job)
    if has_come_to_its_end(check.job, check.pods, now, policy):
        return _failed_check(job, check, now, policy)
    return _follow_check(job, check, now, policy)


def _has_passed(check: TableCheck) -> bool:
    """Also where a container that somebody put beside the check's keeps the Job from completing."""
    return check.job.complete or any(pod.has_succeeded for pod in check.pods)


def _checking(job: EvaluationJob, *actions: Action, has_begun: bool = False) -> Readiness:
    """What the last check of this very spec found stands until the next has ended."""
    standing = {Reason.TABLE_INVALID, Reason.TABLE_UNAVAILABLE}
    if not has_begun:
        standing.add(Reason.TABLE_NOT_CHECKED)
    last = _last_word(job)
    if last is not None and last.reason in standing:
        return _missing(Reason(last.reason), last.message, *actions)
    message = f"checking the table {shown_address(table_source(job).uri)}"
    return _missing(Reason.TABLE_CHECKING, message, *actions)


def _last_word(job: EvaluationJob) -> Condition | None:
    """What Ready says of this very spec."""
    last = next((item for item in job.status.conditions if item.type == "Ready"), None)
    same = last is not None and last.observed_generation == job.metadata.generation
    return last if same else None


def _follow_check(
    job: EvaluationJob, check: TableCheck, now: datetime, policy: Policy
) -> Readiness:
    """Of a check that goes on: nothing is said of the table before it has been looked at."""
    standing = stand(check.job, check.pods, check.warnings, now, policy)
    again = later(standing.again_at, now)
    if not standing.is_held_up or standing.phase is Phase.RUNNING:
        found = _checking(job, has_begun=standing.phase is Phase.RUNNING)
        return replace(found, retry_at=again)
    message, last = _not_checked(job, standing.message), _last_word(job)
    if last is not None and is_same(last.message, message):
        message = last.message
    return _missing(Reason.TABLE_NOT_CHECKED, message, retry_at=again)


def _not_checked(job: EvaluationJob, why: str) -> str:
    uri = shown_address(table_source(job).uri)
    return f"the table {uri} has not been looked at, since its check does not start: {why}"


def _failed_check(
    job: EvaluationJob, check: TableCheck, now: datetime, policy: Policy
) -> Readiness:
    """Say why, and check again after a while: a table is repaired without telling anybody.

    The longer it is not, the rarer: each check takes a pod. The next one is made in the place of
    the one that failed, and so knows how many did before.
    """
    reason, message = _verdict_of(job, check)
    failed = check.job.failed_checks + 1
    ended_at = max([check.job.create_time, *(pod.ended_at(now) for pod in check.pods)])
    retry_at = ended_at + _pause_after(failed, policy)
    if retry_at > now:
        return _missing(reason, message, retry_at=retry_at)
    again = CreateTableCheck(build_table_check(job, policy, failed))
    return _missing(reason, message, DeleteJob(check.job), again)


def _pause_after(failed_checks: int, policy: Policy) -> timedelta:
    """From the end of a check to the next."""
    pause = policy.table_check_retry * (1 << min(failed_checks - 1, 20))
    longest = max(policy.table_check_retry, policy.table_check_longest_retry)
    return min(pause, longest)


def _verdict_of(job: EvaluationJob, check: TableCheck) -> tuple[Reason, str]:
    pod, last = last_failed(check.pods), _last_word(job)
    if pod is not None and pod.verdict is not None:
        invalid = pod.verdict.reason == Reason.TABLE_INVALID
        reason = Reason.TABLE_INVALID if invalid else Reason.TABLE_UNAVAILABLE
        return reason, pod.verdict.failure.message
    if pod is not None:
        return Reason.TABLE_NOT_CHECKED, _not_checked(job, str(of_end(pod)))
    if last is not None and last.reason == Reason.TABLE_NOT_CHECKED:
        return Reason.TABLE_NOT_CHECKED, last.message
    detail = check.job.message or check.job.reason or "no pod told why"
    return Reason.TABLE_UNAVAILABLE, f"the table could not be checked: {detail}"
