"""The command line as a user types it, and tables for it to read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml
from typer.testing import CliRunner, Result

from evaluation_operator.cli.main import app
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.schema import ROW_SCHEMA
from tests.builders import Manifest

FIRST_TIME = datetime(2026, 3, 1, tzinfo=UTC)


def run_cli(*arguments: str, stdin: str | None = None) -> Result:
    """Nothing but an exit may come out of a command: a traceback fails the test."""
    result = CliRunner().invoke(app, arguments, input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def json_of(result: Result) -> Any:
    return json.loads(result.stdout)


def write_manifests(path: Path, *manifests: Manifest) -> str:
    path.write_text(yaml.safe_dump_all(manifests))
    return str(path)


def make_table(folder: Path, scores_and_truths: Sequence[tuple[float, str | None]]) -> str:
    """A table of `ripeness` v1, one row a minute: the score of `ripe`, and what is true."""
    rows = [
        {
            "model": "ripeness",
            "model_version": "v1",
            "time": FIRST_TIME + timedelta(minutes=place),
            "raw_data": json.dumps({"instances": [{"image": f"{place}.png"}]}),
            "raw_prediction": json.dumps(
                {"predictions": [{"labels": ["ripe", "unripe"], "scores": [score, 1 - score]}]}
            ),
            "groundtruth": json.dumps({"predictions": [{"labels": [truth]}]}) if truth else None,
            "id": f"row-{place}",
        }
        for place, (score, truth) in enumerate(scores_and_truths)
    ]
    with closing(open_table(folder.as_uri())) as table:
        table.ensure()
        table.append_rows([pa.RecordBatch.from_pylist(rows, schema=ROW_SCHEMA)])
    return str(folder)
