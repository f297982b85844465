"""The demo's steps, and its last page: both Evaluations side by side, and what to type next."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from evaluation_operator.api.base import format_time
from evaluation_operator.api.evaluation import Evaluation
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.cli.figures import number
from evaluation_operator.views.evaluation import EvaluationView, view_evaluation

console = Console(highlight=False)


@contextmanager
def step(title: str) -> Iterator[None]:
    console.print(f"[bold]==> {title}[/bold]")
    started = time.monotonic()
    yield
    console.print(f"    {time.monotonic() - started:.1f} s", style="dim")


def show_comparison(jobs: Sequence[EvaluationJob], evaluations: Mapping[str, Evaluation]) -> None:
    """A column a job; `evaluations` by the job's name."""
    table = Table(title="Handwritten digits, two model versions", title_justify="left")
    table.add_column("")
    for job in jobs:
        table.add_column(job.name)
    found = [evaluations[job.name] for job in jobs]
    views = [view_evaluation(it) for it in found]
    lines: list[tuple[str, list[str]]] = [
        ("What it is", [job.spec.description for job in jobs]),
        ("State", [str(job.status.state) for job in jobs]),
        ("Schedule", [job.status.schedule_explanation or job.spec.schedule for job in jobs]),
        ("Next run", [_time(job) for job in jobs]),
        ("Items evaluated", [str(it.spec.evaluated_item_count) for it in found]),
        ("Mean average precision", [number(it.headline.mean_average_precision) for it in views]),
        ("Accuracy", [number(it.spec.accuracy) for it in found]),
        ("Area under the curve", [number(it.highlights.area_under_curve) for it in views]),
        ("Weakest labels", [_weakest(it) for it in views]),
        ("Worst confusions", [_confusions(it) for it in views]),
        ("Evaluation", [it.name for it in found]),
        ("Digest", [it.spec.digest[:19] for it in found]),
    ]
    for title, cells in lines:
        table.add_row(title, *cells)
    console.print(table)


def show_next_steps(kubeconfig: Path) -> None:
    console.print(
        f"""
The cluster stays up. What to type next:

  export KUBECONFIG={kubeconfig} PATH=$PWD/.venv/bin:$PATH
  kubectl-evaluations list -n digits
  kubectl-evaluations describe digits-v2 -n digits
  kubectl-evaluations sampling digits-v2 -n digits
  kubectl-evaluations run digits-v1 -n digits --wait --label 8 --label 9
  kubectl-evaluations pause digits-v1 -n digits
  kubectl get evaluation -n digits -o wide

  kubectl apply -n evaluations-trial -f manifests/samples/image-classification.yaml

  make cluster-down                               removes the cluster and all that is in it
""",
        highlight=False,
        soft_wrap=True,
    )


def _time(job: EvaluationJob) -> str:
    due = job.status.next_run_time
    return format_time(due) if due is not None else "-"


def _weakest(view: EvaluationView) -> str:
    return "\n".join(
        f"{it.display_name}  {number(it.average_precision)}" for it in view.weakest[:3]
    )


def _confusions(view: EvaluationView) -> str:
    worst = view.highlights.confusions
    return "\n".join(f"{truth} taken for {taken}: {items}" for truth, taken, items in worst)
