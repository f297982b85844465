"""`evaluate`: a run without a cluster."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from evaluation_operator.cli.options import (
    FilesOption,
    LabelsOption,
    OutputOption,
    ThresholdsOption,
    WindowOption,
    parse_thresholds,
    parse_window,
)
from evaluation_operator.cli.output import Output, reports_errors, write


@reports_errors
def evaluate(
    files: FilesOption,
    table: Annotated[
        str | None,
        typer.Option(metavar="URI", help="Table or folder to read. Default: the job's inputUri."),
    ] = None,
    job: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which job, when the files have several.")
    ] = None,
    window: WindowOption = None,
    thresholds: ThresholdsOption = None,
    labels: LabelsOption = None,
    results: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Folder or URI for the full result: rows, items, scores, whole curves and "
            "matrix. Default: it is not kept.",
        ),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Compute the Evaluation of a job with no cluster, from manifests and a table.

    The files hold an EvaluationJob and its AnnotationSpecSet, and perhaps an
    EvaluationJobVersion with options of its own; or a Dataset, to compute its run again. By the
    same function as in a pod: same rows, same digest, same figures.
    """
    from evaluation_operator.cli.laptop_dataset import Wishes, build_laptop_dataset
    from evaluation_operator.cli.laptop_run import evaluate_here
    from evaluation_operator.cli.showing_evaluations import print_evaluation
    from evaluation_operator.cli.tables import as_uri

    now = datetime.now(UTC)
    wishes = Wishes(
        job=job,
        table_uri=as_uri(table) if table else None,
        results_uri=as_uri(results) if results else None,
        window=parse_window(window),
        thresholds=parse_thresholds(thresholds) or (),
        labels=labels or (),
    )
    dataset = build_laptop_dataset(files, wishes, now)
    evaluation = evaluate_here(dataset, keeps_results=results is not None, now=now)
    if output is Output.TABLE:
        print_evaluation(evaluation)
    else:
        write(evaluation.to_dict(), output)
