"""Reading what is imported as a run of the job would, before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from evaluation_operator.api.annotation_spec_set import AnnotationSpecSet
from evaluation_operator.api.dataset import DatasetSpec
from evaluation_operator.cli.errors import CliError
from evaluation_operator.cli.laptop_dataset import Wishes, build_laptop_dataset
from evaluation_operator.domain.answer_spec import answers_of
from evaluation_operator.offline import read_manifests
from evaluation_operator.results.errors import InvalidRun
from evaluation_operator.tasks.items import RowReader
from evaluation_operator.tasks.registry import kind_of


class Judge(NamedTuple):
    """`model_version`: the job's model and version."""

    reader: RowReader
    model_version: tuple[str, str]


def read_judge(files: Sequence[str], job: str | None) -> Judge | None:
    """None where the files have no AnnotationSpecSet: then nothing says which labels there are.
    CliError for manifests that are not valid."""
    if not _have_labels(files):
        return None
    spec, reader = read_spec(files, job)
    return Judge(reader, (spec.model_version.model, spec.model_version.version))


def read_spec(files: Sequence[str], job: str | None) -> tuple[DatasetSpec, RowReader]:
    """What a run of the job would have, and what would read its rows. CliError for manifests that
    are not valid."""
    spec = build_laptop_dataset(files, Wishes(job=job), datetime.now(UTC)).spec
    try:
        return spec, kind_of(spec.input_configs[0].annotation_type).reader(answers_of(spec))
    except InvalidRun as error:
        raise CliError(error.message) from error


def _have_labels(files: Sequence[str]) -> bool:
    try:
        kinds = {it.body.get("kind") for file in files for it in read_manifests(file)}
    except ValueError as error:
        raise CliError(f"{error}; write YAML or JSON") from error
    return AnnotationSpecSet.KIND in kinds
