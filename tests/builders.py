"""Objects for tests: good ones, changed field by field.

Every `make_*` returns the JSON form of an object that the API server takes; parse it with
`EvaluationJob.from_dict(…)` where a test wants the model. Changes are merged deep into it, and a
value of `ABSENT` takes a field out:

    make_evaluation_job(spec={"paused": True, "labelDelay": ABSENT})
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

from evaluation_operator.api.base import API_VERSION
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.domain.tables import table_source

Manifest = dict[str, Any]

ABSENT: Final = object()
NAMESPACE = "fruit"
CREATE_TIME = "2026-03-02T08:00:00Z"
MOUNT = "/var/lib/evaluations/table"


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> Manifest:
    """A deep copy of `base` with `changes` merged in; ABSENT removes, lists are replaced."""
    result: Manifest = copy.deepcopy(dict(base))
    for key, change in changes.items():
        if change is ABSENT:
            result.pop(key, None)
        elif isinstance(change, Mapping):
            inner = result.get(key)
            result[key] = merged(inner if isinstance(inner, Mapping) else {}, change)
        else:
            result[key] = copy.deepcopy(change)
    return result


def make_object(kind: str, name: str, spec: Mapping[str, Any], changes: Manifest) -> Manifest:
    base = {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }
    return merged(base, changes)


def stored(manifest: Mapping[str, Any], **metadata: Any) -> Manifest:
    """The object as the API server would return it: with UID, generation and so on."""
    name = manifest["metadata"]["name"]
    given = {
        "uid": f"uid-of-{name}",
        "resourceVersion": "1",
        "generation": 1,
        "creationTimestamp": CREATE_TIME,
    }
    return merged(manifest, {"metadata": given | metadata})


def found_good(job: Mapping[str, Any]) -> Manifest:
    """The job as the operator leaves it once a check of its table has passed."""
    source = table_source(EvaluationJob.from_dict(stored(job)))
    digests = {"tableDigest": source.digest, "sampledTableDigest": source.place_digest}
    return merged(job, {"status": digests})


def make_evaluation_job(name: str = "ripeness", **changes: Any) -> Manifest:
    """Single-label image classification over Parquet files, with the user's own labels."""
    spec = {
        "description": "How well ripeness is told from pictures",
        "schedule": "every 2 days",
        "modelVersion": "models/ripeness/versions/v1",
        "annotationSpecSet": "ripeness",
        "labelMissingGroundTruth": False,
        "evaluationJobConfig": {
            "inputConfig": {
                "dataType": "IMAGE",
                "annotationType": "IMAGE_CLASSIFICATION_ANNOTATION",
                "classificationMetadata": {"isMultiLabel": False},
                "tableSource": {
                    "inputUri": f"file://{MOUNT}/predictions",
                    "persistentVolumeClaimName": "predictions",
                },
            },
            "evaluationConfig": {},
            "imageClassificationConfig": {
                "annotationSpecSet": "ripeness",
                "allowMultiLabel": False,
            },
            "bigqueryImportKeys": {
                "reference_json_key": "image",
                "label_json_key": "labels",
                "label_score_json_key": "scores",
            },
            "exampleCount": 1000,
            "exampleSamplePercentage": 0.5,
        },
    }
    return make_object("EvaluationJob", name, spec, changes)


def make_evaluation_job_with_config(config: Mapping[str, Any], **spec: Any) -> Manifest:
    """make_evaluation_job with changes to its evaluationJobConfig and its spec."""
    return make_evaluation_job(spec=spec | {"evaluationJobConfig": config})


def make_detection_job(**changes: Any) -> Manifest:
    """Bounding boxes on images."""
    base = make_evaluation_job_with_config(
        {
            "inputConfig": {
                "annotationType": "IMAGE_BOUNDING_BOX_ANNOTATION",
                "classificationMetadata": ABSENT,
            },
            "evaluationConfig": {"boundingBoxEvaluationOptions": {"iouThreshold": 0.5}},
            "imageClassificationConfig": ABSENT,
            "boundingPolyConfig": {"annotationSpecSet": "ripeness"},
            "bigqueryImportKeys": {"bounding_box_json_key": "boxes"},
        }
    )
    return merged(base, changes)


