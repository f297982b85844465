"""The files in a run's folder, and the one that says that they are all there."""

from __future__ import annotations

import re
from typing import Annotated, Final, Self

from pydantic import Field, JsonValue, model_validator

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


_FILE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Of a file that lies in the folder itself."""


class Manifest(Model):
    """manifest.json: written last, and so it says that the rest is whole. `files` has their bytes;
    None in version 1. `cut` is what cut.json said of the rows."""

    version: int = Field(default=1, ge=1, strict=True)
    digest: str
    cut: dict[str, JsonValue]
    annotation_type: AnnotationType | None = None
    annotation_specs: list[str] = Field(default=[])
    files: dict[str, Annotated[int, Field(ge=0, strict=True)]] | None = None

    @model_validator(mode="after")
    def _tells_what_its_version_tells(self) -> Self:
        if self.version > 1 and self.files is None:
            raise ValueError("files: version 2 lists them")
        if self.version > 1 and not self.annotation_specs:
            raise ValueError("annotationSpecs: version 2 tells the label set")
        if len(set(self.annotation_specs)) < len(self.annotation_specs):
            raise ValueError("annotationSpecs: a label is there twice")
        if odd := [it for it in self.files or {} if not _FILE_NAME.fullmatch(it)]:
            raise ValueError(f"files: {odd[0]!r} is no name")
        return self
