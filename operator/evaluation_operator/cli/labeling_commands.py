"""`labeling`: how far people are with what they were asked."""

from __future__ import annotations

from evaluation_operator.cli.options import (
    ContextOption,
    JobArgument,
    KubeconfigOption,
    NamespaceOption,
    OutputOption,
)
from evaluation_operator.cli.output import Output, reports_errors, write


@reports_errors
def labeling(
    job: JobArgument,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show how far people are with a job's runs, where they label, and what is in their way."""
    from evaluation_operator.cli.cluster import in_cluster
    from evaluation_operator.cli.showing_labeling import print_labeling
    from evaluation_operator.cli.target import Target
    from evaluation_operator.views.reading import read_labeling

    target = Target(namespace, kubeconfig, context)
    view = in_cluster(target, lambda kube, home: read_labeling(kube, home, job))
    if output is Output.TABLE:
        print_labeling(view)
    else:
        write(view.to_dict(), output)