def make_text_job(**changes: Any) -> Manifest:
    """Several labels per text."""
    base = make_evaluation_job_with_config(
        {
            "inputConfig": {
                "dataType": "TEXT",
                "annotationType": "TEXT_CLASSIFICATION_ANNOTATION",
                "classificationMetadata": {"isMultiLabel": True},
            },
            "imageClassificationConfig": ABSENT,
            "textClassificationConfig": {"annotationSpecSet": "ripeness", "allowMultiLabel": True},
            "bigqueryImportKeys": {"reference_json_key": ABSENT, "data_json_key": "text"},
        }
    )
    return merged(base, changes)


def make_human_job(**changes: Any) -> Manifest:
    """Image classification that people label."""
    base = make_evaluation_job_with_config(
        {
            "humanAnnotationConfig": {
                "instruction": "how-to-tell",
                "annotatedDatasetDisplayName": "Ripeness, labelled",
                "replicaCount": 3,
            }
        },
        labelMissingGroundTruth=True,
    )
    return merged(base, changes)


def make_version(name: str = "ripeness-again", **changes: Any) -> Manifest:
    """One more run of `ripeness`, over all its rows."""
    return make_object("EvaluationJobVersion", name, {"evaluationJob": "ripeness"}, changes)


def make_spec_set(
    name: str = "ripeness", labels: tuple[str, ...] = ("ripe", "unripe"), **changes: Any
) -> Manifest:
    spec = {
        "displayName": "Ripeness",
        "annotationSpecs": [{"displayName": label} for label in labels],
    }
    return make_object("AnnotationSpecSet", name, spec, changes)


def make_instruction(name: str = "how-to-tell", **changes: Any) -> Manifest:
    spec = {
        "displayName": "How to tell ripe fruit",
        "dataType": "IMAGE",
        "pdfInstruction": {"gcsFileUri": "gs://fruit/how-to-tell.pdf"},
    }
    return make_object("Instruction", name, spec, changes)


def make_dataset(name: str = "evj-ripeness-29541240", **changes: Any) -> Manifest:
    """A scheduled run of `ripeness` over one day."""
    config = make_evaluation_job()["spec"]["evaluationJobConfig"]
    spec = {
        "displayName": name,
        "inputConfigs": [config["inputConfig"]],
        "evaluationJob": {
            "name": "ripeness",
            "uid": "uid-of-ripeness",
            "createTime": CREATE_TIME,
        },
        "scheduledTime": "2026-03-03T10:00:00Z",
        "modelVersion": {"model": "ripeness", "version": "v1"},
        "windows": [{"startTime": CREATE_TIME, "endTime": "2026-03-03T10:00:00Z"}],
        "bigqueryImportKeys": config["bigqueryImportKeys"],
        "evaluationConfig": {},
        "annotationSpecSet": "ripeness",
        "annotationSpecs": ["ripe", "unripe"],
        "resultsUri": f"file://{MOUNT}/predictions/_results",
    }
    return make_object("Dataset", name, spec, changes)


def make_evaluation(name: str = "evj-ripeness-29541240", **changes: Any) -> Manifest:
    """A small result of the run that make_dataset describes."""
    point = {"confidenceThreshold": 0.5, "recall": 0.75, "precision": 0.6, "f1Score": 2 / 3}
    curve = {
        "areaUnderCurve": 0.8,
        "meanAveragePrecision": 0.7,
        "confidenceMetricsEntries": [point],
    }
    spec = {
        "config": {},
        "evaluationJobRunTime": "2026-03-03T10:00:00Z",
        "createTime": "2026-03-03T10:00:07.25Z",
        "annotationType": "IMAGE_CLASSIFICATION_ANNOTATION",
        "evaluatedItemCount": 100,
        "evaluationMetrics": {"classificationMetrics": {"prCurve": curve}},
        "meanAveragePrecision": 0.7,
        "evaluationJob": "ripeness",
        "dataset": name,
        "modelVersion": {"model": "ripeness", "version": "v1"},
        "accuracy": 0.72,
        "resultsUri": f"file://{MOUNT}/predictions/_results/uid-of-ripeness/{name}",
        "digest": "sha256:" + "0" * 64,
    }
    return make_object("Evaluation", name, spec, changes)
