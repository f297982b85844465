"""EvaluationJobs as the cluster has them, shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from evaluation_operator.api.base import Condition, RpcStatus
from evaluation_operator.api.evaluation import Evaluation
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_status import EvaluationJobStatus
from evaluation_operator.api.evaluation_job_version import EvaluationJobVersion
from evaluation_operator.cli.ages import age_of, due, past, shown_time
from evaluation_operator.cli.errors import one_line
from evaluation_operator.cli.figures import count, number
from evaluation_operator.cli.output import (
    plural,
    print_fields,
    print_table,
    print_title,
    tell,
)
from evaluation_operator.cli.showing_evaluations import print_evaluation
from evaluation_operator.domain.explanations import EXPLANATIONS
from evaluation_operator.views.job import Body, JobView, state_of
from evaluation_operator.views.needs import Need


def print_jobs(bodies: Sequence[Body], namespace: str | None) -> None:
    if not bodies:
        where = f"in namespace {namespace}" if namespace else "in any namespace"
        tell(f"no EvaluationJobs {where}")
        return
    columns = ["NAME", "STATE", "READY", "REASON", "HELD UP", "INTERVAL", "NEXT RUN", "#mAP"]
    columns += ["#ACTIVE", "AGE"]
    rows = [_job_line(EvaluationJob.from_dict(body)) for body in bodies]
    if namespace is None:
        columns.insert(0, "NAMESPACE")
        for body, row in zip(bodies, rows, strict=True):
            row.insert(0, body["metadata"]["namespace"])
    print_table(columns, rows)


def print_job(view: JobView) -> None:
    job, versions = view.of_job, view.of_versions
    _print_needs(view.needs(datetime.now(UTC)))
    print_fields(_fields(job))
    _print_conditions(job.status.conditions)
    _print_runs(job.status)
    _print_failures(job.status)
    _print_versions(versions)
    if view.evaluation is not None:
        print_title("Latest Evaluation")
        print_evaluation(Evaluation.from_dict(view.evaluation))


def _print_needs(needs: Sequence[Need]) -> None:
    """What stands still comes first, with what to type; the most urgent alone in full."""
    if not needs:
        return
    first, *others = needs
    print_fields([("Needs you", _sentence(first)), *(("And", _sentence(it)) for it in others)])
    explained = [it.reason for it in needs if it.reason in EXPLANATIONS]
    print_title("What to type")
    for command in first.commands:
        tell(f"  {command}")
    for reason in dict.fromkeys(explained):
        tell(f"  kubectl evaluations explain {reason}")
    tell("")


def _sentence(need: Need) -> str:
    age = age_of(need.since) if need.since is not None else ""
    about = need.about
    if age:
        about = f"{about} {age} ago" if need.has_happened else f"{about} for {age}".lstrip()
    return f"{need.reason} ({about}): {need.message}"


def _job_line(job: EvaluationJob) -> list[str]:
    status = job.status
    latest = status.latest_evaluation
    ready = next((it for it in status.conditions if it.type == "Ready"), None)
    held_up = next((run.reason for run in status.active if run.reason), None)
    return [
        job.name,
        state_of(job),
        str(ready.status) if ready else "-",
        ready.reason if ready else "-",
        held_up or "-",
        plural(status.interval_days, "day") if status.interval_days else "-",
        shown_time(status.next_run_time) or "-",
        number(latest.mean_average_precision if latest else None),
        str(len(status.active)),
        age_of(job.created),
    ]


def _fields(job: EvaluationJob) -> list[tuple[str, str]]:
    spec, status = job.spec, job.status
    return [
        ("Name", job.name),
        ("Namespace", job.namespace),
        ("Description", one_line(spec.description)),
        ("Model version", spec.model_version),
        ("Labels", spec.annotation_spec_set),
        ("State", state_of(job)),
        ("Schedule", status.schedule_explanation or spec.schedule),
        *(("Warning", warning) for warning in status.schedule_warnings),
        ("Interval", plural(status.interval_days, "day") if status.interval_days else ""),
        ("Next run", due(status.next_run_time)),
        ("Last run", past(status.last_run_time)),
        ("Last success", past(status.last_success_time)),
        ("Sampled items", str(status.sampled_in_interval or "")),
        ("Failed runs", str(status.failed_runs or "")),
        ("Late rows", str(status.late_rows or "")),
        ("Created", past(job.created)),
    ]


def _print_conditions(conditions: Sequence[Condition]) -> None:
    if conditions:
        print_title("Conditions")
        rows = [
            (it.type, str(it.status), it.reason, age_of(it.last_transition_time), it.message)
            for it in conditions
        ]
        print_table(("TYPE", "STATUS", "REASON", "#SINCE", "MESSAGE"), rows, indent=2)


def _print_runs(status: EvaluationJobStatus) -> None:
    if status.active:
        print_title("Active runs")
        rows = [
            (run.name, past(run.scheduled_time), str(run.phase or ""), run.message or "")
            for run in status.active
        ]
        print_table(("NAME", "DUE", "PHASE", "MESSAGE"), rows, indent=2)


def _print_failures(status: EvaluationJobStatus) -> None:
    if status.attempts:
        total = status.total_attempts or len(status.attempts)
        print_title(f"Attempts ({total} in all, newest last)")
        rows = [
            (past(attempt.attempt_time), attempt.dataset or "", failure)
            for attempt in status.attempts
            for failure in failure_lines(attempt.partial_failures)
        ]
        print_table(("TIME", "RUN", "WHAT WENT WRONG"), rows, indent=2)
    if status.abandoned_windows:
        print_title("Rows given up")
        windows = [
            (shown_time(it.start_time), shown_time(it.end_time), str(it.failures), it.dataset or "")
            for it in status.abandoned_windows
        ]
        print_table(("FROM", "TO", "#FAILURES", "LAST RUN"), windows, indent=2)


def _print_versions(versions: Sequence[EvaluationJobVersion]) -> None:
    if versions:
        print_title("Versions")
        rows = [
            (
                count(version.status.number),
                version.name,
                str(version.status.state or "-"),
                number(version.status.mean_average_precision),
                count(version.status.evaluated_item_count),
                version.status.message or "",
            )
            for version in versions
        ]
        print_table(("#NO", "NAME", "STATE", "#mAP", "#ITEMS", "MESSAGE"), rows, indent=2)


def failure_lines(failures: Iterable[RpcStatus]) -> list[str]:
    return [one_line(failure.message) for failure in failures] or ["-"]
