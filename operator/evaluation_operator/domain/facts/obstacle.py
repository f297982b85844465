"""What stood in the way of carrying out the last plan."""

from __future__ import annotations

from dataclasses import dataclass

from evaluation_operator.domain.reasons import Reason


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why the last attempt to act failed, so that the next decision can say so."""

    reason: Reason
    message: str
    permanent: bool = False
