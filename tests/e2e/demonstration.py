"""Running a demo as `make` does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass

from tests.cluster.settings import CHECKOUT


@dataclass(frozen=True)
class Demonstration:
    exit_code: int
    output: str
    seconds: float


def run_demo(script: str) -> Demonstration:
    """`script` is a path in manifests/demo."""
    started = time.monotonic()
    ended = subprocess.run(
        [sys.executable, CHECKOUT / "manifests" / "demo" / script],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=CHECKOUT,
        env={**os.environ, "COLUMNS": "140", "NO_COLOR": "1"},
        timeout=600,
        check=False,
    )
    return Demonstration(ended.returncode, ended.stdout, time.monotonic() - started)
