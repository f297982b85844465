"""How many objects to ask for at once: many small ones, few large ones, never many bytes.

An object may be up to 1.5 MB whatever its schema says, since none bounds its metadata; and what
comes next in a list is not known before it is there. So an answer is read only as far as it may
go, and asked for again in smaller pages where it goes further.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST_PAGE = 20
LARGEST_PAGE = 500
PAGE_BYTES = 4 * 2**20
"""At most that much of one page is read, unless it is a single object."""


@dataclass
class PageSize:
    """`objects` to ask for next, and `most_bytes` to read of the answer; None: all of it."""

    objects: int = FIRST_PAGE

    @property
    def most_bytes(self) -> int | None:
        return PAGE_BYTES if self.objects > 1 else None

    def fitted(self, size: int) -> None:
        """The answer had that many bytes. Twice as many objects, if even twice that fits well."""
        if size * 4 <= PAGE_BYTES:
            self.objects = min(self.objects * 2, LARGEST_PAGE)

    def was_too_large(self) -> None:
        self.objects = max(self.objects // 4, 1)
