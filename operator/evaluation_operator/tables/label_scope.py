"""Whose rows labels are of: a table may have rows of several model versions with the same ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import pyarrow as pa

from evaluation_operator.storage.errors import TableInvalid

MOST_SHOWN: Final = 5


def with_versions(
    batches: Iterable[pa.RecordBatch], model_versions: Callable[[int], list[tuple[str, str]]]
) -> Iterator[pa.RecordBatch]:
    """The same labels; TableInvalid at one that names no model version where the table has several.

    `model_versions` gives so many of them, and is asked once, if at all.
    """
    found: list[tuple[str, str]] | None = None
    for batch in batches:
        place = _first_without(batch)
        if place is not None:
            found = model_versions(MOST_SHOWN + 1) if found is None else found
            if len(found) > 1:
                raise TableInvalid(
                    f'label of "{batch.column("id")[place]}": it names no model version, and the '
                    f"table has rows of {shown_versions(found)}: give -f with the job or "
                    "--model-version, or --all-versions where the labels are true of every one"
                )
        yield batch


def shown_versions(found: list[tuple[str, str]]) -> str:
    names = [f"models/{model}/versions/{version}" for model, version in found[:MOST_SHOWN]]
    return ", ".join(names) + (", …" if len(found) > MOST_SHOWN else "")


def _first_without(batch: pa.RecordBatch) -> int | None:
    for name in ("model", "model_version"):
        place = batch.schema.get_field_index(name)
        if place < 0:
            return 0 if batch.num_rows else None
        if batch.column(place).null_count:
            return int(batch.column(place).is_null().index(True).as_py())
    return None
