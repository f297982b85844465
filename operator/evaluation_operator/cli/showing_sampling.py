"""What the sampler's replicas tell of a job in their Leases, shown."""

from __future__ import annotations

from evaluation_operator.cli.ages import age_of
from evaluation_operator.cli.output import plural, print_fields, print_table, print_title
from evaluation_operator.domain.flushing import LOST_AFTER
from evaluation_operator.views.sampling import SamplingView, shown_second


def print_sampling(view: SamplingView) -> None:
    job, config = view.job, view.job.spec.evaluation_job_config
    most = f"{config.example_sample_percentage:.4g} of the items, at most {config.example_count}"
    print_fields(
        [
            ("Name", job.name),
            ("Model version", job.spec.model_version),
            ("Sampled", f"no: {view.why_not}" if view.why_not else "yes"),
            ("Sample", f"{most} in {plural(job.status.interval_days or 1, 'day')}"),
            ("Due run", _due_run(view)),
        ]
    )
    if view.replicas:
        _print_replicas(view)
    _print_ledger(view)
    if view.reasons:
        print_title("Sent for this job, and no row")
        reasons = [(why, str(told.count), told.message) for why, told in view.reasons.items()]
        print_table(("REASON", "#COUNT", "LAST MESSAGE"), reasons, indent=2)
    if view.unreadable:
        print_title("Items drawn for this job that a run cannot read")
        unreadable = [(why, str(it.count), it.message) for why, it in view.unreadable.items()]
        print_table(("REASON", "#COUNT", "LAST MESSAGE"), unreadable, indent=2)
    if view.of_no_job:
        print_title("Sent for no job of the namespace")
        none = [(why, str(told.count), told.message) for why, told in view.of_no_job.items()]
        print_table(("REASON", "#COUNT", "LAST MESSAGE"), none, indent=2)
    if view.unmatched:
        print_title("Models that no job asks for")
        unmatched = [
            (it.model or "-", it.version or "-", it.reason, str(it.count)) for it in view.unmatched
        ]
        print_table(("MODEL", "VERSION", "REASON", "#COUNT"), unmatched, indent=2)
    _print_troubles(view)


def _due_run(view: SamplingView) -> str:
    if view.due is None or not view.waits_for:
        return ""
    names, latest = ", ".join(view.waits_for), shown_second(view.due + LOST_AFTER)
    return (
        f"of {shown_second(view.due)}: until {names} has written its rows, at most until {latest}"
    )


def _print_replicas(view: SamplingView) -> None:
    print_title("Replicas")
    rows = []
    for it in view.replicas:
        counts = it.counts(view.job.name)
        numbers = (counts.predictions, counts.items, counts.sampled) if counts else ("-",) * 3
        renewed = it.replica.renew_time
        rows.append(
            (
                it.replica.name,
                *(str(number) for number in numbers),
                shown_second(it.replica.flushed_through) or "-",
                age_of(renewed) if renewed is not None else "-",
                shown_second(it.report.since if it.report else None) or "-",
            )
        )
    columns = ("REPLICA", "#PREDICTIONS", "#ITEMS", "#CANDIDATES", "FLUSHED THROUGH", "#SEEN")
    print_table((*columns, "COUNTS SINCE"), rows, indent=2)


def _print_ledger(view: SamplingView) -> None:
    """One line: the first number is the sum of the others."""
    ledger = view.ledger
    if ledger is None:
        return
    print_title("Predictions")
    parts = (ledger.seen, ledger.offered, ledger.not_sampled, sum(ledger.refused.values()))
    row = tuple(str(number) for number in (*parts, ledger.waiting, ledger.spilled))
    columns = ("#SEEN", "#OFFERED", "#NOT SAMPLED", "#REFUSED", "#WAITING", "#SPILLED")
    print_table(columns, [row], indent=2)


def _print_troubles(view: SamplingView) -> None:
    lines = []
    for it in view.replicas:
        if it.report is None:
            lines.append((it.replica.name, "its Lease holds no counts that can be read"))
            continue
        if (error := it.report.table_errors.get(view.job.name)) is not None:
            lines.append((it.replica.name, f"cannot write the table: {error}"))
        if it.report.refused:
            text = f"refused {it.report.refused} of all senders' requests for lack of room (503)"
            lines.append((it.replica.name, text))
    if lines:
        print_title("Troubles")
        print_table(("REPLICA", "WHAT"), lines, indent=2)
