"""Evaluation: the result of a run, in short. The full result lies at `spec.resultsUri`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from .base import Model, PrinterColumn, Resource, RpcStatus, Rule, Timestamp, whole_spec_immutable
from .detection_metrics import BestF1, CocoMetrics, DetectionErrors, Ratio
from .evaluation_options import AnnotationType, EvaluationConfig, Label
from .names import ModelVersion

WarningText = Annotated[str, Field(max_length=1024)]


class AnnotationSpecReference(Model):
    """A label."""

    display_name: str | None = Field(default=None, description="The label.", max_length=64)


class ConfidenceMetricsEntry(Model):
    """One point of a curve."""

    confidence_threshold: float | None = Field(
        default=None,
        description="Score from which on a prediction counts; for boxes, the "
        "intersection-over-union from which on one matches.",
    )
    recall: Ratio | None = Field(default=None, description="Share of the truth that was found.")
    precision: Ratio | None = Field(
        default=None, description="Share of the predictions that are true."
    )
    f1_score: Ratio | None = Field(
        default=None, alias="f1Score", description="Harmonic mean of recall and precision."
    )
    recall_at1: Ratio | None = Field(
        default=None, alias="recallAt1", description="Recall, counting only the top label."
    )
    precision_at1: Ratio | None = Field(
        default=None, alias="precisionAt1", description="Precision, counting only the top label."
    )
    f1_score_at1: Ratio | None = Field(
        default=None, alias="f1ScoreAt1", description="F1 score, counting only the top label."
    )
    recall_at5: Ratio | None = Field(
        default=None, alias="recallAt5", description="Recall, counting only the top five labels."
    )
    precision_at5: Ratio | None = Field(
        default=None,
        alias="precisionAt5",
        description="Precision, counting only the top five labels.",
    )
    f1_score_at5: Ratio | None = Field(
        default=None,
        alias="f1ScoreAt5",
        description="F1 score, counting only the top five labels.",
    )


class PrCurve(Model):
    """A precision-recall curve."""

    annotation_spec: AnnotationSpecReference | None = Field(
        default=None, description="Label of the curve; absent: all labels together."
    )
    area_under_curve: Ratio | None = Field(
        default=None, description="Area under the precision-recall curve."
    )
    confidence_metrics_entries: list[ConfidenceMetricsEntry] = Field(
        default=[], description="Points of the curve, by rising threshold.", max_length=101
    )
    mean_average_precision: Ratio | None = Field(
        default=None, description="Mean over the labels of their average precision."
    )


class ConfusionMatrixEntry(Model):
    """How often one label was predicted."""

    annotation_spec: AnnotationSpecReference | None = Field(
        default=None, description="The predicted label."
    )
    item_count: int | None = Field(
        default=None, description="Items with this truth and this prediction.", ge=0
    )


class ConfusionMatrixRow(Model):
    """What was predicted for the items of one true label."""

    annotation_spec: AnnotationSpecReference | None = Field(
        default=None, description="The true label."
    )
    entries: list[ConfusionMatrixEntry] = Field(
        default=[], description="One entry per predicted label.", max_length=1001
    )


class ConfusionMatrix(Model):
    """Which labels are taken for which: rows are the truth, entries the predictions."""

    row: list[ConfusionMatrixRow] = Field(
        default=[], description="One row per true label.", max_length=1001
    )


class ClassificationMetrics(Model):
    """Metrics of a classification."""

    pr_curve: PrCurve | None = Field(
        default=None, description="Precision-recall curve of all labels together."
    )
    confusion_matrix: ConfusionMatrix | None = Field(
        default=None, description="Which labels are taken for which."
    )


class ObjectDetectionMetrics(Model):
    """Metrics of an object detection."""

    pr_curve: PrCurve | None = Field(
        default=None,
        description="Curve over the intersection-over-union of boxes: matched anew at 0.50 to 0.95 "
        "by 0.05 and at iouThreshold, all labels together, whatever the score. Its area and mean "
        "average precision are those at iouThreshold, over the score.",
    )
    score_pr_curve: PrCurve | None = Field(
        default=None,
        description="Curve over the score, with boxes matched at iouThreshold: at most 50 points; "
        "all of them are in the full result.",
    )
    best_f1: BestF1 | None = Field(
        default=None,
        alias="bestF1",
        description="The score threshold of the highest F1 score at iouThreshold.",
    )
    coco: CocoMetrics | None = Field(default=None, description="COCO's figures.")
    errors: DetectionErrors | None = Field(
        default=None, description="Why boxes are wrong, and which are missed."
    )
    truth_box_count: int | None = Field(default=None, description="True boxes.", ge=0)
    predicted_box_count: int | None = Field(default=None, description="Predicted boxes.", ge=0)


class EvaluationMetrics(Model):
    """Either of the two."""

    classification_metrics: ClassificationMetrics | None = Field(
        default=None, description="For classification."
    )
    object_detection_metrics: ObjectDetectionMetrics | None = Field(
        default=None, description="For object detection."
    )


class LabelMetrics(Model):
    """The result for one label, in short."""

    display_name: Label = Field(description="The label.")
    truth_count: int | None = Field(
        default=None,
        description="Items that have the label in truth; in detection, true boxes.",
        ge=0,
    )
    predicted_count: int | None = Field(
        default=None,
        description="Items whose top label it is; in detection, predicted boxes.",
        ge=0,
    )
    average_precision: Ratio | None = Field(
        default=None,
        description="Area under the label's own curve; absent where no item has the label.",
    )


class ItemCounts(Model):
    """Where the items went."""

    items: int | None = Field(default=None, description="Items in the run's rows.", ge=0)
    labeled: int | None = Field(default=None, description="Items with ground truth.", ge=0)
    unlabeled: int | None = Field(default=None, description="Items without ground truth.", ge=0)
    failed_predictions: int | None = Field(
        default=None, description="Items that the model gave no prediction for.", ge=0
    )
    faulty: int | None = Field(default=None, description="Items that could not be read.", ge=0)
    unscored: int | None = Field(
        default=None,
        description="Evaluated items whose prediction has labels without scores. With any of them "
        "there is no curve and no mean average precision.",
        ge=0,
    )


class LabelingSummary(Model):
    """What people were asked and how much they agreed."""

    asked_item_count: int | None = Field(
        default=None, description="Items that people were asked to label.", ge=0
    )
    answered_item_count: int | None = Field(
        default=None, description="Items that somebody answered.", ge=0
    )
    unresolved_item_count: int | None = Field(
        default=None,
        description="Items whose answers do not make a label; they are left out of the figures.",
        ge=0,
    )
    agreement: float | None = Field(
        default=None,
        description="How much people agree beyond chance, -1 to 1 (Krippendorff's alpha; for "
        "boxes the mean F1 of two people's boxes); absent where nobody could disagree.",
        ge=-1,
        le=1,
    )
    annotator_count: int | None = Field(default=None, description="People who answered.", ge=0)


class WeightedPiece(Model):
    """Items that were sampled with the same probability."""

    start_time: Timestamp | None = Field(
        default=None, description="Interval that the items were sampled in."
    )
    n: int = Field(description="Items.", ge=0)
    p: float = Field(description="Probability with which each was sampled.", ge=0, le=1)


class WeightedMetrics(Model):
    """The figures when each item counts for as many predictions as it stands for."""

    mean_average_precision: Ratio | None = Field(
        default=None, description="Weighted mean average precision."
    )
    area_under_curve: Ratio | None = Field(
        default=None, description="Weighted area under the curve."
    )
    accuracy: Ratio | None = Field(default=None, description="Weighted accuracy.")
    object_detection_metrics: ObjectDetectionMetrics | None = Field(
        default=None,
        description="Weighted metrics of an object detection; the curve over the score is in the "
        "full result.",
    )
    pieces: list[WeightedPiece] = Field(
        default=[], description="Items by the probability they were sampled with.", max_length=100
    )


class EvaluationSpec(Model):
    """The result; immutable."""

    RULES: ClassVar[tuple[Rule, ...]] = (whole_spec_immutable("Evaluation"),)

    config: EvaluationConfig = Field(
        default=EvaluationConfig(), description="Options of the metrics that were used."
    )
    evaluation_job_run_time: Timestamp = Field(description="When the run was due.")
    create_time: Timestamp = Field(description="When the Evaluation was made.")
    annotation_type: AnnotationType = Field(description="Type of the predictions.")
    evaluated_item_count: int | None = Field(
        default=None, description="Items that were compared with ground truth.", ge=0
    )
    evaluation_metrics: EvaluationMetrics | None = Field(
        default=None, description="Curve and confusion matrix."
    )
    evaluation_job: str = Field(description="EvaluationJob that it belongs to.", max_length=253)
    evaluation_job_version: str | None = Field(
        default=None,
        description="EvaluationJobVersion that asked for it; absent for scheduled runs.",
        max_length=253,
    )
    dataset: str = Field(description="Dataset of the run.", max_length=253)
    supersedes: str | None = Field(
        default=None,
        description="Evaluation of the same rows that this one replaces: labels have come since.",
        max_length=253,
    )
    model_version: ModelVersion = Field(description="The model version that was evaluated.")
    mean_average_precision: Ratio | None = Field(
        default=None,
        description="Mean over the labels of their average precision, for every annotation type; "
        "absent where no label has truth.",
    )
    accuracy: Ratio | None = Field(
        default=None,
        description="Share of the items whose top label is true; for single labels only.",
    )
    label_metrics: list[LabelMetrics] = Field(
        default=[],
        description="Results by label, the labels with most items first, as many as fit.",
        max_length=1000,
    )
    label_metrics_total: int | None = Field(
        default=None, description="How many labels there are, when some did not fit.", ge=0
    )
    confusion_matrix_cells_total: int | None = Field(
        default=None,
        description="How many cells of the matrix are not zero, when some did not fit.",
        ge=0,
    )
    item_counts: ItemCounts | None = Field(default=None, description="Where the items went.")
    labeling: LabelingSummary | None = Field(
        default=None,
        description="What people were asked and how much they agreed; absent where nobody was.",
    )
    weighted: WeightedMetrics | None = Field(
        default=None,
        description="The figures weighted by sampling probability, when that differs.",
    )
    partial_failures: list[RpcStatus] = Field(
        default=[], description="Rows that were left out, and why: at most 10.", max_length=10
    )
    total_partial_failures: int | None = Field(
        default=None, description="How many rows were left out.", ge=0
    )
    warnings: list[WarningText] = Field(
        default=[], description="What to keep in mind when reading the figures.", max_length=20
    )
    results_uri: str = Field(description="Folder with the full result.", max_length=4096)
    digest: str = Field(
        description="Digest (sha256:…) of all that the result was computed from.", max_length=128
    )
    label_cutoff_time: Timestamp | None = Field(
        default=None, description="Labels that came later do not count."
    )
    coverage: Ratio | None = Field(
        default=None, description="Share of the items that have ground truth."
    )


class EvaluationStatus(Model):
    """What has become of the Evaluation."""

    superseded_by: str | None = Field(
        default=None,
        description="Evaluation that replaces this one: labels have come since.",
        max_length=253,
    )


class Evaluation(Resource):
    """The result of a run: curve, mean average precision and confusion matrix."""

    KIND: ClassVar[str] = "Evaluation"
    PLURAL: ClassVar[str] = "evaluations"
    SINGULAR: ClassVar[str] = "evaluation"
    PRINTER_COLUMNS: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn("Job", ".spec.evaluationJob"),
        PrinterColumn("Run Time", ".spec.evaluationJobRunTime"),
        PrinterColumn(
            "mAP",
            ".spec.meanAveragePrecision",
            "number",
            "Mean average precision.",
        ),
        PrinterColumn("Accuracy", ".spec.accuracy", "number"),
        PrinterColumn("Items", ".spec.evaluatedItemCount", "integer"),
        PrinterColumn("Age", ".metadata.creationTimestamp", "date"),
        PrinterColumn("Version", ".spec.evaluationJobVersion", wide=True),
        PrinterColumn("Model", ".spec.modelVersion.model", wide=True),
        PrinterColumn("Model Version", ".spec.modelVersion.version", wide=True),
        PrinterColumn("Superseded By", ".status.supersededBy", wide=True),
        PrinterColumn("Results", ".spec.resultsUri", wide=True),
    )

    spec: EvaluationSpec = Field(description="The result; immutable.")
    status: EvaluationStatus = Field(
        default=EvaluationStatus(), description="What has become of the Evaluation."
    )
