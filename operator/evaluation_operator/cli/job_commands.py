"""`list`, `describe`, `pause` and `resume`: looking at jobs, and holding them."""

from __future__ import annotations

from typing import Annotated

import typer

from evaluation_operator.cli.options import (
    ContextOption,
    JobArgument,
    KubeconfigOption,
    NamespaceOption,
    OutputOption,
)
from evaluation_operator.cli.output import Output, reports_errors, say, tell, write


@reports_errors
def list_jobs(
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="Jobs of every namespace.")
    ] = False,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List EvaluationJobs with their state, next run and last figure."""
    from evaluation_operator.cli.cluster import in_cluster
    from evaluation_operator.cli.showing_jobs import print_jobs
    from evaluation_operator.cli.target import Target
    from evaluation_operator.views.reading import read_jobs

    target = Target(namespace, kubeconfig, context)
    found, where = in_cluster(
        target, lambda kube, home: read_jobs(kube, None if all_namespaces else home)
    )
    if output is Output.TABLE:
        print_jobs(found, where)
    else:
        write({"apiVersion": "v1", "kind": "List", "items": found}, output)


@reports_errors
def describe(
    job: JobArgument,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show a job: what it does next, what went wrong, its versions, its newest Evaluation.

    As JSON or YAML: the objects evaluationJob, evaluationJobVersions and latestEvaluation.
    """
    from evaluation_operator.cli.cluster import in_cluster
    from evaluation_operator.cli.showing_jobs import print_job
    from evaluation_operator.cli.target import Target
    from evaluation_operator.views.reading import read_job

    target = Target(namespace, kubeconfig, context)
    view = in_cluster(target, lambda kube, home: read_job(kube, home, job))
    if output is Output.TABLE:
        print_job(view)
    else:
        write(view.to_dict(), output)


@reports_errors
def pause(
    job: JobArgument,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Stop sampling and starting runs until `resume`; active runs finish.

    Sets spec.paused in the cluster and nothing else.
    """
    target = (namespace, kubeconfig, context)
    message = "paused: nothing is sampled and no run starts; active runs finish"
    _set_paused(job, True, target, output, message)


@reports_errors
def resume(
    job: JobArgument,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Let a paused job go on, on the grid of run times that it had.

    Sets spec.paused in the cluster and nothing else.
    """
    target = (namespace, kubeconfig, context)
    message = "resumed: the next run is at the next point of its grid"
    _set_paused(job, False, target, output, message)


def _set_paused(
    job: str,
    paused: bool,
    target: tuple[str | None, str | None, str | None],
    output: Output,
    message: str,
) -> None:
    from evaluation_operator.cli.cluster import in_cluster
    from evaluation_operator.cli.pausing import set_paused
    from evaluation_operator.cli.target import Target

    body = in_cluster(
        Target(*target), lambda kube, home: set_paused(kube, home, job, paused=paused)
    )
    if output is Output.TABLE:
        tell(f"evaluationjob.evaluations.dev/{job} {message}")
    else:
        write(body, output)
    say(
        "note: where a GitOps tool applies this EvaluationJob, change spec.paused in its "
        "repository too: the tool may set it back"
    )
