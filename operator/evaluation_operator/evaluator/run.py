"""A run: cut, evaluate, publish. The same function in a pod and on a laptop.

What comes out is a pure function of the Dataset's spec, the rows and the labels up to a time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from evaluation_operator.api.dataset import Dataset
from evaluation_operator.api.evaluation import Evaluation
from evaluation_operator.api.evaluation_options import AnnotationType
from evaluation_operator.evaluator import results
from evaluation_operator.evaluator.count import CountedScores, EngineLimits, compute_figures
from evaluation_operator.evaluator.cut import (
    Cut,
    RowQueryRecord,
    build_reader,
    cut_rows,
    read_outcomes,
    row_query,
)
from evaluation_operator.evaluator.errors import InvalidRun, NothingUsable, PartialFailure
from evaluation_operator.evaluator.full_result import write_confusion, write_curves
from evaluation_operator.evaluator.results import Folder
from evaluation_operator.evaluator.scores import ItemCounts, write_outcomes
from evaluation_operator.evaluator.summary import Findings, build_evaluation
from evaluation_operator.metrics import checked_thresholds
from evaluation_operator.tables.protocol import RowQuery, Table, Window
from evaluation_operator.tables.schema import ID_SCHEMA

DIGEST_VERSION = 1
LATE_RUNS = 30
"""How many earlier runs are searched for rows that came too late for them."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Where a run works and what it may use; `now` is injected so that tests can fix it."""

    scratch: Path
    memory_limit: str = "512MB"
    threads: int = 1
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class RunResult:
    """`evaluation` is None when the Dataset has no rows."""

    cut: Cut
    counts: ItemCounts
    evaluation: Evaluation | None
    late_rows: int = 0


def evaluate_dataset(
    dataset: Dataset, table: Table, folder: Folder | None, options: RunOptions
) -> RunResult:
    """Everything but telling the cluster.

    With a `folder` the cut is kept there (or taken from there, when a run before this one made
    it), and the full result beside it; without one nothing outlives `options.scratch`.
    Raises RunError.
    """
    _check_supported(dataset)
    cut = _obtain_cut(dataset, table, folder, options)
    late = _count_late(dataset, table, folder) if folder is not None else 0
    if cut.row_count == 0:
        return RunResult(cut, ItemCounts(), None, late)
    scores, items = options.scratch / results.SCORES, options.scratch / results.ITEMS
    labels = tuple(dataset.spec.annotation_specs)
    reader = build_reader(dataset)
    counts = write_outcomes(read_outcomes(cut.path, reader), labels, scores, items)
    if counts.evaluated == 0:
        raise _nothing_usable(counts)
    findings = _compute(dataset, cut, counts, options)
    uri = folder.uri if folder is not None else dataset.spec.results_uri
    evaluation = build_evaluation(dataset, findings, options.now(), uri)
    if folder is not None:
        _keep_full_result(folder, findings, evaluation, cut, options.scratch)
    return RunResult(cut, counts, evaluation, late)


def _check_supported(dataset: Dataset) -> None:
    kind = dataset.spec.input_configs[0].annotation_type
    if kind is AnnotationType.IMAGE_BOUNDING_BOX:
        raise InvalidRun(
            "annotationType: object detection is not evaluated by this version; classification is"
        )
    thresholds = dataset.spec.score_thresholds
    if thresholds:
        try:
            checked_thresholds(sorted(thresholds))
        except ValueError as error:
            raise InvalidRun(f"scoreThresholds: {error}") from None


def _obtain_cut(dataset: Dataset, table: Table, folder: Folder | None, options: RunOptions) -> Cut:
    local = options.scratch / results.ROWS
    if folder is not None and folder.exists(results.CUT):
        folder.fetch(results.ROWS, local)
        return Cut.from_json(folder.read_json(results.CUT), local)
    if dataset.spec.source_dataset is not None:
        cut = _cut_of_source(dataset, folder, local)
    else:
        taken = _Taken(folder, dataset) if folder is not None else None
        cut = cut_rows(
            dataset,
            table,
            options.scratch,
            options.now(),
            taken=taken.among if taken is not None and not dataset.spec.all_rows else _none_taken,
        )
    if folder is not None:
        folder.store(cut.path, results.ROWS)
        if cut.seen is not None:
            folder.store(cut.seen, results.SEEN)
        record = RowQueryRecord.of(row_query(dataset, cut.time))
        folder.write_json(results.CUT, cut.to_json() | record.to_json())
    return cut


def _none_taken(_: Sequence[str]) -> set[str]:
    return set()


def _cut_of_source(dataset: Dataset, folder: Folder | None, local: Path) -> Cut:
    """A version over an existing Dataset evaluates that Dataset's rows and labels again."""
    name = dataset.spec.source_dataset or ""
    if folder is None:
        raise InvalidRun("sourceDataset: its rows lie where its run wrote them; give --results")
    source = folder.sibling(name)
    if not source.exists(results.CUT):
        raise InvalidRun(
            f"sourceDataset: {name!r} has no rows at {source.uri}; name a Dataset whose run ended"
        )
    source.fetch(results.ROWS, local)
    return Cut.from_json(source.read_json(results.CUT), local)


