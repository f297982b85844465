"""The objects that a run consists of, as they are created.

A run's pod may read nothing but its Dataset, so the Dataset's spec carries a copy of everything
that the run needs. Whatever a job's runTemplate asks for, the pod keeps the `restricted` profile
of the Pod Security Standards.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from evaluation_operator.api.base import format_time
from evaluation_operator.api.dataset import (
    Dataset,
    DatasetAlert,
    DatasetLabeling,
    DatasetSpec,
    JobReference,
    RunWindow,
    VersionReference,
)
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_version import EvaluationJobVersion
from evaluation_operator.api.evaluation_options import EvaluationConfig
from evaluation_operator.api.instruction import InstructionSpec
from evaluation_operator.api.names import parse_annotation_spec_set_name, parse_model_version
from evaluation_operator.domain import naming
from evaluation_operator.domain.cover import Window
from evaluation_operator.domain.manifests.labeling import labeling_spec
from evaluation_operator.domain.manifests.metadata import owner_reference, run_metadata
from evaluation_operator.domain.schedule import parse_schedule
from evaluation_operator.domain.tables import table_source


def build_dataset(
    job: EvaluationJob,
    scheduled_time: datetime,
    windows: Sequence[Window],
    *,
    labels: Sequence[str],
    instruction: InstructionSpec | None = None,
) -> Dataset:
    """The Dataset of a scheduled run, owned by its job. With an instruction, people are asked for
    the ground truth that is missing, if the job wants that."""
    wishes = job.spec.labeling
    labeling = None
    if job.spec.label_missing_ground_truth and instruction is not None:
        labeling = labeling_spec(job, instruction)
    spec = _dataset_spec(
        job,
        scheduled_time,
        labels,
        display_name=f"{job.metadata.name} {format_time(scheduled_time)}",
        windows=[_window(window) for window in windows],
        labeling=labeling,
        minimum_new_labels=wishes.minimum_new_labels if wishes is not None else None,
    )
    name = naming.run_name(job.metadata.name, scheduled_time)
    owner = owner_reference("EvaluationJob", job.metadata.name, job.metadata.uid)
    return Dataset(metadata=run_metadata(job, name, owner=owner), spec=spec)


def build_version_dataset(
    version: EvaluationJobVersion,
    job: EvaluationJob,
    number: int,
    now: datetime,
    *,
    labels: Sequence[str],
) -> Dataset:
    """The Dataset of a version, owned by it: the job's data under the version's own parameters.

    A version never asks people: it evaluates at once, with the labels that are there.
    """
    wanted, metadata = version.spec, version.metadata
    window = wanted.window
    spec = _dataset_spec(
        job,
        now,
        labels,
        display_name=metadata.name,
        evaluation_job_version=VersionReference(
            name=metadata.name, uid=metadata.uid, number=number
        ),
        windows=[RunWindow(start_time=window.start_time, end_time=window.end_time)]
        if window is not None
        else [],
        source_dataset=wanted.dataset if window is None else None,
        all_rows=True if window is None and wanted.dataset is None else None,
        evaluation_config=wanted.evaluation_config,
        score_thresholds=wanted.score_thresholds,
        slice_labels=wanted.labels,
    )
    owner = owner_reference("EvaluationJobVersion", metadata.name, metadata.uid)
    name = naming.version_run_name(metadata.name)
    return Dataset(metadata=run_metadata(job, name, owner=owner, version=metadata.name), spec=spec)


def _dataset_spec(
    job: EvaluationJob,
    run_time: datetime,
    labels: Sequence[str],
    *,
    display_name: str,
    windows: list[RunWindow],
    evaluation_job_version: VersionReference | None = None,
    source_dataset: str | None = None,
    all_rows: bool | None = None,
    evaluation_config: EvaluationConfig | None = None,
    score_thresholds: Sequence[float] = (),
    slice_labels: Sequence[str] = (),
    labeling: DatasetLabeling | None = None,
    minimum_new_labels: int | None = None,
) -> DatasetSpec:
    config, namespace = job.spec.evaluation_job_config, job.metadata.namespace
    alert = config.evaluation_job_alert_config
    return DatasetSpec(
        display_name=display_name[:64],
        description=f"Run of EvaluationJob {job.metadata.name}",
        input_configs=[config.input_config],
        evaluation_job=JobReference(
            name=job.metadata.name, uid=job.metadata.uid, create_time=job.created
        ),
        evaluation_job_version=evaluation_job_version,
        scheduled_time=run_time,
        model_version=parse_model_version(job.spec.model_version, namespace=namespace),
        windows=windows,
        all_rows=all_rows,
        paused_spans=list(job.status.paused_spans),
        source_dataset=source_dataset,
        minimum_new_labels=minimum_new_labels,
        label_delay=job.spec.label_delay,
        interval_days=parse_schedule(job.spec.schedule).interval_days,
        example_count=config.example_count,
        example_sample_percentage=config.example_sample_percentage,
        bigquery_import_keys=config.bigquery_import_keys,
        evaluation_config=evaluation_config or config.evaluation_config,
        score_thresholds=list(score_thresholds),
        slice_labels=list(slice_labels),
        bounding_box_units=job.spec.bounding_box_units,
        alert=DatasetAlert(
            min_acceptable_mean_average_precision=alert.min_acceptable_mean_average_precision
        )
        if alert is not None
        else None,
        labeling=labeling,
        annotation_spec_set=parse_annotation_spec_set_name(
            job.spec.annotation_spec_set, namespace=namespace
        ),
        annotation_specs=list(labels),
        results_uri=table_source(job).results_uri,
    )


def _window(window: Window) -> RunWindow:
    return RunWindow(start_time=window.start, end_time=window.end, failures=window.failures or None)
