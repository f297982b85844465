"""The files in a run's folder, and the one that says that they are all there."""

from __future__ import annotations

from typing import Final

from pydantic import Field, JsonValue

from evaluation_operator.api.base import Model
from evaluation_operator.api.evaluation_options import AnnotationType

ROWS: Final = "rows.parquet"
SEEN: Final = "seen.parquet"
TAKEN: Final = "taken.parquet"
CUT: Final = "cut.json"
TASKS: Final = "tasks.parquet"
ANSWERS: Final = "answers.parquet"
LABELS: Final = "labels.parquet"
LABELED: Final = "labels.json"
LATE_LABELS: Final = "late-labels.parquet"
LATE_LABELED: Final = "late-labels.json"
ITEMS: Final = "items.parquet"
SCORES: Final = "scores.parquet"
BOXES: Final = "boxes.parquet"
OVERLAPS: Final = "overlaps.parquet"
CURVES: Final = "curves.parquet"
CONFUSION: Final = "confusion.parquet"
EVALUATION: Final = "evaluation.json"
MANIFEST: Final = "manifest.json"
COMMITTED: Final = "committed.json"

VERSION: Final = 2
"""Of what is written. A manifest without one is of version 1: its items have fewer columns, and it
tells neither the label set nor the files."""


class Manifest(Model):
    """manifest.json: written last, and so it says that the rest is whole. `files` has their bytes;
    None in version 1. `cut` is what cut.json said."""

    version: int = Field(default=1, ge=1)
    digest: str
    cut: dict[str, JsonValue]
    annotation_type: AnnotationType | None = None
    annotation_specs: list[str] = Field(default=[])
    files: dict[str, int] | None = None
