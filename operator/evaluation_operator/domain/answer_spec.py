"""What a job says of its model's answers, whoever reads them."""

from __future__ import annotations

from dataclasses import dataclass

from evaluation_operator.api.dataset import DatasetSpec
from evaluation_operator.api.evaluation_options import ImportKeys
from evaluation_operator.api.input_config import InputConfig


@dataclass(frozen=True, slots=True)
class AnswerSpec:
    """`labels` are those of the job's AnnotationSpecSet, in order."""

    labels: tuple[str, ...]
    config: InputConfig
    keys: ImportKeys


def answers_of(spec: DatasetSpec) -> AnswerSpec:
    """As a run has them: what the job said when the run was due."""
    return AnswerSpec(
        tuple(spec.annotation_specs), spec.input_configs[0], spec.bigquery_import_keys
    )
