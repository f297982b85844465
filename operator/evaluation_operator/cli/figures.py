"""How figures and curves are written for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

CURVE_LINES = 12


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def count(value: int | None) -> str:
    return "-" if value is None else str(value)


def spread(entries: Sequence[T], most: int = CURVE_LINES) -> Sequence[T]:
    """All of them, or so many, evenly spread, with the first and the last."""
    if len(entries) <= most:
        return entries
    return [entries[place * (len(entries) - 1) // (most - 1)] for place in range(most)]
