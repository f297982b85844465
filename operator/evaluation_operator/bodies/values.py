"""What a body says: its items, in order, and why it may say none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, final

# What `json` and `orjson` make of a document.
Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


class NoPrediction(Exception):
    """Sound, but no prediction: an empty body, a health or metadata call."""


class Unreadable(Exception):
    """A body that cannot be read; `str(error)` says where, and what would cure it."""


class TooMuch(Unreadable):
    """A body that would take more than it may: `str(error)` says of what, and how much it may."""


@final
class Records:
    """Objects with the same names: item i has the i-th values. Of a large batch only those items
    are made that are kept, one at a time."""

    __slots__ = ("_count", "_names", "_values")

    def __init__(
        self, names: Sequence[str], count: int, values: Callable[[int], Iterable[Json]]
    ) -> None:
        self._names = names
        self._count = count
        self._values = values

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int, /) -> Json:
        return dict(zip(self._names, self._values(index), strict=True))

    def __iter__(self) -> Iterator[Json]:
        return map(self.__getitem__, range(self._count))


Items = tuple[Json, ...] | Records
"""The instances or predictions of a body, in order."""


class Payload(NamedTuple):
    """What a body says, split into its instances (or predictions), in order.

    Model and version are there where the protocol has them: V2's response. `is_v2` tells that a
    request's response may still name them. `is_whole_body`: no form fitted, and the body is one
    item as it is.
    """

    items: Items
    model_name: str | None = None
    model_version: str | None = None
    is_v2: bool = False
    is_whole_body: bool = False


def counts_differ(instances: int, predictions: int) -> str:
    """What is wrong with a request and an answer of so many items, and the cure."""
    return (
        f"{instances} instances and {predictions} predictions; send as many, or, where a request "
        "is one item, say so in inputConfig.itemsPerRequest: ONE"
    )
