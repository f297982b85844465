"""The labelling demo's last page: what people said, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from evaluation_operator.api.evaluation import Evaluation, LabelingSummary
from evaluation_operator.cli.figures import number
from evaluation_operator.views.evaluation import view_evaluation
from manifests.demo.access import Cluster
from manifests.demo.showing import console

Lines = list[tuple[str, str]]


def show_digits(evaluations: Sequence[Evaluation], true_accuracy: float) -> None:
    """`true_accuracy` is that of the same predictions against what was really written."""
    title = "Handwritten digits, labelled by people; then with what was really written"
    _show(title, [(it, _digit_lines(it, true_accuracy)) for it in evaluations])


def _digit_lines(evaluation: Evaluation, true_accuracy: float) -> Lines:
    view = view_evaluation(evaluation)
    worst = view.highlights.confusions
    return [
        ("Mean average precision", number(view.headline.mean_average_precision)),
        ("Accuracy", number(evaluation.spec.accuracy)),
        ("  against the true digits", number(true_accuracy)),
        ("Worst confusions", "\n".join(f"{one} taken for {two}: {it}" for one, two, it in worst)),
    ]


def show_scenes(evaluation: Evaluation) -> None:
    view = view_evaluation(evaluation)
    weak = view.weakest[:3]
    lines: Lines = [
        ("Mean average precision", number(view.headline.mean_average_precision)),
        *((title, text.replace(", ", "\n")) for title, text in view.highlights.facts),
        (
            "Weakest labels",
            "\n".join(f"{it.display_name}  {number(it.average_precision)}" for it in weak),
        ),
    ]
    _show("Digits found in drawn scenes, boxes drawn by people", [(evaluation, lines)])


def _show(title: str, columns: Sequence[tuple[Evaluation, Lines]]) -> None:
    """A column an Evaluation; all have the same lines."""
    table = Table(title=title, title_justify="left", show_header=False)
    filled = [
        [*_people_lines(it), *lines, ("Digest", it.spec.digest[:19])] for it, lines in columns
    ]
    for cells in zip(*filled, strict=True):
        (name,) = {name for name, _ in cells}
        table.add_row(name, *(text for _, text in cells))
    console.print(table)
    for evaluation, _ in columns:
        for warning in evaluation.spec.warnings:
            console.print(f"  {evaluation.name}: {warning}", style="dim")


def _people_lines(evaluation: Evaluation) -> Lines:
    spec = evaluation.spec
    people = spec.labeling or LabelingSummary()
    return [
        ("Evaluation", evaluation.name),
        ("  supersedes", spec.supersedes or "-"),
        ("Items that people were asked about", str(people.asked_item_count)),
        ("  answered, by", f"{people.answered_item_count}, by {people.annotator_count} people"),
        ("  unresolved", str(people.unresolved_item_count)),
        ("Agreement", number(people.agreement)),
        ("Items evaluated", str(spec.evaluated_item_count)),
    ]


def show_next_steps(cluster: Cluster) -> None:
    console.print(
        f"""
Label Studio has ended; the cluster stays up. What to type next:

  export KUBECONFIG={cluster.kubeconfig} PATH=$PWD/.venv/bin:$PATH
  kubectl-evaluations labeling digits -n {cluster.namespace}
  kubectl-evaluations describe digits -n {cluster.namespace}
  kubectl-evaluations describe scenes -n {cluster.namespace}
  kubectl get dataset,evaluation -n {cluster.namespace}

  make cluster-down                               removes the cluster and all that is in it
""",
        highlight=False,
        soft_wrap=True,
    )
