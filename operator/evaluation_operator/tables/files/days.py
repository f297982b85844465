"""Folders of a day: what the sampler writes for years stays readable a day at a time.

A file of rows with `sampled_at` lies in `sampled_on=2026-11-22/`, by UTC; who asks for some times
passes by the folders of all others. Files of others, and rows without `sampled_at`, lie outside.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from evaluation_operator.tables.protocol import Window

_FOLDER: Final = re.compile(r"sampled_on=(\d{4}-\d\d-\d\d)")
_DAY: Final = timedelta(days=1)


def by_day(table: pa.Table) -> Iterator[tuple[str | None, pa.Table]]:
    """The rows of each day with their folder's name; None for those without `sampled_at`."""
    if "sampled_at" not in table.column_names:
        yield None, table
        return
    days = table.column("sampled_at").cast(pa.date32())
    for day in sorted(pc.unique(days).to_pylist(), key=str):
        own = pc.is_null(days) if day is None else pc.fill_null(pc.equal(days, day), False)
        yield _name(day), table.filter(own)


def _name(day: date | None) -> str | None:
    return None if day is None else f"sampled_on={day.isoformat()}"


def is_wanted(folder: str, spans: Iterable[Window]) -> bool:
    """False for the folder of a day of which no span has a part; True for all other folders."""
    day = _day_of(folder)
    if day is None:
        return True
    start = datetime.combine(day, time(), UTC)
    last = start + (_DAY - timedelta(microseconds=1))
    return any(span.start <= last and (span.end is None or start < span.end) for span in spans)


def _day_of(folder: str) -> date | None:
    found = _FOLDER.fullmatch(folder)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None
