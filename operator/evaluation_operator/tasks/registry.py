"""Which kind of task an annotation type is of. Nobody else asks."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from evaluation_operator.api.evaluation_options import AnnotationType
from evaluation_operator.tasks.classification.kind import Classification
from evaluation_operator.tasks.detection.kind import Detection
from evaluation_operator.tasks.kind import TaskKind

_CLASSIFICATION: Final = Classification()

KINDS: Final = MappingProxyType[AnnotationType, TaskKind](
    {
        AnnotationType.IMAGE_CLASSIFICATION: _CLASSIFICATION,
        AnnotationType.TEXT_CLASSIFICATION: _CLASSIFICATION,
        AnnotationType.GENERAL_CLASSIFICATION: _CLASSIFICATION,
        AnnotationType.IMAGE_BOUNDING_BOX: Detection(),
    }
)


def kind_of(annotation_type: AnnotationType) -> TaskKind:
    return KINDS[annotation_type]
