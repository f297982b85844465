"""results.md: the files in a run's folder, from their schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from evaluation_operator.results import layout
from evaluation_operator.results.boxes import BOXES_SCHEMA
from evaluation_operator.results.confusion import CONFUSION_SCHEMA
from evaluation_operator.results.curves import CURVES_SCHEMA, OVERLAPS_SCHEMA
from evaluation_operator.results.items import ADDED_IN_2, ITEMS_SCHEMA
from evaluation_operator.results.labels import LABELS_SCHEMA
from evaluation_operator.results.parquet import about
from evaluation_operator.results.rows import CUT_SCHEMA
from evaluation_operator.results.scores import SCORES_SCHEMA
from evaluation_operator.results.taken import TAKEN_SCHEMA
from evaluation_operator.results.tasks import TASKS_SCHEMA

MADE_BY = "<!-- Made by docs/generate.py from the schemas in results/. Do not edit. -->"

INTRODUCTION = """\
# The full result of a run

An Evaluation is a summary that fits into the cluster's store. Everything that it was computed from
and all that came out stays in a folder of the run:

    <resultsUri>/<uid of the job>/<name of the run>/

`kubectl get evaluation RUN -o jsonpath={.spec.resultsUri}` names it. The files are Parquet and
JSON, for whoever wants to look further: DuckDB, pandas, Spark or a notebook read them without this
project.

## When it is whole

`manifest.json` is written last. Where it is, the result is whole: `files` lists what was computed,
with its bytes. The cut (`rows`, `taken`, `seen`, `cut.json`) was there before and is not listed;
`committed.json` and late labels come after. A file appears whole or not at all, by one rename on a
disk and by one upload in a bucket.
The labels of people come when they are done: `labels.json` says that `labels.parquet` is whole.

| file | what it is |
| --- | --- |
{files}

**Versions.** `version` in `manifest.json` is {version} now, and 1 where there is none: then the
manifest has `digest` and `cut` alone, and `items.parquet` lacks {added}. This project reads both. A
later version may add columns; what is there keeps its meaning.

## Reading it with DuckDB

Of a classification with one label an item: what was mistaken for what, the surest mistakes first,
and how good the model was hour by hour. (For files in a bucket DuckDB needs `httpfs` first, and a
secret with its key.)

```python
{script}```

It prints, for a run of eight items:

```text
{output}
```
"""

OTHER_FILES = (
    (
        layout.MANIFEST,
        "`version`, `digest` (as in the Evaluation), `annotationType`, `annotationSpecs` (the "
        "label set in its order), `cut`, `files`",
    ),
    (layout.EVALUATION, "the Evaluation as it was published"),
    (layout.SEEN, "the ids of all rows that lay in the run's windows, drawn or not"),
    (
        layout.CUT,
        "how many rows and items, when, their digest, what windows were asked for, and the runs "
        "that `taken.parquet` speaks for",
    ),
    (layout.COMMITTED, "is there once the run counts: its Dataset has `Succeeded`"),
    (layout.LABELED, "where people label: how it ended, in numbers"),
    (layout.LATE_LABELS, "where people label: the labels with what came after the run went on"),
    (layout.LATE_LABELED, "the same, in numbers"),
    (layout.ANSWERS, "where people label: what the labeler remembers while they do"),
)

SCRIPT = """\
import sys

import duckdb

folder = sys.argv[1]  # where the run's files are: a path, or file://...
duckdb.sql("SET TimeZone = 'UTC'")
items = duckdb.read_parquet(f"{folder}/items.parquet")

mistaken = duckdb.sql(\"\"\"
    SELECT item_id, truth[1] AS truth, labels[1] AS predicted, round(scores[1], 3) AS score
    FROM items
    WHERE state = 'evaluated' AND truth[1] <> labels[1]
    ORDER BY score DESC, item_id
    LIMIT 5
\"\"\")
print(mistaken)

accuracy = duckdb.sql(\"\"\"
    SELECT
        date_trunc('hour', time) AS hour,
        count(*) AS items,
        round(coalesce(sum(weight) FILTER (truth[1] = labels[1]), 0) / sum(weight), 4) AS accuracy
    FROM items
    WHERE state = 'evaluated'
    GROUP BY hour
    ORDER BY hour
\"\"\")
print(accuracy)
"""
"""Run by a test, as it stands in the page."""


class File(NamedTuple):
    """A Parquet file: what is in it, and when it is there."""

    name: str
    what: str
    schema: pa.Schema


FILES = (
    File(layout.ROWS, "the rows of the table that the run evaluates, as they were", CUT_SCHEMA),
    File(
        layout.TAKEN,
        "rows that no later run draws: this run's, and those of many before it",
        TAKEN_SCHEMA,
    ),
    File(layout.ITEMS, "what became of every item", ITEMS_SCHEMA),
    File(layout.CURVES, "every curve of every label", CURVES_SCHEMA),
    File(layout.CONFUSION, "single-label classification: the whole matrix", CONFUSION_SCHEMA),
    File(layout.SCORES, "classification: every pair of an item and a label", SCORES_SCHEMA),
    File(layout.BOXES, "object detection: what became of every box", BOXES_SCHEMA),
    File(layout.OVERLAPS, "object detection: the curve over the IoU", OVERLAPS_SCHEMA),
    File(layout.TASKS, "where people label: what they are asked", TASKS_SCHEMA),
    File(layout.LABELS, "where people label: what they said", LABELS_SCHEMA),
)


def rendered() -> str:
    tables = [f"| [`{it.name}`](#{_anchor(it.name)}) | {it.what} |" for it in FILES]
    others = [f"| `{name}` | {what} |" for name, what in OTHER_FILES]
    listed = "\n".join([*tables, *others])
    added = ", ".join(f"`{name}`" for name in ITEMS_SCHEMA.names if name in ADDED_IN_2)
    head = INTRODUCTION
    for name, text in {
        "files": listed,
        "version": str(layout.VERSION),
        "added": added,
        "script": SCRIPT,
        "output": OUTPUT.strip("\n"),
    }.items():
        head = head.replace(f"{{{name}}}", text)
    return "\n\n".join([MADE_BY, head.strip(), *(_section(it) for it in FILES)]) + "\n"


def _section(file: File) -> str:
    lines = [f"## {file.name}", f"{file.what[0].upper()}{file.what[1:]}.", _table(file.schema)]
    return "\n\n".join(lines)


def _table(schema: pa.Schema) -> str:
    rows: Sequence[str] = [
        f"| `{field.name}` | {_type(field)} | {about(field)} |" for field in schema
    ]
    return "\n".join(["| column | type | |", "| --- | --- | --- |", *rows])


def _type(field: pa.Field) -> str:
    return str(field.type).replace("element: ", "").replace("[us, tz=UTC]", ", UTC")


def _anchor(name: str) -> str:
    return name.replace(".", "")


OUTPUT = """
┌─────────┬─────────┬───────────┬────────┐
│ item_id │  truth  │ predicted │ score  │
│ varchar │ varchar │  varchar  │ double │
├─────────┼─────────┼───────────┼────────┤
│ e1/1    │ unripe  │ ripe      │    0.9 │
└─────────┴─────────┴───────────┴────────┘

┌──────────────────────────┬───────┬──────────┐
│           hour           │ items │ accuracy │
│ timestamp with time zone │ int64 │  double  │
├──────────────────────────┼───────┼──────────┤
│ 2026-03-02 09:00:00+00   │     5 │   0.5714 │
└──────────────────────────┴───────┴──────────┘
"""
