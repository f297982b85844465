"""A query for rows as one expression, which ibis turns into each engine's SQL.

Nothing here runs: the same filter, ids, join and order serve DuckDB and PostgreSQL, so that a
run gives the same rows in the same order whatever holds them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any, Final, TypeAlias

import ibis

from evaluation_operator.tables.protocol import RowQuery, Window
from evaluation_operator.tables.schema import (
    ID_DIGITS,
    READ_SCHEMA,
    ROW_SCHEMA,
    TRUTH_SCHEMA,
    ColumnKind,
)

# ibis builds its expressions at run time: its types say no more than this.
Expression: TypeAlias = Any

TIMESTAMP: Final = "timestamp('UTC', 6)"
# The other half of a row is looked for up to so long before the times that are asked for.
HALVES_APART: Final = timedelta(days=1)
IBIS_TYPES: Final = {
    ColumnKind.TEXT: "string",
    ColumnKind.NUMBER: "float64",
    ColumnKind.TIME: TIMESTAMP,
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """What ibis has no common word for: a hash in hex, and order by bytes, not by locale."""

    sha256_hex: Callable[[Expression], Expression]
    byte_order: Callable[[Expression], Expression]


def select_rows(
    rows: Expression | None,
    halves: Expression | None,
    labels: Expression | None,
    query: RowQuery,
    dialect: Dialect,
    *,
    has_ids: bool,
) -> Expression:
    """READ_SCHEMA of the query's rows, by rising id. Either `rows` or `halves` may be None.

    `rows` has the columns of ROW_SCHEMA, `halves` those of HALF_SCHEMA, `labels` those of
    LABEL_SCHEMA. `has_ids` says that every one of `rows` is known to have one, which spares the
    engine the hashing.
    """
    parts = []
    if rows is not None:
        whole = _matching(rows, query)
        parts.append(whole if has_ids else _with_ids(whole, dialect))
    if halves is not None:
        parts.append(_matching(_joined(halves, query, dialect), query))
    found = _with_newest(_union(parts), labels, query, dialect).select(READ_SCHEMA.names)
    return found.order_by(dialect.byte_order(found.id), found.time)


def select_truth(
    rows: Expression | None,
    halves: Expression | None,
    labels: Expression | None,
    query: RowQuery,
    dialect: Dialect,
    *,
    has_ids: bool,
) -> Expression:
    """TRUTH_SCHEMA of the query's rows, by rising id; the same arguments as `select_rows`.

    Content is only read to hash it, where rows have no ids. Halves count whether or not the other
    half is there: joining them would need their content.
    """
    parts = []
    if rows is not None:
        whole = _matching(rows, query)
        whole = whole if has_ids else _with_ids(whole, dialect)
        parts.append(whole.filter(whole.is_inside).select("id", "groundtruth"))
    if halves is not None:
        near = _near(halves, query)
        parts.append(near.select(id=near.id, groundtruth=ibis.null("string")))
    found = _with_newest(_union(parts), labels, query, dialect).select(TRUTH_SCHEMA.names)
    found = found.distinct()
    return found.order_by(dialect.byte_order(found.id), dialect.byte_order(found.groundtruth))


def count_late_rows(
    rows: Expression, known: Expression, query: RowQuery, dialect: Dialect
) -> Expression:
    """How many rows without `sampled_at` have an id that `known` (column `id`) lacks."""
    others = _with_ids(_matching(rows.filter(rows.sampled_at.isnull()), query), dialect)
    return others.filter(others.is_inside).anti_join(known, "id").count()


def select_model_versions(parts: list[Expression], most: int) -> Expression:
    """`model` and `model_version` of these rows and halves, each pair once."""
    found = _union([part.select("model", "model_version") for part in parts])
    found = found.filter(found.model.notnull(), found.model_version.notnull()).distinct()
    return found.limit(most)


def select_shared_labels(labels: Expression) -> Expression:
    """A line if any label counts for more than one model version."""
    shared = labels.filter(labels.model.isnull() | labels.model_version.isnull())
    return shared.select("id").limit(1)


def keyed_rows(rows: Expression, query: RowQuery, dialect: Dialect, *, has_ids: bool) -> Expression:
    """ROW_SCHEMA of the query's rows, and `key`: the id, which of rows without one is not yet
    numbered among equals."""
    found = _matching(rows, query)
    key = found.id if has_ids else _digest(found, dialect)
    return found.mutate(key=key).select([*ROW_SCHEMA.names, "key"])


def keyed_halves(halves: Expression, query: RowQuery) -> Expression:
    """HALF_SCHEMA of the halves that a row of the query may be of, and `key`: the id."""
    near = _near(halves, query)
    return near.filter(near.id.notnull()).mutate(key=near.id)


def half_spans(query: RowQuery) -> tuple[Window, ...] | None:
    """The times of halves that may be one of a row that the query asks for; None is all."""
    if query.spans is None:
        return None
    return tuple(Window(_before(span.start), span.end) for span in query.spans)


def _before(time: datetime) -> datetime:
    earliest = datetime.min.replace(tzinfo=UTC) + HALVES_APART
    return max(time, earliest) - HALVES_APART


def _joined(halves: Expression, query: RowQuery, dialect: Dialect) -> Expression:
    """ROW_SCHEMA of the rows that both halves are there of; the later one says when."""
    near = _near(halves, query)
    one = _earliest(near, "raw_data", dialect)
    other = _earliest(near, "raw_prediction", dialect).rename("other_{name}")
    both = one.join(
        other,
        [
            one.job_uid == other.other_job_uid,
            one.id == other.other_id,
            one.item_count == other.other_item_count,
        ],
    )
    least = {
        name: ibis.least(both[name], both[f"other_{name}"])
        for name in ("priority", "p", "example_count", "example_sample_percentage")
    }
    row = least | {
        "raw_prediction": both.other_raw_prediction,
        "groundtruth": ibis.null("string"),
        "sampled_at": ibis.greatest(both.sampled_at, both.other_sampled_at),
        "interval_start": ibis.ifelse(
            both.sampled_at > both.other_sampled_at,
            both.interval_start,
            both.other_interval_start,
        ),
    }
    return both.select(
        **{name: row[name] if name in row else both[name] for name in ROW_SCHEMA.names}
    )


def _near(halves: Expression, query: RowQuery) -> Expression:
    """The halves of the model version whose other half may make them a row of the query."""
    spans = half_spans(query)
    conditions = [halves.model == query.model, halves.model_version == query.model_version]
    if spans is not None:
        conditions.append(_inside(halves.sampled_at, spans))
    return halves.filter(conditions)


def _earliest(halves: Expression, side: str, dialect: Dialect) -> Expression:
    """The halves that have this side, each once: an event may have been delivered again."""
    have = halves.filter(halves[side].notnull())
    in_order = ibis.window(
        group_by=[have.job_uid, have.id, have.item_count],
        order_by=[have.sampled_at, dialect.byte_order(have[side])],
    )
    have = have.mutate(place=ibis.row_number().over(in_order))
    return have.filter(have.place == 0)


def _matching(rows: Expression, query: RowQuery) -> Expression:
    """The rows of the query, with `is_inside`."""
    moment = ibis.coalesce(rows.sampled_at, rows.time)
    conditions = [rows.model == query.model, rows.model_version == query.model_version]
    if query.spans is not None:
        conditions.append(_inside(moment, query.spans))
    if query.paused_spans:
        paused = rows.sampled_at.isnull() & _inside(rows.time, query.paused_spans)
        conditions.append(~paused.fill_null(False))
    is_inside = _inside(moment, query.windows or ()) if query.context else ibis.literal(True)
    return rows.filter(conditions).mutate(is_inside=is_inside)


def _inside(moment: Expression, windows: Iterable[Window]) -> Expression:
    """Whether the moment lies in any window. A tree of ORs: a chain of 1,000 is too deep."""
    terms = [_inside_one(moment, window) for window in windows]
    while len(terms) > 1:
        terms = [reduce(operator.or_, terms[i : i + 2]) for i in range(0, len(terms), 2)]
    return terms[0] if terms else ibis.literal(False)


def _inside_one(moment: Expression, window: Window) -> Expression:
    after = moment >= _time(window.start)
    return after if window.end is None else after & (moment < _time(window.end))


def _time(time: datetime) -> Expression:
    return ibis.literal(time, type=TIMESTAMP)


def _with_ids(rows: Expression, dialect: Dialect) -> Expression:
    """Rows whose `id` is null get the one of schema.row_digest, numbered among equals."""
    rows = rows.mutate(digest=_digest(rows, dialect))
    equals = ibis.window(group_by=rows.digest, order_by=dialect.byte_order(rows.groundtruth))
    rows = rows.mutate(ordinal=ibis.row_number().over(equals))
    numbered = ibis.ifelse(
        rows.id.isnull() & (rows.ordinal > 0),
        rows.digest + "-" + rows.ordinal.cast("string"),
        rows.digest,
    )
    return rows.mutate(id=numbered).select([*ROW_SCHEMA.names, "is_inside"])


def _digest(rows: Expression, dialect: Dialect) -> Expression:
    """The id, or the hash of what a row without one holds."""
    seconds = rows.time.truncate("s").epoch_seconds().cast("int64")
    microseconds = seconds * 1_000_000 + rows.time.microsecond().cast("int64")
    parts = (
        rows.model,
        rows.model_version,
        microseconds.cast("string"),
        rows.raw_data,
        rows.raw_prediction,
    )
    text = reduce(operator.add, [_length_prefixed(part) for part in parts])
    return ibis.coalesce(rows.id, dialect.sha256_hex(text)[:ID_DIGITS])


def _length_prefixed(part: Expression) -> Expression:
    return ibis.coalesce(part.length().cast("string") + ":" + part, ibis.literal("~"))


def _newest_labels(labels: Expression, query: RowQuery, dialect: Dialect) -> Expression:
    """One label an id, of those of the model version and those of any. Two of one instant: the
    greater text, so that every engine agrees."""
    labels = labels.filter(
        labels.groundtruth.notnull(),
        labels.model.isnull() | (labels.model == query.model),
        labels.model_version.isnull() | (labels.model_version == query.model_version),
    )
    if query.label_cutoff is not None:
        labels = labels.filter(labels.labeled_at <= _time(query.label_cutoff))
    newest_first = ibis.window(
        group_by=labels.id,
        order_by=[labels.labeled_at.desc(), dialect.byte_order(labels.groundtruth).desc()],
    )
    labels = labels.mutate(place=ibis.row_number().over(newest_first))
    labels = labels.filter(labels.place == 0)
    return labels.select(label_id=labels.id, label=labels.groundtruth, labeled_at=labels.labeled_at)


def _union(parts: list[Expression]) -> Expression:
    return reduce(lambda left, right: left.union(right), parts)


def _with_newest(
    rows: Expression, labels: Expression | None, query: RowQuery, dialect: Dialect
) -> Expression:
    if labels is None:
        return rows.mutate(labeled_at=ibis.null(TIMESTAMP))
    return _with_labels(rows, _newest_labels(labels, query, dialect))


def _with_labels(rows: Expression, labels: Expression) -> Expression:
    joined = rows.left_join(labels, rows.id == labels.label_id)
    return joined.mutate(groundtruth=ibis.coalesce(joined.label, joined.groundtruth))
