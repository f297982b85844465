"""The SQL that each engine is asked, word for word: a condition that is gone from it would show
only in the one table that has rows for it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ibis
import pytest

from evaluation_operator.tables import query as queries
from evaluation_operator.tables.files import table as files
from evaluation_operator.tables.postgres import table as postgres
from evaluation_operator.tables.protocol import RowQuery, Window
from evaluation_operator.tables.schema import HALF_COLUMNS, LABEL_COLUMNS, ROW_COLUMNS
from tests.golden import assert_as_approved

DIALECTS = {"duckdb": files._DIALECT, "postgres": postgres._DIALECT}
FIRST, SECOND, THIRD = (datetime(2026, 3, day, 10, tzinfo=UTC) for day in (2, 3, 4))
ALL = RowQuery("ripeness", "v1")
SOME = RowQuery(
    "ripeness",
    "v1",
    windows=(Window(FIRST, SECOND), Window(THIRD)),
    paused_spans=(Window(FIRST, SECOND),),
    label_cutoff=THIRD,
    context=(Window(SECOND, THIRD),),
)


def relation(name: str, columns: Any) -> Any:
    return ibis.table({it.name: queries.IBIS_TYPES[it.kind] for it in columns}, name=name)


ROWS, HALVES, LABELS = (
    relation(name, columns)
    for name, columns in (("r", ROW_COLUMNS), ("h", HALF_COLUMNS), ("l", LABEL_COLUMNS))
)


def asked(dialect: queries.Dialect) -> dict[str, Any]:
    """By what is asked."""
    known = ibis.table({"id": "string"}, name="known")
    return {
        "all rows of others": queries.select_rows(ROWS, None, None, ALL, dialect, has_ids=False),
        "rows, halves and labels of some times": queries.select_rows(
            ROWS, HALVES, LABELS, SOME, dialect, has_ids=True
        ),
        "their truth": queries.select_truth(ROWS, HALVES, LABELS, SOME, dialect, has_ids=False),
        "the truth of all": queries.select_truth(ROWS, None, LABELS, ALL, dialect, has_ids=True),
        "rows of no time": queries.select_rows(
            ROWS, None, None, RowQuery("ripeness", "v1", windows=()), dialect, has_ids=True
        ),
        "late rows": queries.count_late_rows(ROWS, known, SOME, dialect),
        "model versions": queries.select_model_versions([ROWS, HALVES], 10),
        "shared labels": queries.select_shared_labels(LABELS),
        "rows by key": queries.keyed_rows(ROWS, SOME, dialect, has_ids=True),
        "rows of others by key": queries.keyed_rows(ROWS, ALL, dialect, has_ids=False),
        "halves by key": queries.keyed_halves(HALVES, SOME),
        "all halves by key": queries.keyed_halves(HALVES, ALL),
    }


@pytest.mark.parametrize("engine", DIALECTS)
def test_what_an_engine_is_asked(engine: str) -> None:
    text = "".join(
        f"-- {name}\n{ibis.to_sql(expression, dialect=engine)};\n\n"
        for name, expression in asked(DIALECTS[engine]).items()
    )
    assert_as_approved(Path(__file__).parent / "approved" / f"{engine}.sql", text)
