"""Is the model still right: the newest Evaluation against the job's alert threshold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_status import EvaluationJobStatus
from evaluation_operator.domain.plan import EventRecord
from evaluation_operator.domain.reasons import Reason


@dataclass(frozen=True, slots=True)
class Quality:
    """`status` None is Unknown: nothing, or nothing recent enough, to judge by."""

    status: bool | None
    reason: Reason
    message: str
    wake_at: datetime | None = None
    event: EventRecord | None = None


def quality_condition(
    job: EvaluationJob, status: EvaluationJobStatus, now: datetime
) -> Quality | None:
    """None when the job has no alert threshold. Strictly below it alerts; equal does not."""
    alert = job.spec.evaluation_job_config.evaluation_job_alert_config
    if alert is None:
        return None
    latest = status.latest_evaluation
    if latest is None or latest.evaluation_job_run_time is None:
        return Quality(None, Reason.NO_EVALUATION, "no scheduled run has been evaluated yet")
    days = status.interval_days or 1
    patience = timedelta(days=2 * days, seconds=job.spec.label_delay_seconds)
    stale_at = latest.evaluation_job_run_time + patience
    if stale_at <= now:
        message = f"Evaluation {latest.name} is older than two intervals: look at the last runs"
        return Quality(None, Reason.STALE, message)
    figure, least = latest.mean_average_precision, alert.min_acceptable_mean_average_precision
    if figure is None and latest.unscored_item_count:
        message = (
            f"Evaluation {latest.name}: the model gave labels without scores for "
            f"{latest.unscored_item_count} items, and there is no mean average precision without"
        )
        return Quality(None, Reason.NO_SCORES, message, stale_at)
    if figure is None:
        message = f"Evaluation {latest.name}: no label has ground truth"
        return Quality(None, Reason.QUALITY_UNKNOWN, message, stale_at)
    if figure >= least:
        message = f"mean average precision {figure:.4f} is not below {least:g} ({latest.name})"
        return Quality(True, Reason.QUALITY_ACCEPTABLE, message, stale_at)
    message = f"mean average precision {figure:.4f} is below {least:g} ({latest.name})"
    news = job.status.latest_evaluation is None or job.status.latest_evaluation.name != latest.name
    event = EventRecord(Reason.QUALITY_BELOW_THRESHOLD, message, warning=True) if news else None
    return Quality(False, Reason.QUALITY_BELOW_THRESHOLD, message, stale_at, event)
