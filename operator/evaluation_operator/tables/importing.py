"""Files that people bring: rows and labels as JSONL, CSV or Parquet.

All files are judged before the first row is given out, so that where one has a bad line nothing is
imported. They are read twice for that; what is held of them are eight bytes a row.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from evaluation_operator.storage.errors import ImportInvalid
from evaluation_operator.tables.import_files import Fault, Line, read_lines
from evaluation_operator.tables.import_values import Values, parse_label, parse_row
from evaluation_operator.tables.schema import (
    LABEL_SCHEMA,
    ROW_SCHEMA,
    numbered_id,
    row_digest,
)
from evaluation_operator.tables.sources.records import Source

_BATCH_ROWS: Final = 2048
_MOST_FAULTS: Final = 10
Lines: TypeAlias = Callable[[], Iterator[Line]]
Parse: TypeAlias = Callable[[Line], Values]


def read_row_files(
    paths: Sequence[Path],
    *,
    model: str | None = None,
    model_version: str | None = None,
    time: str | None = None,
    source: Source | None = None,
) -> Iterator[pa.RecordBatch]:
    """Rows of files as ROW_SCHEMA. One without `id` gets that of its content, numbered among
    equals; one without `sampled_at` is like a row of others: windows run on its `time`.
    `model`, `model_version` and `time` are for lines that have none of their own. `source`: whose
    records the lines are, if they are not ours.

    Raises ImportInvalid at once, before any row is given, with the first faults.
    """
    defaults = {"model": model, "model_version": model_version, "time": time}

    def lines() -> Iterator[Line]:
        found = _lines_of(paths)
        return found if source is None else source.rows(found)

    return _read(lines, lambda line: parse_row(line, defaults), ROW_SCHEMA)


def read_label_files(
    paths: Sequence[Path], *, labeled_at: datetime, model_version: tuple[str, str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Labels of files as LABEL_SCHEMA; `labeled_at` is for lines that have none of their own.
    All are of `model_version`; without it each is of what its line says, or of any.

    Raises ImportInvalid as above, also for two labels of one row and one instant, and for one of
    another model version.
    """
    return _read(
        lambda: _lines_of(paths),
        lambda line: parse_label(line, labeled_at, model_version),
        LABEL_SCHEMA,
    )


def _lines_of(paths: Sequence[Path]) -> Iterator[Line]:
    return chain.from_iterable(map(read_lines, paths))


def _read(lines: Lines, parse: Parse, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    repeated = _repeated_keys(lines, parse)
    _refuse_repeats(lines, parse, repeated)
    return _batches(lines, parse, schema, repeated)


def _parsed(lines: Lines, parse: Parse) -> Iterator[tuple[Line, Values]]:
    """Every line's values; all are read before the faults of some are raised."""
    faults: list[str] = []
    for line in lines():
        try:
            yield line, parse(line)
        except Fault as fault:
            faults.append(f"{line.place}: {fault}")
            if len(faults) == _MOST_FAULTS:
                break
    if faults:
        raise ImportInvalid(faults)


def _key(values: Values) -> str:
    """What must differ from row to row: the id; for labels with time and model version; else the
    content."""
    if values["id"] is None:
        return _digest(values)
    if "labeled_at" not in values:
        return f"id {values['id']}"
    names = ("id", "labeled_at", "model", "model_version")
    return "label " + json.dumps([str(values[name]) for name in names])


def _digest(values: Values) -> str:
    time = values["time"]
    assert isinstance(time, datetime)
    texts = (values[name] for name in ("model", "model_version", "raw_data", "raw_prediction"))
    model, version, data, prediction = (None if text is None else str(text) for text in texts)
    return row_digest(model, version, time, data, prediction)


def _short(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big", signed=True)


def _repeated_keys(lines: Lines, parse: Parse) -> frozenset[int]:
    """Keys, shortened, that come more than once; judges every line on the way."""
    chunks: list[pa.Array] = []
    held: list[int] = []
    for _, values in _parsed(lines, parse):
        held.append(_short(_key(values)))
        if len(held) == _BATCH_ROWS:
            chunks.append(pa.array(held, pa.int64()))
            held = []
    counts = pc.value_counts(pa.chunked_array([*chunks, pa.array(held, pa.int64())]))
    several = pc.greater(pc.struct_field(counts, "counts"), 1)
    return frozenset(pc.struct_field(counts.filter(several), "values").to_pylist())


def _refuse_repeats(lines: Lines, parse: Parse, repeated: frozenset[int]) -> None:
    """An id that is given twice: nobody could say which of the two counts."""
    if not repeated:
        return
    first: dict[str, str] = {}
    faults: list[str] = []
    for line, values in _parsed(lines, parse):
        key = _key(values)
        if values["id"] is None or _short(key) not in repeated:
            continue
        if key in first and len(faults) < _MOST_FAULTS:
            cure = (
                "give each label its own labeled_at" if "labeled_at" in values else "give it once"
            )
            faults.append(
                f'{line.place}: column "id": "{values["id"]}" stands at {first[key]} too; {cure}'
            )
        first.setdefault(key, line.place)
    if faults:
        raise ImportInvalid(faults)


def _batches(
    lines: Lines, parse: Parse, schema: pa.Schema, repeated: frozenset[int]
) -> Iterator[pa.RecordBatch]:
    seen: Counter[str] = Counter()
    held: list[Values] = []
    for _, values in _parsed(lines, parse):
        if values["id"] is None:
            digest = _digest(values)
            values["id"] = numbered_id(digest, seen[digest])
            if _short(digest) in repeated:
                seen[digest] += 1
        held.append(values)
        if len(held) == _BATCH_ROWS:
            yield _batch(held, schema)
            held = []
    if held:
        yield _batch(held, schema)


def _batch(rows: Iterable[Values], schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(list(rows), schema=schema)
