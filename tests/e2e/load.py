"""Runs in the cluster, in a pod that mounts the claim: appends files to the table that lies there.

    python load.py FOLDER TABLE_URI

Rows go first, in files `rows-*.parquet`; labels find them by row id.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from evaluation_operator.tables.importing import read_label_files, read_row_files
from evaluation_operator.tables.open import open_table


def load(folder: Path, uri: str) -> None:
    table = open_table(uri)
    table.ensure()
    for file in sorted(folder.glob("rows-*.parquet")):
        table.append_rows(read_row_files([file]))
    for file in sorted(folder.glob("labels*.parquet")):
        table.append_labels(read_label_files([file], labeled_at=datetime.now(UTC)))
    table.close()


if __name__ == "__main__":
    load(Path(sys.argv[1]), sys.argv[2])
