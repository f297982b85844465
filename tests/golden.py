"""Texts that people read, as they were approved: a test fails at the first that differs.

After a change that is meant: `EVALUATION_APPROVE=1 make test-unit`, and read the difference.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path


def assert_as_approved(file: Path, text: str) -> None:
    """`text` is that of the file, which lies beside its test."""
    if os.environ.get("EVALUATION_APPROVE"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    approved = file.read_text(encoding="utf-8")
    differs = difflib.unified_diff(
        approved.splitlines(), text.splitlines(), "approved", "now", lineterm="", n=1
    )
    assert text == approved, "\n".join(list(differs)[:40])
