"""Records of systems that log a request and its answer apart, brought together by their id."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from evaluation_operator.tables.import_files import Fault, Line
from evaluation_operator.tables.sources.records import Record


class Half(NamedTuple):
    """`text`: the body as JSON. `time` None: the record has none."""

    id: str
    is_request: bool
    text: str
    time: object = None


class Pair(NamedTuple):
    """`place` is that of the half that came last."""

    place: str
    request: Half | None
    response: Half | None


def pairs(lines: Iterator[Line], read: Callable[[Record], Half]) -> Iterator[Pair | Line]:
    """Pairs as soon as both halves are there, at the end those that stayed alone; lines of faults
    in their place. Held are the halves whose other half has not come."""
    alone: dict[str, tuple[str, Half]] = {}
    for line in lines:
        try:
            half = read(line.values)
        except Fault as fault:
            yield Line(line.place, fault)
            continue
        before = alone.pop(half.id, None)
        if before is None:
            alone[half.id] = (line.place, half)
        elif before[1].is_request == half.is_request:
            alone[half.id] = before
            cure = f'"{half.id}" stands at {before[0]} too, with the same half; give it once'
            yield Line(line.place, Fault(f"id: {cure}"))
        else:
            yield _pair(line.place, half, before[1])
    for place, half in alone.values():
        yield _pair(place, half, None)


def _pair(place: str, half: Half, other: Half | None) -> Pair:
    return Pair(place, half, other) if half.is_request else Pair(place, other, half)