class _Taken:
    """The rows that other scheduled runs of the job have, as far as they matter.

    A run that has not committed counts too, since it may still do so: an event that comes again
    while it works must not be drawn by a later run. Only one that failed does not, and its rows
    were passed on to a run over the same times.
    """

    def __init__(self, folder: Folder, dataset: Dataset) -> None:
        own = tuple(Window(span.start_time, span.end_time) for span in dataset.spec.windows)
        self._files = [
            sibling
            for name in folder.siblings()
            if name != dataset.metadata.name
            and not name.startswith("evjv-")
            and _keeps_its_rows(sibling := folder.sibling(name), own)
        ]
        self._ids: set[str] | None = None

    def among(self, ids: Sequence[str]) -> set[str]:
        if self._ids is None:
            self._ids = set()
            for sibling in self._files:
                self._ids |= sibling.column(results.ROWS, "id")
        return self._ids.intersection(ids)


def _keeps_its_rows(sibling: Folder, own: Sequence[Window]) -> bool:
    if sibling.exists(results.COMMITTED):
        return True
    if not sibling.exists(results.CUT):
        return False
    theirs = RowQueryRecord.from_json(sibling.read_json(results.CUT)).windows
    return not any(mine.overlaps(other) for mine in own for other in theirs)


def _count_late(dataset: Dataset, table: Table, folder: Folder) -> int:
    """Rows of others that turned up in the windows of earlier runs after those had read them."""
    if not dataset.spec.windows:
        return 0
    earlier = [
        sibling
        for name in folder.siblings()[-LATE_RUNS:]
        if name != dataset.metadata.name
        and (sibling := folder.sibling(name)).exists(results.COMMITTED)
        and sibling.exists(results.SEEN)
    ]
    asked = [RowQueryRecord.from_json(sibling.read_json(results.CUT)) for sibling in earlier]
    windows = tuple(window for record in asked for window in record.windows)
    if not windows:
        return 0
    query = RowQuery(
        model=dataset.spec.model_version.model,
        model_version=dataset.spec.model_version.version,
        windows=windows,
        paused_spans=tuple(span for record in asked for span in record.paused_spans),
    )
    known = (
        batch for sibling in earlier for batch in sibling.batches(results.SEEN, ID_SCHEMA.names)
    )
    return table.count_late(query, known)


def _nothing_usable(counts: ItemCounts) -> NothingUsable:
    failures = [PartialFailure(fault.code, fault.message) for fault in counts.first_faults]
    if counts.faulty and not counts.unlabeled:
        message = f"none of {counts.items} items can be read: correct the rows named here"
    elif counts.unlabeled:
        message = (
            f"none of {counts.items} items has ground truth ({counts.unlabeled} unlabelled, "
            f"{counts.faulty} faulty, {counts.failed_predictions} without prediction): import "
            "labels with `kubectl evaluations labels import`, or set spec.labelDelay if they "
            "come later"
        )
    else:
        message = f"none of {counts.items} items has a prediction: look at the model's server"
    return NothingUsable(message, failures)


def _compute(dataset: Dataset, cut: Cut, counts: ItemCounts, options: RunOptions) -> Findings:
    spec = dataset.spec
    labels = tuple(spec.annotation_specs)
    places = tuple(labels.index(label) for label in spec.slice_labels)
    metadata = spec.input_configs[0].classification_metadata
    limits = EngineLimits(options.scratch, options.memory_limit, options.threads)
    scores, items = options.scratch / results.SCORES, options.scratch / results.ITEMS
    with CountedScores(scores, items, len(labels), limits, only_labels=places) as counted:
        figures = compute_figures(
            counted,
            is_multi_label=bool(metadata and metadata.is_multi_label),
            thresholds=sorted(spec.score_thresholds) or None,
        )
        pieces = counted.pieces
    return Findings(
        counts=counts,
        result=figures,
        pieces=pieces,
        labels=labels,
        slice_labels=tuple(spec.slice_labels),
        digest=_digest(dataset, cut),
        label_cutoff=cut.time,
        warnings=tuple(_warnings(counts, len(pieces))),
    )


def _warnings(counts: ItemCounts, pieces: int) -> list[str]:
    warnings = []
    if counts.faulty:
        warnings.append(f"{counts.faulty} of {counts.items} items could not be read")
    if counts.unlabeled:
        warnings.append(f"{counts.unlabeled} of {counts.items} items have no ground truth")
    if pieces > 1:
        warnings.append(
            "items were sampled with different probabilities: compare the weighted figures"
        )
    return warnings


def _digest(dataset: Dataset, cut: Cut) -> str:
    """Of everything that the figures depend on, and of nothing else: no names, no times."""
    spec = dataset.spec
    content = {
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
        "rows": cut.digest,
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _keep_full_result(
    folder: Folder, findings: Findings, evaluation: Evaluation, cut: Cut, scratch: Path
) -> None:
    """The manifest comes last: where it is, all of the rest is."""
    curves, confusion = scratch / results.CURVES, scratch / results.CONFUSION
    write_curves(findings.result, findings.labels, curves)
    folder.store(curves, results.CURVES)
    if write_confusion(findings.result, findings.labels, confusion):
        folder.store(confusion, results.CONFUSION)
    folder.store(scratch / results.ITEMS, results.ITEMS)
    folder.store(scratch / results.SCORES, results.SCORES)
    folder.write_json(results.EVALUATION, evaluation.to_dict())
    manifest = {"digest": findings.digest, "cut": cut.to_json()}
    folder.write_json(results.MANIFEST, manifest)
