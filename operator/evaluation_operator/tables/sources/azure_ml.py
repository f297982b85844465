"""Azure ML's model data collector: an event for the inputs of a call, and one for its outputs.

Format: https://learn.microsoft.com/en-us/azure/machine-learning/how-to-collect-production-data
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from evaluation_operator.tables.import_files import Fault, Line
from evaluation_operator.tables.sources.pairs import Half, Pair, pairs
from evaluation_operator.tables.sources.records import Record, text_of, written

_SIDES = {"inputs": True, "outputs": False}


class AzureML:
    """The id is the `correlationid`. Outputs whose inputs were not collected have null for each
    instance."""

    def __init__(self) -> None:
        self.told: Counter[str] = Counter()

    def rows(self, lines: Iterator[Line]) -> Iterator[Line]:
        self.told.clear()
        for found in pairs(lines, _half):
            if isinstance(found, Line):
                yield found
            elif found.response is None:
                self.told["is of inputs without outputs"] += 1
            else:
                yield self._row(found, found.response)

    def _row(self, pair: Pair, said: Half) -> Line:
        if pair.request is not None:
            data = pair.request.text
        else:
            self.told["is of outputs without inputs, imported with null instances"] += 1
            data = written([None] * _count(said.text))
        content = {
            "id": said.id,
            "time": said.time,
            "raw_data": f'{{"instances":{data}}}',
            "raw_prediction": f'{{"predictions":{said.text}}}',
        }
        return Line(pair.place, content)


def _half(record: Record) -> Half:
    side = text_of(record, "type").rpartition(".")[2].removeprefix("model_")
    if side not in _SIDES:
        raise Fault(f'column "type": "{record["type"]}" is neither inputs nor outputs')
    data = record.get("data")
    if not isinstance(data, list):
        raise Fault('column "data": no list; what was too large for the event is not read')
    return Half(text_of(record, "correlationid"), _SIDES[side], written(data), record.get("time"))


def _count(text: str) -> int:
    return len(json.loads(text))
