"""The last words of a run's program: what it writes into its termination message when it fails.

Kubernetes keeps 4096 bytes of it in the pod's status, where the operator reads it. Any pod that
has our label can say there what it likes, so what does not fit this model is no verdict.
"""

from __future__ import annotations

import json
from typing import Final

from pydantic import Field

from .base import Model, RpcStatus
from .codes import Code

LIMIT_BYTES: Final = 4096


class Verdict(Model):
    """Why the run failed, as google.rpc.Status; `status` is the code's name, for people."""

    code: int = Field(ge=0, le=max(Code), strict=True)
    status: str = ""
    reason: str = ""
    message: str = ""
    partial_failures: list[RpcStatus] = Field(default=[], max_length=10)

    def to_text(self) -> str:
        """At most LIMIT_BYTES: where it is too long, single failures are left out."""
        text = self.model_dump_json(by_alias=True)
        if len(text.encode()) <= LIMIT_BYTES:
            return text
        return self.changed(partial_failures=[]).model_dump_json(by_alias=True)


def read_verdict(text: str) -> Verdict | None:
    """None where the container died without a word, or left anything else."""
    try:
        parsed = json.loads(text)
        # Halves of pairs, which JSON can say and UTF-8 cannot, become `?`.
        plain = json.dumps(parsed, ensure_ascii=False).encode("utf-8", "replace")
        return Verdict.model_validate_json(plain)
    except (ValueError, RecursionError):
        return None
