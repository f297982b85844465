"""Requests become events in all three modes, and nothing that is sent breaks the reader."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_operator.sampling.intake.cloudevents import NotAnEvent, parse_events
from evaluation_operator.sampling.records import Event, Reason, Refused, Side

HEADERS: Final = {
    "content-type": "application/json",
    "ce-specversion": "1.0",
    "ce-id": "call-7",
    "ce-type": "org.kubeflow.serving.inference.request",
    "ce-source": "http://localhost:9081/",
    "ce-time": "2026-11-22T05:00:00.123456789Z",
    "ce-inferenceservicename": "flowers",
}
DOCUMENT: Final = {
    "specversion": "1.0",
    "id": "call-7",
    "type": "io.seldon.serving.inference.response",
    "source": "/models",
    "time": "2026-11-22T07:30:00+02:30",
    "inferenceservicename": "flowers",
    "data": {"predictions": ["ä"]},
}
STRUCTURED: Final = {"content-type": "application/cloudevents+json; charset=utf-8"}
BATCHED: Final = {"content-type": "application/cloudevents-batch+json"}


def only_event(headers: Mapping[str, str], body: bytes = b"{}") -> Event:
    [event] = parse_events(headers, body)
    assert isinstance(event, Event), event
    return event


def only_refusal(headers: Mapping[str, str], body: bytes = b"{}") -> Refused:
    [refused] = parse_events(headers, body)
    assert isinstance(refused, Refused), refused
    return refused


def structured(**changes: object) -> Event:
    return only_event(STRUCTURED, json.dumps(DOCUMENT | changes).encode())


def test_an_event_in_headers_is_read_with_all_it_says() -> None:
    event = only_event(HEADERS, b'{"instances":[1]}')
    assert event == Event(
        id="call-7",
        side=Side.REQUEST,
        content_type="application/json",
        data=b'{"instances":[1]}',
        attributes={"source": "http://localhost:9081/", "inferenceservicename": "flowers"},
        time=datetime(2026, 11, 22, 5, 0, 0, 123456, tzinfo=UTC),
        source_fraction=1.0,
    )


def test_an_event_in_json_is_read_with_all_it_says() -> None:
    assert structured() == Event(
        id="call-7",
        side=Side.RESPONSE,
        content_type="application/json",
        data='{"predictions":["ä"]}'.encode(),
        attributes={"source": "/models", "inferenceservicename": "flowers"},
        time=datetime(2026, 11, 22, 5, tzinfo=UTC),
    )


def test_a_batch_gives_its_events_in_order_and_a_bad_one_spoils_no_other() -> None:
    batch = [DOCUMENT | {"id": "a"}, DOCUMENT | {"id": ""}, 7, DOCUMENT | {"id": "b"}]
    first, nameless, number, last = parse_events(BATCHED, json.dumps(batch).encode())
    assert isinstance(first, Event)
    assert isinstance(last, Event)
    assert (first.id, last.id) == ("a", "b")
    assert isinstance(nameless, Refused)
    assert nameless.reason is Reason.ID_INVALID
    assert isinstance(number, Refused)
    assert number.reason is Reason.NOT_AN_EVENT
    assert parse_events(BATCHED, b"[]") == []


def test_halves_of_seldon_have_the_id_of_their_request() -> None:
    """Its logger gives each half an id of its own, and both the request's."""
    seldon = HEADERS | {"ce-requestid": "puid-1"}
    halves = [
        only_event(seldon | {"ce-id": own, "ce-type": f"io.seldon.serving.inference.{side}"})
        for own, side in (("a", Side.REQUEST), ("b", Side.RESPONSE))
    ]
    assert [half.id for half in halves] == ["puid-1", "puid-1"]
    assert only_event(seldon).id == "call-7", "KServe's own id stays"
    odd = seldon | {"ce-requestid": "", "ce-type": "io.seldon.serving.inference.request"}
    assert only_event(odd).id == "call-7"


