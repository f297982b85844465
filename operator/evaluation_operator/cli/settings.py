"""The command line's configuration: environment variables, read here and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

from evaluation_operator.environment import Environment
from evaluation_operator.tables.protocol import TableOptions


def table_options(scratch: Path | None = None) -> TableOptions:
    """All cores, and the S3 service that the AWS SDKs' variables name."""
    return TableOptions(
        threads=os.cpu_count() or 1,
        temp_directory=scratch,
        s3_endpoint=Environment(os.environ).s3_endpoint(),
    )
