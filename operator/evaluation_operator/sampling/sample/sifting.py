"""Which items of a half may be in a sample, and what their rows will say.

This is what costs: a hash an item and job, and a text an item that is kept. It needs nothing but
the half and what each job asks for, so a large half is sifted in a process of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import accumulate
from typing import NamedTuple

from evaluation_operator.bodies.limits import Bounds, check_items
from evaluation_operator.bodies.values import Items, Json, TooMuch
from evaluation_operator.sampling.records import Half, Reason, Refused
from evaluation_operator.sampling.sample.payloads import (
    PayloadFile,
    PayloadTooLarge,
    Sizes,
    take_payloads,
)
from evaluation_operator.sampling.sample.shaping import (
    data_bytes,
    prediction_bytes,
)
from evaluation_operator.tables.sample import item_priority
from evaluation_operator.tasks.items import RowReader
from evaluation_operator.tasks.row_json import UnreadableError
from evaluation_operator.tasks.trial import problem_of

Item = tuple[int, float]
"""Index in the prediction, and priority."""


class Draw(NamedTuple):
    """What one job asks of a half: its items with a priority below `below`, and how their texts
    are made. `payload_uri` is the folder of values that are files by `payload_sizes`. `reader`
    reads its model's answers, where the labels are known."""

    uid: str
    below: float
    payload_uri: str
    payload_sizes: Sizes
    reader: RowReader | None = None


class Texts(NamedTuple):
    """The texts of the kept items, in their order, as a record has them: `body` holds those of the
    instances, those of the predictions, and the files that instances point at.

    `data` and `predictions`: how long each text is; None for the half that is not there. `files`:
    name and length of each.
    """

    data: list[int] | None = None
    predictions: list[int] | None = None
    files: tuple[tuple[str, int], ...] = ()
    body: bytes = b""

    def pick(self, places: Sequence[int]) -> Texts:
        """Those of some of the items. All files stay: each stands for itself."""
        start = 0
        pieces: list[bytes] = []
        kept: list[list[int] | None] = []
        for lengths in (self.data, self.predictions):
            if lengths is None:
                kept.append(None)
                continue
            ends = list(accumulate(lengths, initial=start))
            pieces += [self.body[ends[place] : ends[place + 1]] for place in places]
            kept.append([lengths[place] for place in places])
            start = ends[-1]
        data, predictions = kept
        return Texts(data, predictions, self.files, b"".join((*pieces, self.body[start:])))


class Drawn(NamedTuple):
    """What a job gets of a half. `refusal`: why it gets nothing, where something is wrong.
    `unreadable`: the places among `items` of those whose answer no run will be able to read, and
    `why` the first of them: a reason and what is wrong."""

    below: float
    items: tuple[Item, ...] = ()
    texts: Texts = Texts()
    refusal: Refused | None = None
    unreadable: tuple[int, ...] = ()
    why: tuple[str, str] | None = None

    def tightened(self, below: float) -> Drawn:
        """As if it had been asked for with this bound, which is not above the one that it was."""
        if below >= self.below:
            return self
        places = [place for place, item in enumerate(self.items) if item[1] < below]
        return Drawn(
            below,
            tuple(self.items[place] for place in places),
            self.texts.pick(places),
            self.refusal,
            tuple(new for new, place in enumerate(places) if place in self.unreadable),
            self.why,
        )


class Sifted(NamedTuple):
    """A half without the items that nobody keeps; `drawn` by the job's uid. See Half."""

    key: str
    event_id: str
    time: datetime | None
    source_fraction: float
    item_count: int
    has_request: bool
    has_response: bool
    drawn: dict[str, Drawn]

    @property
    def is_whole(self) -> bool:
        return self.has_request and self.has_response


