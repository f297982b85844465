"""`reevaluate`: a run once more, with the labels that there are now."""

from __future__ import annotations

from typing import Annotated

import typer

from evaluation_operator.cli.options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    OutputOption,
    TimeoutOption,
    parse_timeout,
)
from evaluation_operator.cli.output import Output, reports_errors, tell, write


@reports_errors
def reevaluate(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="Name of a scheduled run that succeeded: of its Dataset and its Evaluation.",
            show_default=False,
        ),
    ],
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow it to its end and show the new Evaluation.")
    ] = False,
    timeout: TimeoutOption = None,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Evaluate the rows of a run again, with the labels that have come since.

    Sets an annotation of the run's job and nothing else. The new Evaluation supersedes the newest
    one of the run; both stay. With --wait the exit code is 0 for a new Evaluation, 1 when it
    fails, 3 when the time is over.
    """
    from evaluation_operator.api.evaluation import Evaluation
    from evaluation_operator.cli import revisions
    from evaluation_operator.cli.cluster import in_cluster
    from evaluation_operator.cli.showing_evaluations import print_evaluation
    from evaluation_operator.cli.target import Target

    seconds = parse_timeout(timeout)
    target = Target(namespace, kubeconfig, context)
    request = in_cluster(target, lambda kube, home: revisions.request_revision(kube, home, run))
    if wait:
        evaluation = in_cluster(
            target, lambda kube, home: revisions.follow_revision(kube, home, request, seconds)
        )
        if output is Output.TABLE:
            print_evaluation(Evaluation.from_dict(evaluation))
        else:
            write(evaluation, output)
    elif output is Output.TABLE:
        tell(f"evaluationjob.evaluations.dev/{request.job} is to evaluate {run} again")
        tell(f"Follow it with: kubectl evaluations describe {request.job}")
    else:
        write({"evaluationJob": request.job, "run": run, "request": request.value}, output)
