"""Parts of an Evaluation that only object detection has."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .base import Model

Ratio = Annotated[float, Field(ge=0, le=1)]


class BestF1(Model):
    """Where the F1 score is highest."""

    score_threshold: float = Field(
        description="Score from which on boxes count; of equally good ones the highest."
    )
    f1_score: Ratio | None = Field(
        default=None, alias="f1Score", description="Harmonic mean of recall and precision there."
    )
    precision: Ratio | None = Field(default=None, description="Precision there.")
    recall: Ratio | None = Field(default=None, description="Recall there.")


class CocoMetrics(Model):
    """COCO's figures, under its names and by the rules of its evaluator, pycocotools.

    They differ from the others: precision is read at 101 recalls, and at most 100 boxes an image
    and label count.
    """

    ap: Ratio | None = Field(
        default=None,
        alias="AP",
        description="Average precision, mean over intersections over union 0.50 to 0.95 by 0.05.",
    )
    ap50: Ratio | None = Field(default=None, alias="AP50", description="Average precision at 0.50.")
    ap75: Ratio | None = Field(default=None, alias="AP75", description="Average precision at 0.75.")
    ap_small: Ratio | None = Field(
        default=None,
        alias="APsmall",
        description="AP for boxes of less than 32² square pixels; absent unless boxes are in "
        "PIXELS, as all figures by area are.",
    )
    ap_medium: Ratio | None = Field(
        default=None, alias="APmedium", description="AP for boxes of 32² to 96² square pixels."
    )
    ap_large: Ratio | None = Field(
        default=None, alias="APlarge", description="AP for boxes of more than 96² square pixels."
    )
    ar1: Ratio | None = Field(
        default=None,
        alias="AR1",
        description="Average recall, counting one box an image and label.",
    )
    ar10: Ratio | None = Field(
        default=None, alias="AR10", description="Average recall, counting ten boxes."
    )
    ar100: Ratio | None = Field(
        default=None, alias="AR100", description="Average recall, counting a hundred boxes."
    )
    ar_small: Ratio | None = Field(
        default=None, alias="ARsmall", description="AR100 for boxes of less than 32²."
    )
    ar_medium: Ratio | None = Field(
        default=None, alias="ARmedium", description="AR100 for boxes of 32² to 96²."
    )
    ar_large: Ratio | None = Field(
        default=None, alias="ARlarge", description="AR100 for boxes of more than 96²."
    )


class DetectionErrors(Model):
    """Every predicted box by what it is, whatever its score; and the true boxes that are missed.

    `iouThreshold` is the job's; a box "near" another has an intersection over union of 0.1 to
    that. Kinds as TIDE defines them; a box is of the first kind that fits.
    """

    true_positives: int = Field(description="Boxes that match a true one.", ge=0)
    poor_place: int = Field(description="Boxes near a true one of their label.", ge=0)
    wrong_class: int = Field(
        description="Boxes that would match a true one of another label.", ge=0
    )
    duplicate: int = Field(
        description="Boxes that would match a true one that a better box has taken.", ge=0
    )
    background: int = Field(description="Boxes with no true one near.", ge=0)
    both: int = Field(
        description="Boxes near a true one of another label only: wrong class and poor place.",
        ge=0,
    )
    missed: int = Field(
        description="True boxes that nothing matches, and that no box of a poor place or a wrong "
        "class was meant for.",
        ge=0,
    )
