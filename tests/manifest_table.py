"""One table of manifests, good and bad, for all who judge: the offline validator, the API server
and the operator.

The key of an entry is a sentence. A bad manifest says who refuses it first (the schema of the API
server, or the operator, by Stalled) and which words the complaint must hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_version import EvaluationJobVersion
from evaluation_operator.domain.allowances import Allowances
from evaluation_operator.domain.faults import Fault
from evaluation_operator.domain.stalled import Limits, job_faults, version_faults
from tests.builders import (
    ABSENT,
    MOUNT,
    NAMESPACE,
    Manifest,
    make_dataset,
    make_detection_job,
    make_evaluation,
    make_evaluation_job,
    make_evaluation_job_with_config,
    make_human_job,
    make_instruction,
    make_spec_set,
    make_text_job,
    make_version,
)

LIMITS = Limits(
    allowances=Allowances(
        priority_classes=("*",),
        tolerations=("*",),
        node_labels=("*",),
        pull_secrets=("*",),
        email_domains=("*.com",),
        max_resources=dict.fromkeys(("cpu", "memory", "nvidia.com/gpu"), Decimal(2**40)),
    )
)
"""Of an operator whose administrator lets everything be that the good manifests ask for."""


def operator_faults(admitted: Manifest, namespace: str = NAMESPACE) -> list[Fault]:
    """What the operator says of an object, as the API server hands it out."""
    match admitted["kind"]:
        case "EvaluationJob":
            return job_faults(EvaluationJob.from_dict(admitted), namespace, limits=LIMITS)
        case "EvaluationJobVersion":
            return version_faults(EvaluationJobVersion.from_dict(admitted), limits=LIMITS)
        case _:
            return []


S3_TABLE = {"inputUri": "s3://fruit/predictions", "persistentVolumeClaimName": ABSENT}
DATABASE = {
    "inputUri": "postgresql://reader@db:5432/fruit/public.predictions",
    "persistentVolumeClaimName": ABSENT,
}


def make_job_with_source(source: dict[str, Any], **spec: Any) -> Manifest:
    return make_evaluation_job_with_config({"inputConfig": {"tableSource": source}}, **spec)


def make_job_of_old_service() -> Manifest:
    """What the old service's GET returned, put under `spec` as it was."""
    project = f"projects/{NAMESPACE}"
    body = {
        "name": f"{project}/evaluationJobs/5f1e8a2b_0000_2c8b_a9e1_94eb2c1a7b7e",
        "description": "Evaluates the fruit model every day",
        "state": "SCHEDULED",
        "schedule": "0 10 * * *",
        "modelVersion": f"{project}/models/fruit_model/versions/v1_2",
        "evaluationJobConfig": {
            "inputConfig": {
                "dataType": "IMAGE",
                "annotationType": "IMAGE_CLASSIFICATION_ANNOTATION",
                "classificationMetadata": {"isMultiLabel": False},
                "bigquerySource": {"inputUri": "bq://fruit/evaluation/predictions"},
            },
            "evaluationConfig": {},
            "humanAnnotationConfig": {
                "instruction": f"{project}/instructions/5e6a",
                "annotatedDatasetDisplayName": "fruit labels",
                "annotatedDatasetDescription": "",
                "labelGroup": "",
                "languageCode": "en-US",
                "replicaCount": 3,
                "questionDuration": "3600s",
                "contributorEmails": ["someone@example.com"],
                "userEmailAddress": "owner@example.com",
            },
            "imageClassificationConfig": {
                "annotationSpecSet": f"{project}/annotationSpecSets/5f0c",
                "allowMultiLabel": False,
                "answerAggregationType": "MAJORITY_VOTE",
            },
            "bigqueryImportKeys": {
                "data_json_key": "data",
                "reference_json_key": "reference",
                "label_json_key": "label",
                "label_score_json_key": "score",
            },
            "exampleCount": 100,
            "exampleSamplePercentage": 0.1,
            "evaluationJobAlertConfig": {
                "email": "owner@example.com",
                "minAcceptableMeanAveragePrecision": 0.7,
            },
        },
        "annotationSpecSet": f"{project}/annotationSpecSets/5f0c",
        "labelMissingGroundTruth": True,
        "attempts": [
            {
                "attemptTime": "2020-08-01T10:00:03.123456789Z",
                "partialFailures": [{"code": 9, "message": "no rows", "details": [{"@type": "x"}]}],
            }
        ],
        "createTime": "2020-07-30T16:21:44.014Z",
    }
    return make_evaluation_job(spec=ABSENT) | {"spec": body}