@pytest.mark.parametrize("family", ["org.kubeflow", "io.seldon"])
@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("version", ["1.0", "0.3"])
def test_both_families_of_types_and_both_versions_are_taken(
    family: str, side: Side, version: str
) -> None:
    headers = HEADERS | {
        "ce-type": f"{family}.serving.inference.{side}",
        "ce-specversion": version,
    }
    assert only_event(headers).side is side


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ('{"X-Request-Id":["%7B"]}', '{"X-Request-Id":["%7B"]}'),  # as the Go SDK writes it
        ("%7B%22X-Request-Id%22:%5B%22a%22%5D%7D", '{"X-Request-Id":["a"]}'),  # as the binding
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        ("Grüße".encode().decode("latin-1"), "Grüße"),  # UTF-8, as servers hand it over
        ("Grüße", "Grüße"),
        ('"quoted \\"text\\""', 'quoted "text"'),
        ("%FF", "%FF"),
        ("100%", "100%"),
        ("", ""),
    ],
)
def test_values_of_headers_are_read_however_they_are_escaped(sent: str, read: str) -> None:
    assert only_event(HEADERS | {"ce-metadata": sent}).attributes["metadata"] == read
    assert only_event({"ce-metadata": sent} | HEADERS).attributes["metadata"] == read


@pytest.mark.parametrize(
    "event_id", ["", "a" * 257, "a" * 10_240, "a\nb", "a%00b", "a%7Fb", "a%C2%85b"]
)
def test_an_id_that_items_cannot_be_named_by_is_refused(event_id: str) -> None:
    refused = only_refusal(HEADERS | {"ce-id": event_id})
    assert refused.reason is Reason.ID_INVALID
    assert len(refused.message) < 200


def test_ids_of_any_other_characters_are_taken_up_to_256() -> None:
    assert only_event(HEADERS | {"ce-id": "ü" * 256}).id == "ü" * 256
    assert only_event(HEADERS | {"ce-id": "a/b%20c"}).id == "a/b c"


@pytest.mark.parametrize(
    "type_", ["", "com.example.created", "org.kubeflow.serving.inference.feedback", "x" * 9999]
)
def test_other_types_are_refused_by_name(type_: str) -> None:
    refused = only_refusal(HEADERS | {"ce-type": type_})
    assert refused.reason is Reason.UNKNOWN_TYPE
    assert type_[:40] in refused.message
    assert len(refused.message) < 400


def test_another_version_of_cloudevents_is_refused() -> None:
    refused = only_refusal(HEADERS | {"ce-specversion": "2.0"})
    assert refused == Refused(Reason.NOT_AN_EVENT, "specversion: '2.0' is not known here; send 1.0")


@pytest.mark.parametrize("fraction", ["0.1", "1", "1e-3"])
def test_the_fraction_of_the_source_is_read(fraction: str) -> None:
    event = only_event(HEADERS | {"ce-samplefraction": fraction})
    assert event.source_fraction == float(fraction)
    assert "samplefraction" not in event.attributes


@pytest.mark.parametrize("fraction", ["0", "-0.1", "1.01", "nan", "inf", "a tenth", "10%25"])
def test_a_fraction_that_cannot_be_true_refuses_the_event(fraction: str) -> None:
    refused = only_refusal(HEADERS | {"ce-samplefraction": fraction})
    assert refused.reason is Reason.FRACTION_INVALID


@pytest.mark.parametrize(
    "time",
    [
        "",
        "yesterday",
        "2026-11-22",
        "2026-11-22T05:00:00",  # no zone
        "2026-11-22T05:00:61Z",
        "2026-13-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9" * 5000,
    ],
)
def test_a_time_that_cannot_be_read_is_none(time: str) -> None:
    assert only_event(HEADERS | {"ce-time": time}).time is None


