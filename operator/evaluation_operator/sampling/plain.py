"""The body of `POST /v1/jobs/{job}/predictions`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from evaluation_operator.sampling.records import Json


@dataclass(frozen=True, slots=True)
class PlainPrediction:
    """A whole prediction. `id` None: the sender gave none."""

    id: str | None
    time: datetime | None
    instances: tuple[Json, ...]
    predictions: tuple[Json, ...]


class BadPrediction(ValueError):
    """A body that cannot be taken; the message names field, value and cure."""

    def __init__(self, field: str, value: str, cure: str) -> None:
        super().__init__(f"{field}: {value}: {cure}")
        self.field = field
        self.value = value
        self.cure = cure


def parse_plain(body: bytes) -> list[PlainPrediction]:
    raise NotImplementedError
