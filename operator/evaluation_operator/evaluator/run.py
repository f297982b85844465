"""A run: cut, evaluate, publish. The same function in a pod and on a laptop.

What comes out is a pure function of the Dataset's spec, the rows and the labels up to a time.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from evaluation_operator.api.dataset import Dataset
from evaluation_operator.api.evaluation import Evaluation
from evaluation_operator.evaluator.asked import write_tasks
from evaluation_operator.evaluator.cut import build_reader, kind_of_dataset, read_outcomes
from evaluation_operator.evaluator.labels import (
    Labels,
    keep_in_table,
    labeled_cut,
    labels_of_people,
    told_of_people,
    write_no_labels,
)
from evaluation_operator.evaluator.run_rows import RunOptions, count_late, obtain_cut
from evaluation_operator.evaluator.summary import Findings, build_evaluation
from evaluation_operator.metrics import THRESHOLDS, checked_thresholds
from evaluation_operator.results import layout
from evaluation_operator.results.errors import InvalidRun, NothingUsable
from evaluation_operator.results.folder import Folder
from evaluation_operator.results.layout import Manifest
from evaluation_operator.results.rows import Cut
from evaluation_operator.results.run import write_run
from evaluation_operator.tables.protocol import Table
from evaluation_operator.tasks.item_files import ItemCounts
from evaluation_operator.tasks.kind import Judged, Limits

DIGEST_VERSION = 1


@dataclass(frozen=True, slots=True)
class RunResult:
    """`evaluation` is None when the Dataset has no rows."""

    cut: Cut
    counts: ItemCounts
    evaluation: Evaluation | None
    late_rows: int = 0


@dataclass(frozen=True, slots=True)
class CutResult:
    """The first step of a run in which people label. `tasks`: items that they are asked about."""

    cut: Cut
    tasks: int
    late_rows: int = 0


def cut_dataset(dataset: Dataset, table: Table, folder: Folder, options: RunOptions) -> CutResult:
    """Cut the rows and write what people are to be asked, all into the folder. Raises RunError."""
    _check_options(dataset)
    cut = obtain_cut(dataset, table, folder, options)
    late = count_late(dataset, table, folder)
    if cut.figures.row_count == 0:
        return CutResult(cut, 0, late)
    path = options.scratch / layout.TASKS
    tasks = write_tasks(cut.path, build_reader(dataset), path)
    folder.store(path, layout.TASKS)
    if tasks == 0:
        write_no_labels(folder, cut.figures.time)
    return CutResult(cut, tasks, late)


def evaluate_dataset(
    dataset: Dataset,
    table: Table,
    folder: Folder | None,
    options: RunOptions,
    *,
    labels_from: Folder | None = None,
) -> RunResult:
    """Everything but telling the cluster.

    With a `folder` the cut is kept there (or taken from there, when a run before this one made
    it), and the full result beside it; without one nothing outlives `options.scratch`. What
    people have labelled lies in `labels_from`, by default the folder. Raises RunError.
    """
    _check_options(dataset)
    cut = obtain_cut(dataset, table, folder, options, kept_in=labels_from)
    late = count_late(dataset, table, folder) if folder is not None else 0
    if cut.figures.row_count == 0:
        return RunResult(cut, ItemCounts(), None, late)
    people = labels_of_people(dataset, labels_from or folder)
    findings = _findings_of(dataset, cut, people, table, options)
    uri = folder.uri if folder is not None else dataset.spec.results_uri
    evaluation = build_evaluation(dataset, findings, options.now(), uri)
    if folder is not None:
        _keep_full_result(dataset, folder, findings, evaluation, cut, options.scratch)
    return RunResult(cut, findings.judged.counts, evaluation, late)


def _findings_of(
    dataset: Dataset, cut: Cut, people: Labels | None, table: Table, options: RunOptions
) -> Findings:
    """Of the rows of the cut, with what people have said of them."""
    notes: list[str] = []
    if people is not None:
        if options.keeps_labels:
            notes = keep_in_table(table, cut, people, dataset.spec.model_version)
        cut = labeled_cut(cut, people, options.scratch)
    outcomes = read_outcomes(cut.path, build_reader(dataset))
    limits = Limits(options.scratch, options.memory_limit, options.threads)
    try:
        judged = kind_of_dataset(dataset).judge(dataset.spec, outcomes, limits)
    except NothingUsable as error:
        asked = f"; {people}" if people is not None else ""
        raise NothingUsable(error.message + asked, error.partial_failures) from None
    findings = Findings(
        judged=judged,
        labels=tuple(dataset.spec.annotation_specs),
        slice_labels=tuple(dataset.spec.slice_labels),
        digest=_digest(dataset, cut),
        label_cutoff=cut.figures.time,
        warnings=(*_warnings(judged.counts, len(judged.pieces), cut), *_of_grid(dataset, judged)),
    )
    return findings if people is None else told_of_people(findings, people, notes)


def _check_options(dataset: Dataset) -> None:
    kind_of_dataset(dataset).check(dataset.spec)
    thresholds = dataset.spec.score_thresholds
    if thresholds:
        try:
            checked_thresholds(sorted(thresholds))
        except ValueError as error:
            raise InvalidRun(f"scoreThresholds: {error}") from None


def _warnings(counts: ItemCounts, pieces: int, cut: Cut) -> list[str]:
    warnings = []
    if cut.figures.shares_labels:
        warnings.append(
            "the table has several model versions, and labels that name none: such a label counts "
            "for every row of its id; import labels with --model-version"
        )
    if cut.figures.timeless_count:
        warnings.append(
            f"{cut.figures.timeless_count} of {cut.figures.row_count} rows have no time, or one "
            "that cannot be: they count here, and no run of a schedule or window reads them"
        )
    if counts.faulty:
        warnings.append(f"{counts.faulty} of {counts.items} items could not be read")
    if counts.unlabeled:
        warnings.append(f"{counts.unlabeled} of {counts.items} items have no ground truth")
    if counts.unscored:
        warnings.append(
            f"{counts.unscored} of {counts.evaluated} evaluated items have labels without scores: "
            "there is no curve and no mean average precision"
        )
    if counts.differing:
        warnings.append(
            f"{counts.differing} of {counts.evaluated} evaluated items have a label that is not "
            "the best of the scores beside it: the scores count"
        )
    if pieces > 1:
        warnings.append(
            "items were sampled with different probabilities: compare the weighted figures"
        )
    return warnings


def _of_grid(dataset: Dataset, judged: Judged) -> list[str]:
    """Where the curve has thresholds that nobody asked for, and that other runs have not."""
    thresholds = judged.result.plain.aggregate.thresholds
    if dataset.spec.score_thresholds or not judged.result.is_scored or thresholds == THRESHOLDS:
        return []
    return [
        "scores lie outside 0..1: the curve is given at quantiles of them; give scoreThresholds of "
        "your own to compare runs"
    ]


def _digest(dataset: Dataset, cut: Cut) -> str:
    """Of everything that the figures depend on, and of nothing else: no names, no times."""
    spec = dataset.spec
    content: dict[str, object] = {
        "digestVersion": DIGEST_VERSION,
        "annotationSpecs": list(spec.annotation_specs),
        "inputConfig": {
            "annotationType": str(spec.input_configs[0].annotation_type),
            "isMultiLabel": bool(
                spec.input_configs[0].classification_metadata
                and spec.input_configs[0].classification_metadata.is_multi_label
            ),
        },
        "keys": spec.bigquery_import_keys.to_dict(),
        "evaluationConfig": spec.evaluation_config.to_dict(),
        "scoreThresholds": sorted(spec.score_thresholds),
        "sliceLabels": list(spec.slice_labels),
        "rows": cut.figures.digest,
    }
    content |= kind_of_dataset(dataset).dependencies(spec)
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _keep_full_result(
    dataset: Dataset,
    folder: Folder,
    findings: Findings,
    evaluation: Evaluation,
    cut: Cut,
    scratch: Path,
) -> None:
    names = findings.judged.write(findings.labels, scratch)
    manifest = Manifest(
        digest=findings.digest,
        cut=cut.figures.to_json(),
        annotation_type=dataset.spec.input_configs[0].annotation_type,
        annotation_specs=list(findings.labels),
    )
    write_run(folder, scratch, names, evaluation, manifest)
