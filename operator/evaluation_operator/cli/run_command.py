"""`run`: one more evaluation of a job, at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from evaluation_operator.cli.options import (
    ContextOption,
    JobArgument,
    KubeconfigOption,
    LabelsOption,
    NamespaceOption,
    OutputOption,
    ThresholdsOption,
    TimeoutOption,
    WindowOption,
    parse_thresholds,
    parse_timeout,
    parse_window,
)
from evaluation_operator.cli.output import Output, reports_errors, tell, write

if TYPE_CHECKING:
    from evaluation_operator.cli.versions import Standing


@reports_errors
def run(
    job: JobArgument,
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow it to its end and show the Evaluation.")
    ] = False,
    timeout: TimeoutOption = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the version. Default: JOB-xxxxx.")
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--filename",
            "-f",
            metavar="FILE",
            help="An EvaluationJobVersion whose spec to use; other options set parts of it anew.",
        ),
    ] = None,
    window: WindowOption = None,
    dataset: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Evaluate the rows of this Dataset of the job again."),
    ] = None,
    thresholds: ThresholdsOption = None,
    labels: LabelsOption = None,
    queue_name: Annotated[
        str | None, typer.Option(metavar="QUEUE", help="Kueue's LocalQueue to wait in.")
    ] = None,
    description: Annotated[str | None, typer.Option(help="What the version is for.")] = None,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Evaluate a job's data once more, at once, by making an EvaluationJobVersion.

    Without a window or a Dataset it reads all rows of the model version. With --wait the exit
    code is 0 for Completed, 1 for Failed, 3 for Terminated or when the time is over.
    """
    from evaluation_operator.cli import versions
    from evaluation_operator.cli.cluster import in_cluster
    from evaluation_operator.cli.target import Target

    options = versions.Options(
        file=file,
        description=description,
        window=parse_window(window),
        dataset=dataset,
        labels=labels or [],
        thresholds=parse_thresholds(thresholds) or [],
        queue_name=queue_name,
    )
    body = versions.build_version(job, name, options)
    seconds = parse_timeout(timeout)
    target = Target(namespace, kubeconfig, context)
    if wait:
        ended = in_cluster(
            target, lambda kube, home: versions.run_version(kube, home, body, seconds)
        )
        _show_ended(ended, output)
    else:
        created = in_cluster(target, lambda kube, home: versions.create_version(kube, home, body))
        _show_created(created, output)


def _show_created(standing: Standing, output: Output) -> None:
    if output is not Output.TABLE:
        write(standing.body, output)
        return
    name, namespace = standing.version.name, standing.version.namespace
    tell(f"evaluationjobversion.evaluations.dev/{name} created")
    tell(f"Follow it with: kubectl get evjv {name} -n {namespace} --watch")


def _show_ended(standing: Standing, output: Output) -> None:
    """Raises the CliError of a version that did not succeed."""
    from evaluation_operator.api.evaluation import Evaluation
    from evaluation_operator.cli.showing_evaluations import print_evaluation
    from evaluation_operator.cli.versions import failure_of

    if failure := failure_of(standing.version):
        raise failure
    if output is not Output.TABLE:
        write(standing.evaluation or standing.body, output)
    elif standing.evaluation is not None:
        print_evaluation(Evaluation.from_dict(standing.evaluation))
    else:
        tell(f"EvaluationJobVersion {standing.version.name}: {standing.version.status.message}")
