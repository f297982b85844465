"""What Datasets tell of their labelling, shown."""

from __future__ import annotations

from evaluation_operator.api.base import format_time
from evaluation_operator.api.evaluation import LabelingSummary
from evaluation_operator.cli.figures import count, number
from evaluation_operator.cli.output import plural, print_fields, print_table, print_title
from evaluation_operator.views.labeling import LabelingView, RunView


def print_labeling(view: LabelingView) -> None:
    human = view.job.spec.evaluation_job_config.human_annotation_config
    print_fields(
        [
            ("Name", view.job.name),
            ("Labelled by people", _by_people(view)),
            ("People", plural(human.replica_count or 1, "answer") + " an item" if human else ""),
        ]
    )
    going_on = [run for run in view.runs if not run.has_ended]
    if going_on:
        print_title("Runs that wait for people")
        columns = ("RUN", "#DONE", "#OF", "#PERCENT", "REASON", "DEADLINE")
        print_table(columns, [_line(run) for run in going_on], indent=2)
        print_title("What they say")
        said = [(run.dataset.name, run.message or "-") for run in going_on]
        print_table(("RUN", "MESSAGE"), said, indent=2)
    faults = [
        (run.dataset.name, it.message)
        for run in going_on
        for it in run.dataset.status.partial_failures
    ]
    if faults:
        print_title("Answers that do not count")
        print_table(("RUN", "WHY"), faults, indent=2)
    if view.late:
        print_title("Labels that came after the first Evaluation")
        late = [(it.run, str(it.new_labels), it.evaluation) for it in view.late]
        print_table(("RUN", "#NEW LABELS", "NEWEST EVALUATION"), late, indent=2)
    if view.latest is not None:
        _print_latest(view.evaluation or "", view.latest)


def _by_people(view: LabelingView) -> str:
    if not view.job.spec.label_missing_ground_truth:
        return "no: spec.labelMissingGroundTruth is false"
    return "yes"


def _line(run: RunView) -> tuple[str, ...]:
    status = run.dataset.status
    return (
        run.dataset.name,
        count(status.completed_count),
        count(status.total_count),
        count(status.progress_percent),
        run.reason,
        format_time(run.deadline) if run.deadline else "-",
    )


def _print_latest(evaluation: str, latest: LabelingSummary) -> None:
    print_title("Latest Evaluation")
    columns = ("EVALUATION", "#ASKED", "#ANSWERED", "#UNRESOLVED", "#PEOPLE", "#AGREEMENT")
    row = (
        evaluation,
        count(latest.asked_item_count),
        count(latest.answered_item_count),
        count(latest.unresolved_item_count),
        count(latest.annotator_count),
        number(latest.agreement),
    )
    print_table(columns, [row], indent=2)