def sift(half: Half, draws: Iterable[Draw], bounds: Bounds) -> Sifted:
    """Raises TooMuch when items or texts are beyond the bounds; the texts are counted as they are
    made. The halves of a whole prediction have as many items each."""
    instances, predictions = half.instances, half.predictions
    items = instances if instances is not None else predictions
    count = 0 if items is None else len(items)
    asked = list(draws)
    check_items(count, bounds, max(len(asked), 1))
    problem = _id_problem(half.event_id)
    drawn: dict[str, Drawn] = {}
    left = bounds.text_bytes
    for draw in asked:
        if problem is not None:
            drawn[draw.uid] = Drawn(draw.below, refusal=Refused(Reason.ID_INVALID, problem))
            continue
        chosen = _choose(draw, half.event_id, count, half.source_fraction)
        if not chosen:
            drawn[draw.uid] = Drawn(draw.below)
            continue
        drawn[draw.uid] = one = _drawn(draw, half, chosen, left)
        left -= len(one.texts.body)
    return Sifted(
        *(half.key, half.event_id, half.time, half.source_fraction, count),
        *(instances is not None, predictions is not None, drawn),
    )


def _choose(draw: Draw, event_id: str, count: int, fraction: float) -> tuple[Item, ...]:
    uid, below = draw.uid, draw.below
    return tuple(
        [
            (index, priority)
            for index in range(count)
            if (priority := item_priority(uid, f"{event_id}/{index}") * fraction) < below
        ]
    )


def _drawn(draw: Draw, half: Half, items: tuple[Item, ...], left: int) -> Drawn:
    making = _Making(left)
    try:
        texts = making.texts(half, items, draw)
    except (PayloadTooLarge, ValueError, TypeError) as error:
        return Drawn(draw.below, refusal=Refused(Reason.UNREADABLE, str(error)))
    unreadable, why = _judged(half.predictions, items, draw.reader)
    return Drawn(draw.below, items, texts, None, unreadable, why)


def _judged(
    predictions: Items | None, items: Sequence[Item], reader: RowReader | None
) -> tuple[tuple[int, ...], tuple[str, str] | None]:
    """Which of the items a run would not be able to read. They are kept all the same: only so does
    the run count them."""
    if predictions is None or reader is None:
        return (), None
    unreadable: list[int] = []
    why: tuple[str, str] | None = None
    for place, (index, _) in enumerate(items):
        if (prediction := predictions[index]) is None:
            continue
        try:
            reader.read_prediction(prediction)
        except UnreadableError as error:
            unreadable.append(place)
            why = why or (problem_of(error).value, str(error))
    return tuple(unreadable), why


class _Making:
    """Texts within a bound on all of them together. They go into one body at once: each by itself
    would take a few kilobytes, however short it is."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._body = bytearray()
        self._files: list[PayloadFile] = []
        self._file_bytes = 0

    def texts(self, half: Half, items: Sequence[Item], draw: Draw) -> Texts:
        data = predictions = None
        if (instances := half.instances) is not None:
            data = [self._add(self._data(instances[index], draw)) for index, _ in items]
        if (found := half.predictions) is not None:
            predictions = [self._add(prediction_bytes(found[index])) for index, _ in items]
        files = tuple((file.name, len(file.data)) for file in self._files)
        for file in self._files:
            self._body += file.data
        return Texts(data, predictions, files, bytes(self._body))

    def _data(self, instance: Json, draw: Draw) -> bytes:
        text = data_bytes(instance)
        if len(text) < draw.payload_sizes.least:
            return text
        smaller, files = take_payloads(instance, draw.payload_uri, draw.payload_sizes)
        self._files += files
        self._file_bytes += sum(len(file.data) for file in files)
        return data_bytes(smaller) if files else text

    def _add(self, text: bytes) -> int:
        self._body += text
        if len(self._body) + self._file_bytes > self._most:
            raise TooMuch(
                f"body: the items that are kept would be rows of more than {self._most} bytes; "
                "send smaller batches, and shorter names of tensors or columns"
            )
        return len(text)


def _id_problem(event_id: str) -> str | None:
    if "\x00" in event_id:
        return "id: it holds a NUL character, which no database takes"
    try:
        event_id.encode()
    except UnicodeEncodeError:
        return "id: not valid Unicode"
    return None
