"""Lines of a file to import, whatever its form; the form is that of the name's ending."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from evaluation_operator.storage.errors import ImportInvalid

_BATCH_ROWS: Final = 2048


class Fault(Exception):
    """What is wrong with a line: column, value and cure."""


# By column, null as None; or what is wrong with the whole line.
Content: TypeAlias = Mapping[str, object] | Fault


@dataclass(frozen=True, slots=True)
class Line:
    """`place` is `file:line` (of Parquet: `file:row`, from 1)."""

    place: str
    content: Content

    @property
    def values(self) -> Mapping[str, object]:
        if isinstance(self.content, Fault):
            raise self.content
        return self.content


def read_lines(path: Path) -> Iterator[Line]:
    """Every line; ImportInvalid if the file as a whole cannot be read."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ImportInvalid(
            [f'{path}: "{path.suffix}" is no known ending; give one of {", ".join(_READERS)}']
        )
    try:
        for number, content in reader(path):
            yield Line(f"{path}:{number}", content)
    except UnicodeDecodeError as error:
        raise ImportInvalid([f"{path}: {error}; save it as UTF-8"]) from error
    except (OSError, pa.ArrowException) as error:
        raise ImportInvalid([f"{path}: {error}; give a whole, readable file"]) from error


def _read_jsonl(path: Path) -> Iterator[tuple[int, Content]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                document = json.loads(text)
            except (ValueError, RecursionError) as error:
                yield number, Fault(f"no JSON ({error}); give one object a line")
                continue
            is_object = isinstance(document, dict)
            yield number, document if is_object else Fault("no JSON object; give one a line")


def _read_csv(path: Path) -> Iterator[tuple[int, Content]]:
    """An empty field is null. Fields may be as long as requests are."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        header = next(reader, [])
        try:
            for fields in reader:
                if not fields:
                    continue
                if len(fields) != len(header):
                    cure = "quote fields that hold commas or quotes"
                    counts = f"{len(fields)} fields, but {len(header)} columns"
                    yield reader.line_num, Fault(f"{counts}; {cure}")
                    continue
                pairs = zip(header, fields, strict=True)
                yield reader.line_num, {name: field or None for name, field in pairs}
        except csv.Error as error:
            yield reader.line_num, Fault(f"no CSV ({error}); correct the quotes")


def _read_parquet(path: Path) -> Iterator[tuple[int, Content]]:
    with pq.ParquetFile(path) as file:
        number = 0
        for batch in file.iter_batches(_BATCH_ROWS):
            for row in _in_microseconds(batch).to_pylist():
                number += 1
                yield number, row


def _in_microseconds(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Python's times hold no nanoseconds."""
    for place, field in enumerate(batch.schema):
        if pa.types.is_timestamp(field.type):
            times = pc.cast(batch.column(place), pa.timestamp("us", field.type.tz), safe=False)
            batch = batch.set_column(place, field.name, times)
    return batch


_READERS: Final[Mapping[str, Callable[[Path], Iterator[tuple[int, Content]]]]] = {
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