GOOD: dict[str, Manifest] = {
    "image classification over files": make_evaluation_job(),
    "boxes on images": make_detection_job(),
    "several labels per text": make_text_job(),
    "general data": make_evaluation_job_with_config(
        {
            "inputConfig": {
                "dataType": "GENERAL_DATA",
                "annotationType": "GENERAL_CLASSIFICATION_ANNOTATION",
            }
        }
    ),
    "labelled by people": make_human_job(),
    "the old service's JSON under spec": make_job_of_old_service(),
    "a table in an object store": make_job_with_source(S3_TABLE),
    "a table in a database, with a place for results": make_job_with_source(
        DATABASE, resultsUri="s3://fruit/results"
    ),
    "a table in BigQuery": make_evaluation_job_with_config(
        {
            "inputConfig": {
                "tableSource": ABSENT,
                "bigquerySource": {"inputUri": "bq://fruit/evaluation/predictions"},
            }
        }
    ),
    "the whole volume as the table": make_job_with_source({"inputUri": f"file://{MOUNT}"}),
    "a folder with dots in its name": make_job_with_source(
        {"inputUri": f"file://{MOUNT}/.hidden/v1..2/a."}
    ),
    "a database with results on the volume": make_job_with_source(
        DATABASE | {"persistentVolumeClaimName": "results"}, resultsUri=f"file://{MOUNT}/results"
    ),
    "absent allowMultiLabel for single labels": make_evaluation_job_with_config(
        {"imageClassificationConfig": {"allowMultiLabel": ABSENT}}
    ),
    "names in both forms": make_evaluation_job(
        spec={
            "modelVersion": f"projects/{NAMESPACE}/models/ripeness/versions/v1",
            "annotationSpecSet": f"projects/{NAMESPACE}/annotationSpecSets/ripeness",
        }
    ),
    "unused parts of the matrix": make_detection_job(
        spec={
            "evaluationJobConfig": {
                "inputConfig": {"classificationMetadata": {"isMultiLabel": True}}
            }
        }
    ),
    "a key that is not used": make_evaluation_job_with_config(
        {"bigqueryImportKeys": {"bounding_box_json_key": "boxes"}}
    ),
    "the longest description": make_evaluation_job(spec={"description": "ü" * 25_000}),
    "an empty description": make_evaluation_job(spec={"description": ""}),
    "the longest name": make_evaluation_job("n" * 45),
    "a generated name": make_evaluation_job(metadata={"name": ABSENT, "generateName": "ripeness-"}),
    "null where a field may be absent": make_evaluation_job(
        spec={"labelDelay": None, "runTemplate": None, "modelSelector": {"a": None}}
    ),
    "a whole number written as a float": make_evaluation_job_with_config({"exampleCount": 5.0}),
    "a fraction of 1, written as an integer": make_evaluation_job_with_config(
        {"exampleSamplePercentage": 1}
    ),
    "status in a manifest, which is dropped": make_evaluation_job(status={"state": "AWAKE"}),
    "a delay of 90 days": make_evaluation_job(spec={"labelDelay": "2160h"}),
    "a delay in hours and minutes": make_evaluation_job(spec={"labelDelay": "1h30m"}),
    "a delay as protobuf writes it": make_evaluation_job(spec={"labelDelay": "3600.5s"}),
    "everything else that a job may say": make_evaluation_job(
        metadata={"labels": {"team": "fruit"}, "annotations": {"note": "ä"}},
        spec={
            "paused": True,
            "modelSelector": {"deployment": "ripeness-v1"},
            "manageLogger": True,
            "labeling": {
                "deadline": "72h",
                "onDelete": "Keep",
                "minimumNewLabels": 10,
                "backend": "label-studio",
            },
            "boundingBoxUnits": "NORMALIZED",
            "evaluationsHistoryLimit": 100,
            "runTemplate": {
                "resources": {
                    "requests": {"cpu": "500m", "memory": "1Gi"},
                    "limits": {"memory": "2Gi", "nvidia.com/gpu": 1},
                },
                "nodeSelector": {"disk": "ssd"},
                "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
                "affinity": {
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [
                                {
                                    "matchExpressions": [
                                        {"key": "zone", "operator": "In", "values": ["a", "b"]}
                                    ]
                                }
                            ]
                        }
                    },
                    "podAntiAffinity": {
                        "preferredDuringSchedulingIgnoredDuringExecution": [
                            {
                                "weight": 100,
                                "podAffinityTerm": {
                                    "topologyKey": "kubernetes.io/hostname",
                                    "labelSelector": {"matchLabels": {"app": "database"}},
                                },
                            }
                        ]
                    },
                },
                "priorityClassName": "low",
                "imagePullSecrets": [{"name": "registry"}],
                "serviceAccountName": "evaluation-runner",
                "envFrom": [{"secretRef": {"name": "evaluation-table"}}],
                "activeDeadlineSeconds": 3600,
                "backoffLimit": 0,
                "queueName": "evaluations",
            },
        },
    ),
    "a version over all rows": make_version(),
    "a version with a window and options": make_version(
        spec={
            "description": "last week, slices",
            "window": {
                "startTime": "2026-03-01T00:00:00Z",
                "endTime": "2026-03-08T00:00:00.123456789Z",
            },
            "scoreThresholds": [0, 0.5, 1],
            "labels": ["ripe"],
            "evaluationConfig": {"boundingBoxEvaluationOptions": {"iouThreshold": 1}},
            "runTemplate": {"queueName": "gpu"},
        }
    ),
    "a version over a Dataset": make_version(spec={"dataset": "evj-ripeness-29541240"}),
    "the longest name of a version": make_version("v" * 53),
    "a set of labels": make_spec_set(),
    "a set of a thousand labels": make_spec_set(labels=tuple(f"label {n}" for n in range(1000))),
    "a set in the old service's form": make_spec_set(
        spec={
            "name": "projects/fruit/annotationSpecSets/5f0c",
            "blockingResources": ["projects/fruit/evaluationJobs/5f1e"],
            "annotationSpecs": [{"displayName": "ripe", "description": ""}],
        }
    ),
    "an instruction": make_instruction(),
    "an instruction in the old service's form": make_instruction(
        spec={
            "name": "projects/fruit/instructions/5e6a",
            "createTime": "2020-07-30T16:21:44.014Z",
            "updateTime": "2020-07-30T16:21:44.014Z",
            "csvInstruction": {"gcsFileUri": "gs://fruit/how-to-tell.csv"},
            "blockingResources": [],
        }
    ),
    "a Dataset": make_dataset(),
    "an Evaluation": make_evaluation(),
}