@pytest.mark.parametrize(
    ("changes", "data"),
    [
        ({"data": [1, 2]}, b"[1,2]"),
        ({"data": "text"}, b'"text"'),
        ({"data": "a,b\n1,2", "datacontenttype": "text/csv"}, b"a,b\n1,2"),
        ({"data": None, "data_base64": base64.b64encode(b"\x00\xff").decode()}, b"\x00\xff"),
        ({"data": "AP8=", "datacontentencoding": "base64", "specversion": "0.3"}, b"\x00\xff"),
        ({"data": None}, b""),
    ],
)
def test_data_of_an_event_in_json_is_what_its_sender_had(
    changes: dict[str, object], data: bytes
) -> None:
    assert structured(**changes).data == data


def test_attributes_in_json_become_texts() -> None:
    event = structured(
        count=3, flag=True, nothing=None, annotations={"k": "v"}, datacontenttype="text/x"
    )
    assert event.content_type == "text/x"
    assert event.attributes == {
        "source": "/models",
        "inferenceservicename": "flowers",
        "count": "3",
        "flag": "true",
        "annotations": '{"k":"v"}',
    }


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"data": None, "data_base64": "%%%"}, "data_base64"),
        ({"data_base64": 7}, "data_base64"),
    ],
)
def test_bad_data_in_json_is_refused_with_its_place(
    document: dict[str, object], place: str
) -> None:
    refused = only_refusal(STRUCTURED, json.dumps(DOCUMENT | document).encode())
    assert refused.reason is Reason.NOT_AN_EVENT
    assert place in refused.message


def test_json_as_deep_as_can_be_read_is_refused() -> None:
    deep = b'{"specversion":"1.0","id":"a","data":' + b"[" * 1000 + b"]" * 1000 + b"}"
    assert only_refusal(STRUCTURED, deep).reason is Reason.NOT_AN_EVENT


@pytest.mark.parametrize(
    ("headers", "body", "status", "words"),
    [
        ({"content-type": "application/json"}, b"{}", 400, "ce-specversion"),
        ({}, b"", 400, "ce-specversion"),
        ({"content-type": "application/cloudevents+avro"}, b"", 415, "cloudevents+json"),
        ({"content-type": "application/cloudevents"}, b"{}", 415, "cloudevents+json"),
        (STRUCTURED, b"{", 400, "unreadable JSON"),
        (STRUCTURED, b"\xff", 400, "unreadable JSON"),
        (STRUCTURED, b"[" * 5000 + b"]" * 5000, 400, "unreadable JSON"),
        (BATCHED, b"{}", 400, "array"),
    ],
)
def test_what_is_no_event_at_all_is_said_with_the_cure(
    headers: dict[str, str], body: bytes, status: int, words: str
) -> None:
    with pytest.raises(NotAnEvent, match=words.replace("+", r"\+")) as caught:
        parse_events(headers, body)
    assert caught.value.status == status


VALUES = st.text(st.characters(max_codepoint=255), max_size=30)
NAMES = st.sampled_from([*HEADERS, "ce-samplefraction", "ce-annotations", "ce-", "host"])


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(NAMES, VALUES), st.booleans(), st.binary(max_size=60))
def test_any_headers_and_bytes_give_events_refusals_or_no_event(
    values: dict[str, str], over_sound_ones: bool, body: bytes
) -> None:
    events: list[Event | Refused] = []
    status = 400
    try:
        events = parse_events(HEADERS | values if over_sound_ones else values, body)
    except NotAnEvent as error:
        status = error.status
    assert status in (400, 415)
    assert all(isinstance(event, Event | Refused) for event in events)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from([*DOCUMENT, "data_base64", "samplefraction"]), JSON))
def test_any_json_gives_an_event_or_a_refusal_each(changes: dict[str, object]) -> None:
    events = parse_events(BATCHED, json.dumps([DOCUMENT | changes, changes]).encode())
    assert len(events) == 2
    assert all(isinstance(event, Event | Refused) for event in events)
