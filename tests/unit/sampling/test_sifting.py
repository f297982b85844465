"""What is drawn of a half, and how much its rows may take."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

import pytest

from evaluation_operator.bodies.limits import ASIDE
from evaluation_operator.bodies.values import Json, TooMuch
from evaluation_operator.bodies.wire import read_request
from evaluation_operator.sampling.intake.halves import half_of, sift_all
from evaluation_operator.sampling.records import Event, Half, Reason, Side
from evaluation_operator.sampling.sample.options import PAYLOAD_SIZES
from evaluation_operator.sampling.sample.sifting import Draw, Drawn, Texts, sift
from evaluation_operator.tables.sample import item_priority
from evaluation_operator.tasks.classification.reader import LabelReader
from evaluation_operator.tasks.forms import Keys
from evaluation_operator.tasks.label_names import LabelNames


def draw(below: float = 1.0, uid: str = "uid") -> Draw:
    return Draw(uid, below, "file:///payloads", PAYLOAD_SIZES)


def half(count: int, event_id: str = "e") -> Half:
    instances: tuple[Json, ...] = tuple({"number": index} for index in range(count))
    return Half("key", event_id, instances=instances, predictions=tuple(range(count)))


def texts_of(texts: Texts) -> list[object]:
    """All texts, parsed, in their order."""
    found, start = [], 0
    for length in (*(texts.data or ()), *(texts.predictions or ())):
        found.append(json.loads(texts.body[start : start + length]))
        start += length
    return found


def test_items_are_drawn_by_their_priority_for_each_job() -> None:
    sifted = sift(half(100), [draw(0.3, "a"), draw(0.3, "b")], ASIDE)
    for uid in ("a", "b"):
        drawn = [index for index in range(100) if item_priority(uid, f"e/{index}") < 0.3]
        assert [index for index, _ in sifted.drawn[uid].items] == drawn
    assert sifted.item_count == 100


def test_a_stricter_bound_afterwards_is_as_if_it_had_been_there_before() -> None:
    """While a large body is read elsewhere, others may advance the bound."""
    [loose] = sift(half(100), [draw(0.8)], ASIDE).drawn.values()
    [strict] = sift(half(100), [draw(0.2)], ASIDE).drawn.values()
    assert loose.tightened(0.2) == strict
    assert loose.tightened(0.9) is loose
    assert texts_of(strict.texts)[0] == {"instances": [{"number": strict.items[0][0]}]}


def test_a_long_name_does_not_stand_in_every_row() -> None:
    """The names of tensors and columns are sent once and written with every item: 350 KiB asked
    for rows of 5 GB."""
    split = {"columns": ["x" * 100_000], "data": [[0]] * 10_000}
    body = json.dumps({"dataframe_split": split}).encode()
    event = Event("e", Side.REQUEST, "application/json", body)
    with pytest.raises(TooMuch, match="shorter names"):
        sift(half_of(event, read_request(event.data)), [draw()], ASIDE)


def test_all_predictions_of_a_body_share_the_bound_on_their_texts() -> None:
    bounds = replace(ASIDE, text_bytes=12_000)
    list(sift_all([half(50)] * 3, [draw()], bounds))
    with pytest.raises(TooMuch, match="rows of more than"):
        list(sift_all([half(50)] * 5, [draw()], bounds))


@pytest.mark.parametrize("event_id", ["a\x00b", "a\ud800"])
def test_an_id_that_no_table_takes_is_refused_for_every_job(event_id: str) -> None:
    [drawn] = sift(half(1, event_id), [draw()], ASIDE).drawn.values()
    assert drawn.refusal is not None
    assert drawn.refusal.reason is Reason.ID_INVALID
    assert not drawn.items


READER: Final = LabelReader(
    LabelNames(("cat", "dog")), Keys("labels", "scores"), is_multi_label=False
)
ANSWERS: Final[tuple[Json, ...]] = ({"labels": ["cat"], "scores": [0.9]}, [0.9, 0.1], None, "cow")


def judged(below: float) -> Drawn:
    half = Half("s/e", "e", predictions=ANSWERS)
    wanted = draw(below=below)._replace(reader=READER)
    return sift(half, [wanted], ASIDE).drawn[wanted.uid]


def test_what_no_run_will_be_able_to_read_is_kept_and_told() -> None:
    """A null is a failed prediction, and no fault of how the model answers."""
    drawn = judged(1.0)
    assert [index for index, _ in drawn.items] == [0, 1, 2, 3]
    assert drawn.unreadable == (1, 3)
    assert drawn.why is not None
    assert drawn.why[0] == "UnknownForm"
    assert "inputConfig.classNames" in drawn.why[1]


def test_of_fewer_items_fewer_are_unreadable() -> None:
    drawn = judged(1.0)
    bound = sorted(priority for _, priority in drawn.items)[2]
    tightened = drawn.tightened(bound)
    kept = [index for index, _ in tightened.items]
    assert len(kept) == 2
    assert [kept[place] for place in tightened.unreadable] == [it for it in kept if it in (1, 3)]