@dataclass(frozen=True)
class Bad:
    manifest: Manifest
    want_words: tuple[str, ...]
    want_refused_by: Literal["API server", "operator"] = "API server"


def refused(manifest: Manifest, *words: str) -> Bad:
    return Bad(manifest, words)


def stalled(manifest: Manifest, *words: str) -> Bad:
    return Bad(manifest, words, "operator")


def with_input(**changes: Any) -> Manifest:
    return make_evaluation_job_with_config({"inputConfig": changes})


def with_config(**changes: Any) -> Manifest:
    return make_evaluation_job_with_config(changes)


def with_spec(**changes: Any) -> Manifest:
    return make_evaluation_job(spec=changes)


def with_template(**changes: Any) -> Manifest:
    return make_evaluation_job(spec={"runTemplate": changes})


BAD: dict[str, Bad] = {
    # The schedule and names: no schema can tell.
    "a schedule below a day": stalled(with_spec(schedule="every 5 hours"), "schedule", "5 hours"),
    "an impossible date": stalled(with_spec(schedule="0 0 31 2 *"), "schedule", "31 2"),
    "a schedule in no language": stalled(with_spec(schedule="now and then"), "now and then"),
    "a model version of another namespace": stalled(
        with_spec(modelVersion="projects/other/models/ripeness/versions/v1"),
        "spec.modelVersion",
        "'other' is not this namespace",
    ),
    "a spec set of another namespace": stalled(
        make_evaluation_job_with_config(
            {"imageClassificationConfig": {"annotationSpecSet": "projects/o/annotationSpecSets/s"}},
            annotationSpecSet="projects/o/annotationSpecSets/s",
        ),
        "spec.annotationSpecSet",
        "'o' is not this namespace",
    ),
    "a spec set of another namespace in the sub-config alone": stalled(
        with_config(
            imageClassificationConfig={
                "annotationSpecSet": "projects/o/annotationSpecSets/ripeness"
            }
        ),
        "imageClassificationConfig.annotationSpecSet",
        "'o' is not this namespace",
    ),
    "an instruction of another namespace": stalled(
        make_human_job(
            spec={
                "evaluationJobConfig": {
                    "humanAnnotationConfig": {"instruction": "projects/o/instructions/i"}
                }
            }
        ),
        "humanAnnotationConfig.instruction",
    ),
    "a name that no object can have": refused(
        make_evaluation_job_with_config(
            {"imageClassificationConfig": {"annotationSpecSet": "Ripeness"}},
            annotationSpecSet="Ripeness",
        ),
        "spec.annotationSpecSet",
        "Ripeness",
    ),
    "a service account that the operator does not allow": stalled(
        with_template(serviceAccountName="cluster-admin"),
        "spec.runTemplate.serviceAccountName",
        "cluster-admin",
        "evaluation-runner",
    ),
    "a version's service account that the operator does not allow": stalled(
        make_version(spec={"runTemplate": {"serviceAccountName": "default"}}),
        "spec.runTemplate.serviceAccountName",
    ),
    # Numbers and lengths.
    "no example": refused(with_config(exampleCount=0), "exampleCount", "1"),
    "half an example": refused(with_config(exampleCount=1.5), "exampleCount", "integer"),
    "more examples than an int32": refused(with_config(exampleCount=2**31), "exampleCount"),
    "a fraction of 0": refused(with_config(exampleSamplePercentage=0), "exampleSamplePercentage"),
    "a fraction of 1.1": refused(
        with_config(exampleSamplePercentage=1.1), "exampleSamplePercentage", "1"
    ),
    "a description of 25,001 characters": refused(
        with_spec(description="x" * 25_001), "description", "25000"
    ),
    "no schedule": refused(with_spec(schedule=""), "schedule"),
    "a name of 46 characters": refused(make_evaluation_job("n" * 46), "metadata.name", "45"),
    "a generated name that gets too long": refused(
        make_evaluation_job(metadata={"name": ABSENT, "generateName": "n" * 41}), "45"
    ),
    "a name with capitals": refused(make_evaluation_job("Ripeness"), "metadata.name"),
    "no name": refused(make_evaluation_job(metadata={"name": ABSENT}), "name"),
    "a version's name of 54 characters": refused(make_version("v" * 54), "metadata.name", "53"),
    "no history": refused(with_spec(evaluationsHistoryLimit=0), "evaluationsHistoryLimit"),
    "too much history": refused(with_spec(evaluationsHistoryLimit=101), "evaluationsHistoryLimit"),
    "a threshold above 1": refused(
        with_config(
            evaluationJobAlertConfig={
                "email": "a@example.com",
                "minAcceptableMeanAveragePrecision": 1.5,
            }
        ),
        "minAcceptableMeanAveragePrecision",
    ),
    "an alert to no address": refused(
        with_config(
            evaluationJobAlertConfig={"email": "me", "minAcceptableMeanAveragePrecision": 0.5}
        ),
        "evaluationJobAlertConfig.email",
    ),
    "a delay of 91 days": refused(with_spec(labelDelay="2184h"), "labelDelay", "2184h", "90 days"),
    "a delay without unit": refused(with_spec(labelDelay="36"), "labelDelay"),
    "a delay with units in the wrong order": refused(with_spec(labelDelay="5m1h"), "labelDelay"),
    "a delay that ends with a line feed": refused(with_spec(labelDelay="36h\n"), "labelDelay"),
    "a labelling deadline of 91 days": refused(
        with_spec(labeling={"deadline": "2184h"}), "labeling.deadline", "90 days"
    ),
    # Fields and types.
    "an unknown field": refused(with_spec(sechdule="every 2 days"), "sechdule"),
    "an unknown field deep inside": refused(
        with_input(tableSource={"inputUrl": "x"}), "tableSource.inputUrl"
    ),
    "an unknown field in metadata": refused(make_evaluation_job(metadata={"nmae": "x"}), "nmae"),
    "an unknown field beside spec": refused(make_evaluation_job(sepc={}), "sepc"),
    "an unknown field in status": refused(make_evaluation_job(status={"stat": "x"}), "stat"),
    "an unknown field in an Evaluation's status": refused(
        make_evaluation(status={"supersededByy": "x"}), "supersededByy"
    ),
    "an unknown import key": refused(
        with_config(bigqueryImportKeys={"score_json_key": "x"}), "score_json_key"
    ),
    "no spec": refused(make_evaluation_job(spec=ABSENT), "spec"),
    "no labelMissingGroundTruth": refused(
        with_spec(labelMissingGroundTruth=ABSENT), "labelMissingGroundTruth"
    ),
    "null for a required field": refused(
        with_spec(labelMissingGroundTruth=None), "labelMissingGroundTruth"
    ),
    "classificationMetadata without isMultiLabel": refused(
        with_input(classificationMetadata={"isMultiLabel": ABSENT}), "isMultiLabel"
    ),
    "no evaluationConfig": refused(with_config(evaluationConfig=ABSENT), "evaluationConfig"),
    "text for a bool": refused(with_spec(paused="yes"), "paused", "boolean"),
    "a number for a text": refused(with_spec(schedule=5), "schedule", "string"),
    "a list for an object": refused(with_config(evaluationConfig=[]), "evaluationConfig"),
    "an unknown annotationType": refused(
        with_input(annotationType="IMAGE_SEGMENTATION_ANNOTATION"), "annotationType"
    ),
    "videos": refused(with_input(dataType="VIDEO"), "dataType", "VIDEO"),
    "an unspecified aggregation": refused(
        with_config(
            imageClassificationConfig={
                "answerAggregationType": "STRING_AGGREGATION_TYPE_UNSPECIFIED"
            }
        ),
        "answerAggregationType",
    ),
    "a malformed model version": refused(with_spec(modelVersion="ripeness:v1"), "modelVersion"),
    "the path of another kind as spec set": refused(
        with_spec(annotationSpecSet="projects/fruit/instructions/ripeness"), "annotationSpecSet"
    ),
    # The matrix.
    "no sub-config": refused(
        with_config(imageClassificationConfig=ABSENT), "exactly one", "imageClassificationConfig"
    ),
    "two sub-configs": refused(
        with_config(textClassificationConfig={"annotationSpecSet": "ripeness"}), "exactly one"
    ),
    "the sub-config of another type": refused(
        with_config(
            imageClassificationConfig=ABSENT,
            textClassificationConfig={"annotationSpecSet": "ripeness"},
        ),
        "textClassificationConfig",
        "IMAGE_CLASSIFICATION_ANNOTATION",
    ),
    "images as the sub-config of boxes": refused(
        make_detection_job(
            spec={
                "evaluationJobConfig": {
                    "boundingPolyConfig": ABSENT,
                    "imageClassificationConfig": {"annotationSpecSet": "ripeness"},
                }
            }
        ),
        "imageClassificationConfig",
        "IMAGE_BOUNDING_BOX_ANNOTATION",
    ),
    "boxes as the sub-config of images": refused(
        with_config(
            imageClassificationConfig=ABSENT, boundingPolyConfig={"annotationSpecSet": "ripeness"}
        ),
        "boundingPolyConfig",
        "IMAGE_CLASSIFICATION_ANNOTATION",
    ),
    "texts classified as images": refused(with_input(dataType="TEXT"), "dataType", "TEXT"),
    "general data with the type of images": refused(with_input(dataType="GENERAL_DATA"), "IMAGE"),
    "classification without classificationMetadata": refused(
        with_input(classificationMetadata=ABSENT), "classificationMetadata", "required"
    ),
    "allowMultiLabel that differs": refused(
        with_config(imageClassificationConfig={"allowMultiLabel": True}),
        "allowMultiLabel",
        "isMultiLabel",
    ),
    "absent allowMultiLabel for several labels": refused(
        with_input(classificationMetadata={"isMultiLabel": True})
        | {
            "spec": with_config(
                inputConfig={"classificationMetadata": {"isMultiLabel": True}},
                imageClassificationConfig={"allowMultiLabel": ABSENT},
            )["spec"]
        },
        "allowMultiLabel",
    ),
    "allowMultiLabel of a text that differs": refused(
        make_text_job(
            spec={"evaluationJobConfig": {"textClassificationConfig": {"allowMultiLabel": False}}}
        ),
        "textClassificationConfig.allowMultiLabel",
    ),
    "a sub-config with another spec set": refused(
        with_config(imageClassificationConfig={"annotationSpecSet": "colours"}),
        "imageClassificationConfig.annotationSpecSet",
        "colours",
    ),
    "a text sub-config with another spec set": refused(
        make_text_job(
            spec={
                "evaluationJobConfig": {"textClassificationConfig": {"annotationSpecSet": "topics"}}
            }
        ),
        "textClassificationConfig.annotationSpecSet",
        "topics",
    ),
    "a box sub-config with another spec set": refused(
        make_detection_job(
            spec={"evaluationJobConfig": {"boundingPolyConfig": {"annotationSpecSet": "shapes"}}}
        ),
        "boundingPolyConfig.annotationSpecSet",
        "shapes",
    ),
    "a spec set that only ends alike": refused(
        with_config(imageClassificationConfig={"annotationSpecSet": "un-ripeness"}), "un-ripeness"
    ),
    "boxes without options": refused(
        make_detection_job(spec={"evaluationJobConfig": {"evaluationConfig": ABSENT}})
        | {
            "spec": make_detection_job()["spec"]
            | {
                "evaluationJobConfig": make_detection_job()["spec"]["evaluationJobConfig"]
                | {"evaluationConfig": {}}
            }
        },
        "boundingBoxEvaluationOptions",
        "required",
    ),
    "boxes without a key": refused(
        make_detection_job(
            spec={"evaluationJobConfig": {"bigqueryImportKeys": {"bounding_box_json_key": ABSENT}}}
        ),
        "bounding_box_json_key",
    ),
    "options of boxes for classification": refused(
        with_config(evaluationConfig={"boundingBoxEvaluationOptions": {"iouThreshold": 0.5}}),
        "boundingBoxEvaluationOptions",
        "empty",
    ),
    "an overlap of 0": refused(
        make_detection_job(
            spec={
                "evaluationJobConfig": {
                    "evaluationConfig": {"boundingBoxEvaluationOptions": {"iouThreshold": 0}}
                }
            }
        ),
        "iouThreshold",
    ),
    "neither data nor a reference": refused(
        with_config(bigqueryImportKeys={"reference_json_key": ABSENT}), "data_json_key"
    ),
    "no label key": refused(
        with_config(bigqueryImportKeys={"label_json_key": ABSENT}), "label_json_key"
    ),
    "no score key": refused(
        with_config(bigqueryImportKeys={"label_score_json_key": ABSENT}), "label_score_json_key"
    ),
    "a key with a slash": refused(
        with_config(bigqueryImportKeys={"label_json_key": "a/b"}), "label_json_key", "a/b"
    ),
    # Labels by people.
    "humanAnnotationConfig without labelMissingGroundTruth": refused(
        make_human_job(spec={"labelMissingGroundTruth": False}),
        "humanAnnotationConfig",
        "labelMissingGroundTruth is false",
    ),
    "labelMissingGroundTruth without humanAnnotationConfig": refused(
        with_spec(labelMissingGroundTruth=True),
        "humanAnnotationConfig",
        "labelMissingGroundTruth is true",
    ),
    "general data labelled by people": refused(
        make_human_job(
            spec={
                "evaluationJobConfig": {
                    "inputConfig": {
                        "dataType": "GENERAL_DATA",
                        "annotationType": "GENERAL_CLASSIFICATION_ANNOTATION",
                    }
                }
            }
        ),
        "labelMissingGroundTruth",
        "people cannot label",
    ),
    "two people per image": refused(
        make_human_job(
            spec={"evaluationJobConfig": {"humanAnnotationConfig": {"replicaCount": 2}}}
        ),
        "replicaCount",
        "1, 3 or 5",
    ),
    "two hours per question": refused(
        make_human_job(
            spec={"evaluationJobConfig": {"humanAnnotationConfig": {"questionDuration": "7200s"}}}
        ),
        "questionDuration",
        "7200s",
    ),
    # The table.
    "files of Cloud Storage": refused(
        with_input(
            tableSource=ABSENT, gcsSource={"inputUri": "gs://f/p.csv", "mimeType": "text/csv"}
        ),
        "gcsSource",
        "bigquerySource",
    ),
    "no table": refused(with_input(tableSource=ABSENT), "bigquerySource and tableSource"),
    "two tables": refused(
        with_input(bigquerySource={"inputUri": "bq://a/b/c"}), "bigquerySource and tableSource"
    ),
    "BigQuery by another scheme": refused(
        with_input(tableSource=ABSENT, bigquerySource={"inputUri": "s3://a/b"}), "bq://"
    ),
    "BigQuery as a tableSource": refused(
        make_job_with_source({"inputUri": "bq://a/b/c", "persistentVolumeClaimName": ABSENT}),
        "inputUri",
        "file://",
    ),
    "files without a claim": refused(
        make_job_with_source({"persistentVolumeClaimName": ABSENT}), "persistentVolumeClaimName"
    ),
    "a claim that nothing uses": refused(
        make_job_with_source({"inputUri": "s3://fruit/predictions"}),
        "persistentVolumeClaimName",
        "leave it out",
    ),
    "results on a volume without a claim": refused(
        make_job_with_source(S3_TABLE, resultsUri=f"file://{MOUNT}/r"), "persistentVolumeClaimName"
    ),
    "files elsewhere in the pod": refused(
        make_job_with_source({"inputUri": "file:///etc"}), "inputUri", "file:///etc", MOUNT
    ),
    "files beside the mount": refused(
        make_job_with_source({"inputUri": f"file://{MOUNT}s"}), MOUNT
    ),
    "files above the mount": refused(
        make_job_with_source({"inputUri": f"file://{MOUNT}/a/../../x"}), "inputUri", ".."
    ),
    "results elsewhere in the pod": refused(
        with_spec(resultsUri="file:///tmp/results"), "resultsUri", MOUNT
    ),
    "results in a database": refused(
        with_spec(resultsUri="postgresql://db/fruit/results"), "resultsUri", "s3://"
    ),
    "a database without a place for results": refused(
        make_job_with_source(DATABASE), "resultsUri", "required"
    ),
    "a password in an address": refused(
        make_job_with_source(
            DATABASE | {"inputUri": "postgresql://reader:pear@db/fruit/predictions"},
            resultsUri="s3://fruit/results",
        ),
        "inputUri",
        "password",
        "Secret",
    ),
    "a password in a query": refused(
        make_job_with_source(
            DATABASE | {"inputUri": "postgresql://db/fruit/p?user=a&Password=pear"},
            resultsUri="s3://fruit/results",
        ),
        "password",
    ),
    "a secret key in the address of results": refused(
        with_spec(resultsUri="s3://key:secret@fruit/results"), "resultsUri", "password"
    ),
    "an address without end": refused(
        make_job_with_source(S3_TABLE | {"inputUri": "s3://" + "x" * 2000}), "inputUri", "2000"
    ),
    # What a run may ask for.
    "a privileged run": refused(
        with_template(securityContext={"privileged": True}), "securityContext"
    ),
    "a path of the host": refused(
        with_template(volumes=[{"name": "h", "hostPath": {"path": "/"}}]), "volumes"
    ),
    "a Secret that is not for evaluations": refused(
        with_template(envFrom=[{"secretRef": {"name": "admin-token"}}]), "secretRef.name"
    ),
    "a ConfigMap as environment": refused(
        with_template(envFrom=[{"configMapRef": {"name": "evaluation-x"}}]), "configMapRef"
    ),
    "an amount that is none": refused(
        with_template(resources={"requests": {"memory": "much"}}), "memory"
    ),
    "a fraction of a CPU without quotes": refused(
        with_template(resources={"requests": {"cpu": 0.5}}), "cpu"
    ),
    "a deadline of 0 seconds": refused(
        with_template(activeDeadlineSeconds=0), "activeDeadlineSeconds"
    ),
    # Versions.
    "a version without a job": refused(
        make_version(spec={"evaluationJob": ABSENT}), "spec.evaluationJob"
    ),
    "a version with a window and a Dataset": refused(
        make_version(
            spec={
                "dataset": "evj-ripeness-1",
                "window": {
                    "startTime": "2026-03-01T00:00:00Z",
                    "endTime": "2026-03-02T00:00:00Z",
                },
            }
        ),
        "window and dataset",
    ),
    "a window that ends before it starts": refused(
        make_version(
            spec={
                "window": {"startTime": "2026-03-02T00:00:00Z", "endTime": "2026-03-01T00:00:00Z"}
            }
        ),
        "startTime",
        "before",
    ),
    "a window at no date": refused(
        make_version(
            spec={
                "window": {"startTime": "2026-02-30T00:00:00Z", "endTime": "2026-03-01T00:00:00Z"}
            }
        ),
        "startTime",
    ),
    "a window in local time": refused(
        make_version(
            spec={"window": {"startTime": "2026-02-20T00:00:00", "endTime": "2026-03-01T00:00:00Z"}}
        ),
        "startTime",
    ),
    "a score threshold that is a text": refused(
        make_version(spec={"scoreThresholds": [0.5, "high"]}), "scoreThresholds[1]"
    ),
    "the same threshold twice": refused(
        make_version(spec={"scoreThresholds": [0.5, 0.5]}), "scoreThresholds has a value twice"
    ),
    "the same label twice in a version": refused(
        make_version(spec={"labels": ["ripe", "ripe"]}), "labels[1]"
    ),
    # The other kinds.
    "a set without labels": refused(make_spec_set(labels=()), "annotationSpecs"),
    "a set with the same label twice": refused(
        make_spec_set(labels=("ripe", "ripe")), "annotationSpecs[1]"
    ),
    "a label of 65 characters": refused(make_spec_set(labels=("x" * 65,)), "displayName", "64"),
    "a label that is null": refused(
        make_spec_set(spec={"annotationSpecs": [None]}), "annotationSpecs[0]"
    ),
    "a set of 1,001 labels": refused(
        make_spec_set(labels=tuple(f"label {n}" for n in range(1001))), "annotationSpecs", "1000"
    ),
    "an instruction without data type": refused(
        make_instruction(spec={"dataType": ABSENT}), "dataType"
    ),
}


