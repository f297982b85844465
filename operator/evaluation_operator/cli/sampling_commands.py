"""`sampling` and `attach`: what has come in for a job, and what makes it come in."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from evaluation_operator.cli.options import (
    ContextOption,
    JobArgument,
    KubeconfigOption,
    NamespaceOption,
    OutputOption,
)
from evaluation_operator.cli.output import Output, reports_errors, write


class Sender(StrEnum):
    """Who may send predictions to the sampler."""

    KSERVE = "kserve"
    KNATIVE = "knative"
    ENVOY = "envoy"
    HTTP = "http"


@reports_errors
def sampling(
    job: JobArgument,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what the sampler has taken in for a job, and what it has not and why.

    Counts are of each replica since it started, at most some ten seconds old.
    """
    from evaluation_operator.cli.cluster import in_cluster
    from evaluation_operator.cli.showing_sampling import print_sampling
    from evaluation_operator.cli.target import Target
    from evaluation_operator.views.reading import read_sampling

    target = Target(namespace, kubeconfig, context)
    view = in_cluster(target, lambda kube, home: read_sampling(kube, home, job))
    if output is Output.TABLE:
        print_sampling(view)
    else:
        write(view.to_dict(), output)


@reports_errors
def attach(
    job: JobArgument,
    to: Annotated[
        Sender, typer.Option("--to", help="Who sends the predictions.", show_default=False)
    ],
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where the sampler listens. Default: as manifests/sampler installs it in the "
            "job's namespace.",
        ),
    ] = None,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Print what makes your model server's predictions reach the job. Changes nothing."""
    from evaluation_operator.cli import attaching
    from evaluation_operator.cli.cluster import in_cluster
    from evaluation_operator.cli.target import Target
    from evaluation_operator.kube import EVALUATION_JOBS

    target = Target(namespace, kubeconfig, context)
    body = in_cluster(target, lambda kube, home: kube.get(EVALUATION_JOBS, home, job))
    attachment = attaching.attach_to(to.value, body, url)
    if output is Output.TABLE:
        attaching.print_attachment(attachment)
    else:
        write(attachment.to_dict(), output)
