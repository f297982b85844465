"""Lines of a file to import, whatever its form; the form is that of the name's ending, before that
of gzip."""

from __future__ import annotations

import csv
import gzip
import json
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from evaluation_operator.storage.errors import ImportInvalid

_BATCH_ROWS: Final = 2048
_GZIP: Final = ".gz"


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
    ending = _ending(path)
    reader = _READERS.get(ending)
    if reader is None:
        known = ", ".join(_READERS)
        raise ImportInvalid([f'{path}: "{ending}" is no known ending; give one of {known}'])
    try:
        for number, content in reader(path):
            yield Line(f"{path}:{number}", content)
    except UnicodeDecodeError as error:
        raise ImportInvalid([f"{path}: {error}; save it as UTF-8"]) from error
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        raise ImportInvalid([f"{path}: {error}; give a whole, readable file"]) from error


def has_known_ending(path: Path) -> bool:
    return _ending(path) in _READERS


def _ending(path: Path) -> str:
    """Without that of gzip, which may follow it."""
    name = path.name.lower()
    return Path(name.removesuffix(_GZIP)).suffix


def _open(path: Path, newline: str | None = None) -> TextIO:
    """A text, packed by gzip or not. A byte order mark is no part of it."""
    if path.name.lower().endswith(_GZIP):
        return gzip.open(path, "rt", encoding="utf-8-sig", newline=newline)
    return path.open(encoding="utf-8-sig", newline=newline)


def _read_json(path: Path) -> Iterator[tuple[int, Content]]:
    """One object a line, whatever the ending says (BigQuery's exports); or an array of them."""
    with _open(path) as file:
        if not file.read(1).strip().startswith("["):
            yield from _read_jsonl(path)
            return
    with _open(path) as file:
        try:
            documents = json.load(file)
        except (ValueError, RecursionError) as error:
            yield 1, Fault(f"no JSON ({error}); give one object a line, or an array of objects")
            return
    for number, document in enumerate(documents, 1):
        is_object = isinstance(document, dict)
        yield number, document if is_object else Fault("no JSON object; give an array of objects")


def _read_jsonl(path: Path) -> Iterator[tuple[int, Content]]:
    with _open(path) as file:
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
    with _open(path, newline="") as file:
        reader = csv.reader(file, strict=True)
        header = next(reader, [])
        if (fault := _fault_of_header(header)) is not None:
            yield 1, fault
            return
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


def _fault_of_header(header: Sequence[str]) -> Fault | None:
    if len(header) == 1 and ";" in header[0]:
        return Fault("the separator is ; and not a comma: save it with commas")
    if "" in header:
        return Fault(
            "a column has no name, as the index that pandas writes: write it with index=False, or "
            "name the column"
        )
    return _fault_of_repeats(header)


def _fault_of_repeats(names: Sequence[str]) -> Fault | None:
    """One of two columns would win, and nobody could say which."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if not twice:
        return None
    return Fault(f'column "{twice[0]}" is given twice; give it once')


def _read_parquet(path: Path) -> Iterator[tuple[int, Content]]:
    with pq.ParquetFile(path) as file:
        if (fault := _fault_of_repeats(file.schema_arrow.names)) is not None:
            yield 1, fault
            return
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
    ".json": _read_json,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
ENDINGS: Final = tuple(_READERS)
