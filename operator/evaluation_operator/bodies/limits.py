"""How much one body may ask for, whoever reads it."""

from __future__ import annotations

from dataclasses import dataclass

from evaluation_operator.bodies.values import TooMuch

MOST_ITEMS = 50_000
"""Items of one event, times the jobs that they may be sampled for: each costs a hash and a row."""
MOST_UNPACKED_BYTES = 64 * 2**20
"""Of a body that came compressed."""
MOST_VALUES = 4_000_000
"""Of all binary tensors of a body: as objects they take many times the memory of their bytes."""
MOST_BINARY_TEXTS = 500_000
"""Of a binary tensor of BYTES: to find one, those before it must be gone through."""
MOST_RANK = 16
MOST_ROW_LISTS = 500_000
"""Lists that one row of a tensor is folded into; its shape asks for them without sending them."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far the items of one body may go. Where it is read decides: see INLINE and ASIDE.

    `items`: see MOST_ITEMS. `lists`: that all rows of a tensor are folded into. `text_bytes`: all
    rows that are kept of it, as they are written; names of tensors and columns stand in every
    row, so little can become much.
    """

    items: int
    lists: int
    text_bytes: int


INLINE = Bounds(items=2_000, lists=20_000, text_bytes=2**20)
"""What the event loop does by itself, in some milliseconds. More than that is no fault."""
ASIDE = Bounds(items=MOST_ITEMS, lists=4_000_000, text_bytes=32 * 2**20)
"""What is taken at all."""


def check_items(count: int, bounds: Bounds, jobs: int = 1) -> None:
    """Raises TooMuch for more items than an event may have."""
    if count * jobs > bounds.items:
        of = f" for each of {jobs} jobs" if jobs > 1 else ""
        raise TooMuch(f"body: {count} items{of}; send at most {bounds.items // jobs} at once")
