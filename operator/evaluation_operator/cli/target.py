"""Which cluster a command is for. Apart from `cluster`, which needs the client: most commands that
take these options may do without a cluster."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """Which cluster and namespace the user named; None: as kubectl would choose."""

    namespace: str | None = None
    kubeconfig: str | None = None
    context: str | None = None