@dataclass(frozen=True)
class Edit:
    old: Manifest
    new: Manifest
    want_words: tuple[str, ...] = ()
    """Words of the refusal; none: the edit is taken."""


def beside(app: str) -> Manifest:
    """An affinity to pods of that app."""
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": app}}}
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def classed(*names: str) -> Manifest:
    """A job whose model answers with these classes."""
    return make_evaluation_job(
        spec={"evaluationJobConfig": {"inputConfig": {"classNames": list(names)}}}
    )


def edit_job(changes: dict[str, Any], *words: str) -> Edit:
    return Edit(make_evaluation_job(), make_evaluation_job(spec=changes), words)


def edit_version(old: dict[str, Any], new: dict[str, Any], *words: str) -> Edit:
    return Edit(make_version(spec=old), make_version(spec=new), words)


RECREATE = "delete and recreate the EvaluationJob"

EDITS: dict[str, Edit] = {
    "the schedule may change": edit_job({"schedule": "every 3 days", "description": "x"}),
    "pausing is an edit": edit_job({"paused": True}),
    "the fraction and the cap may change": edit_job(
        {"evaluationJobConfig": {"exampleCount": 5, "exampleSamplePercentage": 0.01}}
    ),
    "the alert may change": edit_job(
        {
            "evaluationJobConfig": {
                "evaluationJobAlertConfig": {
                    "email": "a@example.com",
                    "minAcceptableMeanAveragePrecision": 0.5,
                }
            }
        }
    ),
    "PIXELS may be spelt out": edit_job({"boundingBoxUnits": "PIXELS"}),
    "the template may change": edit_job({"runTemplate": {"backoffLimit": 1}}),
    "the model version may not change": edit_job(
        {"modelVersion": "models/ripeness/versions/v2"}, "modelVersion", RECREATE
    ),
    "the spec set may not change": edit_job(
        {
            "annotationSpecSet": "colours",
            "evaluationJobConfig": {"imageClassificationConfig": {"annotationSpecSet": "colours"}},
        },
        "annotationSpecSet",
        RECREATE,
    ),
    "the table may not change": edit_job(
        {
            "evaluationJobConfig": {
                "inputConfig": {"tableSource": {"inputUri": f"file://{MOUNT}/other"}}
            }
        },
        "inputConfig",
        RECREATE,
    ),
    "the import keys may not change": edit_job(
        {"evaluationJobConfig": {"bigqueryImportKeys": {"label_json_key": "classes"}}},
        "bigqueryImportKeys",
        RECREATE,
    ),
    "what the model's classes are may be added": edit_job(
        {"evaluationJobConfig": {"inputConfig": {"classNames": ["ripe", "-", "unripe"]}}}
    ),
    "what the model's classes are may not change": Edit(
        classed("ripe", "unripe"), classed("unripe", "ripe"), ("classNames may be added", RECREATE)
    ),
    "nor be taken back": Edit(
        classed("ripe", "unripe"), make_evaluation_job(), ("classNames may be added", RECREATE)
    ),
    "what one probability is of may be added": edit_job(
        {
            "evaluationJobConfig": {
                "inputConfig": {"positiveLabel": "ripe", "negativeLabel": "unripe"}
            }
        }
    ),
    "one label of a pair is none": edit_job(
        {"evaluationJobConfig": {"inputConfig": {"positiveLabel": "ripe"}}},
        "positiveLabel and negativeLabel go together",
    ),
    "a pair is of two labels": edit_job(
        {
            "evaluationJobConfig": {
                "inputConfig": {"positiveLabel": "ripe", "negativeLabel": "ripe"}
            }
        },
        "positiveLabel and negativeLabel go together",
    ),
    "labels have no box format": edit_job(
        {"evaluationJobConfig": {"inputConfig": {"boxFormat": "XYXY"}}}, "boxFormat", "boxes only"
    ),
    "boxes may get a format and a count": Edit(
        make_detection_job(),
        make_detection_job(
            spec={
                "evaluationJobConfig": {
                    "inputConfig": {"boxFormat": "CXCYWH"},
                    "bigqueryImportKeys": {"bounding_box_count_json_key": "num_detections"},
                }
            }
        ),
    ),
    "boxes have no positive label": Edit(
        make_detection_job(),
        make_detection_job(
            spec={
                "evaluationJobConfig": {
                    "inputConfig": {"positiveLabel": "ripe", "negativeLabel": "unripe"}
                }
            }
        ),
        ("positiveLabel is for classification only",),
    ),
    "who labels may not change": Edit(
        make_evaluation_job(), make_human_job(), ("labelMissingGroundTruth", RECREATE)
    ),
    "the sub-config may not change": Edit(
        make_evaluation_job(),
        make_text_job(),
        ("textClassificationConfig is used is immutable", RECREATE),
    ),
    "the units of boxes may not change": edit_job(
        {"boundingBoxUnits": "NORMALIZED"}, "boundingBoxUnits", RECREATE
    ),
    "an edit is judged like a new object": edit_job(
        {"evaluationJobConfig": {"exampleCount": 0}}, "exampleCount"
    ),
    "a version may be terminated": edit_version({}, {"terminate": True}),
    "termination may be spelt out before": edit_version({"terminate": False}, {"terminate": True}),
    "termination cannot be taken back": edit_version(
        {"terminate": True}, {"terminate": False}, "terminate"
    ),
    "termination cannot be left out again": edit_version({"terminate": True}, {}, "terminate"),
    "a version's window may not change": edit_version(
        {},
        {"window": {"startTime": "2026-03-01T00:00:00Z", "endTime": "2026-03-02T00:00:00Z"}},
        "window is immutable",
    ),
    "a version's template may not change": edit_version(
        {"runTemplate": {"affinity": beside("a")}},
        {"runTemplate": {"affinity": beside("b")}},
        "runTemplate is immutable",
    ),
    "a version's job may not change": edit_version(
        {}, {"evaluationJob": "other"}, "evaluationJob is immutable"
    ),
    "a version's description may not change": edit_version(
        {}, {"description": "x"}, "description is immutable"
    ),
    "a version's options may not change": edit_version(
        {"evaluationConfig": {}},
        {"evaluationConfig": {"boundingBoxEvaluationOptions": {"iouThreshold": 0.5}}},
        "evaluationConfig is immutable",
    ),
    "a version's thresholds may not change": edit_version(
        {"scoreThresholds": [0.1]}, {"scoreThresholds": [0.2]}, "scoreThresholds is immutable"
    ),
    "whole thresholds that stay are no change": edit_version(
        {"scoreThresholds": [0, 0.5, 1]}, {"scoreThresholds": [0, 0.5, 1], "terminate": True}
    ),
    "a version's Dataset may not change": edit_version(
        {"dataset": "a"}, {}, "dataset is immutable"
    ),
    "labels of a version may not change": edit_version(
        {"labels": ["ripe"]}, {"labels": ["unripe"]}, "labels is immutable"
    ),
    "a spec set is immutable": Edit(
        make_spec_set(), make_spec_set(labels=("ripe",)), ("immutable", "AnnotationSpecSet")
    ),
    "labels of an object may change": Edit(
        make_spec_set(), make_spec_set(metadata={"labels": {"team": "fruit"}})
    ),
    "an instruction may change": Edit(
        make_instruction(), make_instruction(spec={"displayName": "Another title"})
    ),
    "a Dataset is immutable": Edit(
        make_dataset(), make_dataset(spec={"resultsUri": "s3://x/y"}), ("immutable", "Dataset")
    ),
    "an Evaluation is immutable": Edit(
        make_evaluation(), make_evaluation(spec={"accuracy": 1}), ("immutable", "Evaluation")
    ),
}
