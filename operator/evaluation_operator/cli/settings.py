"""The command line's configuration: environment variables, read here and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

from evaluation_operator.storage.credentials import AmbientCredentials
from evaluation_operator.storage.options import TableOptions


def table_options(scratch: Path | None = None) -> TableOptions:
    """All cores, and the credentials of the user of this machine."""
    return TableOptions(
        threads=os.cpu_count() or 1,
        temp_directory=scratch,
        credentials=AmbientCredentials(os.environ),
    )
