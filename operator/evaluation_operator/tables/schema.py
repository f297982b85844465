"""The columns of a table, what may differ from them, and the ids of rows that have none.

A table has the source's six columns, and ours where this system wrote the rows. A row that
somebody else wrote has no `sampled_at`, and often no `id`: then its id is computed from its
content, never from its ground truth or its place, so that it is the same in every backend and
at every time.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final

import pyarrow as pa

from evaluation_operator.storage.errors import SchemaDifference, TableInvalid

TIME: Final = pa.timestamp("us", "UTC")
ID_DIGITS: Final = 32
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class ColumnKind(Enum):
    """What a column holds; each backend has its own types for it."""

    TEXT = "text"
    NUMBER = "number"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Column:
    """`is_required`: every table has it. `is_nullable`: a row that we write may lack it."""

    name: str
    kind: ColumnKind
    is_required: bool = False
    is_nullable: bool = True


ROW_COLUMNS: Final = (
    Column("model", ColumnKind.TEXT, is_required=True, is_nullable=False),
    Column("model_version", ColumnKind.TEXT, is_required=True, is_nullable=False),
    Column("time", ColumnKind.TIME, is_required=True, is_nullable=False),
    Column("raw_data", ColumnKind.TEXT, is_required=True, is_nullable=False),
    Column("raw_prediction", ColumnKind.TEXT, is_required=True),
    Column("groundtruth", ColumnKind.TEXT),
    Column("id", ColumnKind.TEXT, is_nullable=False),
    # A 64-bit hash read as a number in [0, 1), and the probability with which the row was drawn.
    Column("priority", ColumnKind.NUMBER),
    Column("p", ColumnKind.NUMBER),
    # The job's cap and fraction in force when the row was written.
    Column("example_count", ColumnKind.NUMBER),
    Column("example_sample_percentage", ColumnKind.NUMBER),
    Column("sampled_at", ColumnKind.TIME),
    Column("interval_start", ColumnKind.TIME),
    Column("job_uid", ColumnKind.TEXT),
)
# Half of a row: the request has `raw_data`, the response `raw_prediction`. Two are one row if
# they agree in job, id and number of items in the request.
HALF_COLUMNS: Final = (
    *(
        Column(name, kind, is_required=True, is_nullable=False)
        for name, kind in (
            ("model", ColumnKind.TEXT),
            ("model_version", ColumnKind.TEXT),
            ("time", ColumnKind.TIME),
        )
    ),
    Column("raw_data", ColumnKind.TEXT, is_required=True),
    Column("raw_prediction", ColumnKind.TEXT, is_required=True),
    *(
        Column(name, kind, is_required=True, is_nullable=False)
        for name, kind in (
            ("id", ColumnKind.TEXT),
            ("priority", ColumnKind.NUMBER),
            ("p", ColumnKind.NUMBER),
            ("example_count", ColumnKind.NUMBER),
            ("example_sample_percentage", ColumnKind.NUMBER),
            ("sampled_at", ColumnKind.TIME),
            ("interval_start", ColumnKind.TIME),
            ("job_uid", ColumnKind.TEXT),
            ("item_count", ColumnKind.NUMBER),
        )
    ),
)
LABEL_COLUMNS: Final = (
    Column("id", ColumnKind.TEXT, is_required=True, is_nullable=False),
    Column("groundtruth", ColumnKind.TEXT, is_required=True, is_nullable=False),
    Column("labeled_at", ColumnKind.TIME, is_required=True, is_nullable=False),
    Column("labeler", ColumnKind.TEXT),
    # Whose rows the label is of. Where they are null it counts for every row of the id.
    Column("model", ColumnKind.TEXT),
    Column("model_version", ColumnKind.TEXT),
)

_ARROW_TYPES: Final[Mapping[ColumnKind, pa.DataType]] = {
    ColumnKind.TEXT: pa.string(),
    ColumnKind.NUMBER: pa.float64(),
    ColumnKind.TIME: TIME,
}


def _arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    return pa.schema(
        [pa.field(c.name, _ARROW_TYPES[c.kind], nullable=c.is_nullable) for c in columns]
    )


ROW_SCHEMA: Final = _arrow_schema(ROW_COLUMNS)
HALF_SCHEMA: Final = _arrow_schema(HALF_COLUMNS)
LABEL_SCHEMA: Final = _arrow_schema(LABEL_COLUMNS)
# What reading gives: the row with its id and the ground truth that counts; `labeled_at` is null
# where that is the row's own column; `is_inside` tells rows of the windows from those of the
# context. In rows of others, even what they must have may be null.
READ_SCHEMA: Final = pa.schema(
    [
        *(field.with_nullable(True) for field in ROW_SCHEMA),
        pa.field("labeled_at", TIME),
        pa.field("is_inside", pa.bool_()),
    ]
)
# Ground truth alone: the newest label, else the row's own column.
TRUTH_SCHEMA: Final = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("groundtruth", pa.string()),
        pa.field("labeled_at", TIME),
    ]
)
ID_SCHEMA: Final = pa.schema([pa.field("id", pa.string())])


def find_differences(
    columns: Iterable[Column],
    found: Mapping[str, str],
    is_fit: Callable[[ColumnKind, str], bool],
    expected: Mapping[ColumnKind, str],
) -> tuple[SchemaDifference, ...]:
    """Every column that lacks or has the wrong type, with its cure. More columns do no harm.

    `found` maps names to the backend's types, `is_fit` says which of them serve for a kind,
    `expected` names the best one.
    """
    differences = []
    for column in columns:
        want = expected[column.kind]
        have = found.get(column.name)
        if have is None and column.is_required:
            differences.append(
                SchemaDifference(column.name, "missing", want, f"add a column of type {want}")
            )
        elif have is not None and not is_fit(column.kind, have):
            differences.append(
                SchemaDifference(column.name, f"type {have}", want, f"convert it to {want}")
            )
    return tuple(differences)


def conform(batch: pa.RecordBatch, columns: tuple[Column, ...]) -> pa.RecordBatch:
    """The batch with exactly these columns, in order; those that may be null are filled in.

    Raises TableInvalid for a missing, unknown or null value, or a type that cannot be cast.
    """
    schema = _arrow_schema(columns)
    unknown = sorted(set(batch.schema.names) - set(schema.names))
    if unknown:
        raise TableInvalid(
            f'column "{unknown[0]}" is unknown; the columns are {", ".join(schema.names)}'
        )
    arrays = []
    for field in schema:
        place = batch.schema.get_field_index(field.name)
        try:
            array = (
                pa.nulls(batch.num_rows, field.type)
                if place < 0
                else batch.column(place).cast(field.type)
            )
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise TableInvalid(f'column "{field.name}": {error}; give {field.type}') from None
        if array.null_count and not field.nullable:
            raise TableInvalid(f'column "{field.name}": a row has no value; give one')
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def to_microseconds(time: datetime) -> int:
    """Microseconds since 1970, exact (a float of seconds would round)."""
    return (time - _EPOCH) // _MICROSECOND


def row_digest(
    model: str | None,
    model_version: str | None,
    time: datetime | None,
    raw_data: str | None,
    raw_prediction: str | None,
) -> str:
    """32 hex digits of the SHA-256 of a row's content.

    Each part goes in as its number of characters, a colon and its text, or `~` for null, so
    that no two contents give one text. Time counts in microseconds since 1970, in decimal.
    """
    microseconds = None if time is None else str(to_microseconds(time))
    parts = (model, model_version, microseconds, raw_data, raw_prediction)
    text = "".join("~" if part is None else f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:ID_DIGITS]


def numbered_id(digest: str, ordinal: int) -> str:
    """The id of the n-th of several equal rows, from 0."""
    return f"{digest}-{ordinal}" if ordinal else digest


def row_ids(rows: pa.Table | pa.RecordBatch) -> list[str]:
    """The ids of rows that have none, in order; `rows` is all of them, for their ordinals."""
    seen: Counter[str] = Counter()
    ids = []
    content = rows.select(["model", "model_version", "time", "raw_data", "raw_prediction"])
    for row in content.to_pylist():
        digest = row_digest(**row)
        ids.append(numbered_id(digest, seen[digest]))
        seen[digest] += 1
    return ids
