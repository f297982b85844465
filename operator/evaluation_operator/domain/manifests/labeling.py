"""What a run tells of the job to whoever brings its tasks to people."""

from __future__ import annotations

from evaluation_operator.api.dataset import DatasetLabeling, LabelingInstruction
from evaluation_operator.api.evaluation_job import EvaluationJob, OnDelete
from evaluation_operator.api.evaluation_job_config import AnswerAggregationType
from evaluation_operator.api.instruction import InstructionSpec


def labeling_spec(job: EvaluationJob, instruction: InstructionSpec) -> DatasetLabeling:
    """All that whoever brings the tasks to people needs, as it is when the run begins."""
    config, wishes = job.spec.evaluation_job_config, job.spec.labeling
    human = config.human_annotation_config
    assert human is not None, "a rule of the CRD: labelMissingGroundTruth needs it"
    image, text = config.image_classification_config, config.text_classification_config
    boxes, metadata = config.bounding_poly_config, config.input_config.classification_metadata
    sentiment = text.sentiment_config if text is not None else None
    pdf = instruction.pdf_instruction
    return DatasetLabeling(
        backend=wishes.backend if wishes else None,
        instruction=LabelingInstruction(
            display_name=instruction.display_name,
            description=instruction.description,
            data_type=instruction.data_type,
            pdf_uri=pdf.gcs_file_uri if pdf else None,
        ),
        instruction_message=boxes.instruction_message if boxes else None,
        answer_aggregation_type=(image.answer_aggregation_type if image else None)
        or AnswerAggregationType.MAJORITY_VOTE,
        allow_multi_label=bool(metadata and metadata.is_multi_label),
        enable_label_sentiment_selection=bool(
            sentiment and sentiment.enable_label_sentiment_selection
        ),
        replica_count=human.replica_count or 1,
        question_duration=human.question_duration,
        language_code=human.language_code or "en-US",
        contributor_emails=human.contributor_emails,
        user_email_address=human.user_email_address,
        deadline=wishes.deadline if wishes else None,
        on_delete=(wishes.on_delete if wishes else None) or OnDelete.ARCHIVE,
        label_group=human.label_group,
        annotated_dataset_display_name=human.annotated_dataset_display_name,
    )
