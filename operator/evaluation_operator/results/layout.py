"""The names of the files in a run's folder."""

from __future__ import annotations

from typing import Final

ROWS: Final = "rows.parquet"
SEEN: Final = "seen.parquet"
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
