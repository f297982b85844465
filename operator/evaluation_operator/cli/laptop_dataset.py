"""The Dataset of a run on a laptop, from manifests alone.

The operator's own functions build it, so that a run here computes what a run in the cluster
does. What only the API server knows (uid, creationTimestamp) is taken from the manifests where
they come from a cluster, and else is made up, the same every time.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from evaluation_operator.api.annotation_spec_set import AnnotationSpecSet
from evaluation_operator.api.base import API_VERSION, Resource, TimeSpan
from evaluation_operator.api.codes import Code
from evaluation_operator.api.dataset import Dataset, RunWindow
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_version import EvaluationJobVersion
from evaluation_operator.api.input_config import TableSource
from evaluation_operator.api.names import parse_annotation_spec_set_name
from evaluation_operator.cli.errors import CliError
from evaluation_operator.domain.manifests.dataset import build_dataset, build_version_dataset
from evaluation_operator.domain.tables import table_source
from evaluation_operator.offline import (
    Manifest,
    believed_namespace,
    read_manifests,
    validate_manifests,
)

R = TypeVar("R", bound=Resource)
Body = dict[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line sets anew; None and () leave it as the manifests say."""

    job: str | None = None
    table_uri: str | None = None
    results_uri: str | None = None
    window: TimeSpan | None = None
    thresholds: Sequence[float] = field(default=())
    labels: Sequence[str] = field(default=())


def build_laptop_dataset(files: Iterable[str], wishes: Wishes, now: datetime) -> Dataset:
    """The Dataset that the manifests describe; CliError for what is missing or wrong.

    A Dataset manifest is taken as it is; else an EvaluationJob with its AnnotationSpecSet is
    needed, and an EvaluationJobVersion of it may be there. Without a window: all rows.
    """
    bodies = _valid_bodies(files)
    datasets = _of_kind(bodies, Dataset)
    if not datasets:
        return _wished(_of_job(bodies, wishes, now), wishes)
    if wishes.window is not None:
        raise CliError("--window: a Dataset has its windows: leave the option or it out")
    return _wished(_only(datasets, "Dataset"), wishes)


def read_job_manifest(files: Iterable[str], name: str | None) -> EvaluationJob:
    """The EvaluationJob in the files, of this name if they have several; CliError as above."""
    return _job(_valid_bodies(files), name)


def _valid_bodies(files: Iterable[str]) -> list[Mapping[str, Any]]:
    manifests: list[Manifest] = []
    for file in files:
        try:
            manifests += read_manifests(file)
        except ValueError as error:
            raise CliError(f"{error}; write YAML or JSON") from error
    ours = [it for it in manifests if it.body.get("apiVersion") == API_VERSION]
    found = validate_manifests([it.body for it in ours])
    faults = [
        f"{manifest.file}: {manifest.title}: {fault}"
        for manifest, of_one in zip(ours, found, strict=True)
        for fault in of_one
    ]
    if faults:
        raise CliError("the manifests are not valid; correct what stands here", details=faults)
    return [it.body for it in ours]


def _of_kind(bodies: Iterable[Mapping[str, Any]], kind: type[R]) -> list[R]:
    return [kind.from_dict(body) for body in bodies if body.get("kind") == kind.KIND]


def _only(found: Sequence[R], what: str, cure: str = "give the files of one") -> R:
    if len(found) == 1:
        return found[0]
    if not found:
        message = f"-f: no {what} in these files: add the file that has it"
        raise CliError(message, code=Code.NOT_FOUND)
    names = ", ".join(item.name for item in found)
    raise CliError(f"-f: {len(found)} of {what} in these files ({names}): {cure}")


def _of_job(bodies: Sequence[Mapping[str, Any]], wishes: Wishes, now: datetime) -> Dataset:
    job = _job(bodies, wishes.job)
    labels = _labels(bodies, job)
    unknown = [label for label in wishes.labels if label not in labels]
    if unknown:
        raise CliError(f"--label: {unknown[0]!r} is none of the labels {', '.join(labels)}")
    if not table_source(job).results_uri:
        # The kind wants a place for results; without --results nothing is written there.
        spec = job.spec.changed(results_uri=Path("/").as_uri())
        job = job.changed(spec=spec)
    versions = _of_kind(bodies, EvaluationJobVersion)
    versions = [it for it in versions if it.spec.evaluation_job == job.name]
    if versions:
        version = _identified(_only(versions, "EvaluationJobVersion"), job.namespace)
        number = version.status.number or 1
        dataset = build_version_dataset(version, job, number, now, labels=labels)
    else:
        dataset = build_dataset(job, now, (), labels=labels)
        dataset = dataset.changed(spec=dataset.spec.changed(all_rows=True))
    if wishes.window is None:
        return dataset
    window = RunWindow(start_time=wishes.window.start_time, end_time=wishes.window.end_time)
    return dataset.changed(
        spec=dataset.spec.changed(windows=[window], all_rows=False, source_dataset=None)
    )


def _job(bodies: Sequence[Mapping[str, Any]], name: str | None) -> EvaluationJob:
    jobs = [it for it in _of_kind(bodies, EvaluationJob) if name in (None, it.name)]
    what = f"EvaluationJob {name}" if name else "EvaluationJob"
    return _identified(_only(jobs, what, "choose one with --job"))


def _labels(bodies: Sequence[Mapping[str, Any]], job: EvaluationJob) -> list[str]:
    name = parse_annotation_spec_set_name(job.spec.annotation_spec_set, namespace=job.namespace)
    sets = [it for it in _of_kind(bodies, AnnotationSpecSet) if it.name == name]
    return _only(sets, f"AnnotationSpecSet {name}").labels()


def _identified(item: R, namespace: str = "") -> R:
    """The object with what the API server would have given it."""
    metadata = item.metadata
    home = metadata.namespace or namespace
    if not home and isinstance(item, EvaluationJob):
        home = believed_namespace(item)
    name = metadata.name or f"{metadata.generate_name}laptop"
    made_up = uuid.uuid5(uuid.NAMESPACE_DNS, f"{home}.{name}.{item.PLURAL}.evaluations.dev")
    known = metadata.changed(
        name=name,
        namespace=home,
        uid=metadata.uid or str(made_up),
        creation_timestamp=metadata.creation_timestamp or EPOCH,
    )
    return item.changed(metadata=known)


def _wished(dataset: Dataset, wishes: Wishes) -> Dataset:
    spec = dataset.spec
    if wishes.table_uri is not None:
        (config,) = spec.input_configs
        source = TableSource(input_uri=wishes.table_uri)
        changed = config.changed(bigquery_source=None, table_source=source)
        spec = spec.changed(input_configs=[changed])
    if wishes.thresholds:
        spec = spec.changed(score_thresholds=list(wishes.thresholds))
    if wishes.labels:
        spec = spec.changed(slice_labels=list(wishes.labels))
    if wishes.results_uri:
        spec = spec.changed(results_uri=wishes.results_uri)
    return Dataset.from_dict(dataset.changed(spec=spec).to_dict())
