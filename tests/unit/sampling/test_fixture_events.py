"""The requests that KServe's agent really sends, replayed byte for byte."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from evaluation_operator.bodies.values import Json, NoPrediction
from evaluation_operator.bodies.wire import read_request, read_response
from evaluation_operator.domain.sampled_job import SampledJob
from evaluation_operator.sampling.intake.cloudevents import parse_events
from evaluation_operator.sampling.intake.matching import Matcher
from evaluation_operator.sampling.records import Event, Side

FILE: Final = Path(__file__).parents[2] / "fixtures" / "kserve-agent-events.json"
JOB: Final = SampledJob(
    namespace="team-a",
    name="digits",
    uid="uid",
    model="digits",
    version="3",
    selector={},
    fraction=0.1,
    cap=10,
    created=datetime(2026, 1, 1, tzinfo=UTC),
    interval_days=1,
    table_uri="file:///data",
    payload_uri="file:///data/_payloads",
    is_sampling=True,
)
FOUR: Final[Json] = {"label": ["4", "9"], "score": [0.91, 0.06]}
SEVEN: Final[Json] = {"label": ["7", "1"], "score": [0.8, 0.11]}


def events_of(case: str) -> dict[Side, Event]:
    found: dict[Side, Event] = {}
    for sent in json.loads(FILE.read_text()):
        if sent["case"] == case:
            headers = {name.lower(): value for name, value in sent["headers"]}
            [event] = parse_events(headers, base64.b64decode(sent["body_base64"]))
            assert isinstance(event, Event)
            found[event.side] = event
    return found


def test_every_case_of_the_file_is_looked_at() -> None:
    cases = {sent["case"] for sent in json.loads(FILE.read_text())}
    assert cases == {*PAIRS, "failed prediction", "metadata get"}


PAIRS: Final[dict[str, tuple[list[Json], list[Json]]]] = {
    "v1 two instances": (
        [{"image": {"b64": "aGk="}}, {"image": {"b64": "eW8="}}],
        [FOUR, SEVEN],
    ),
    # The stand-in for a model always answers two.
    "v1 with the client's Ce-Id": ([{"image": {"b64": "aGk="}}], [FOUR, SEVEN]),
    "v2 json, batch of two": (
        [{"text": "a"}, {"text": "b"}],
        [{"label": "4", "score": 0.91}, {"label": "9", "score": 0.55}],
    ),
    "v2 binary tensors": ([{"x": [1.0, 2.0, 3.0, 4.0]}], [{"probabilities": [0.1, 0.2, 0.7]}]),
    "utf-8 text": ([{"text": "Überraschung – 驚き"}], [FOUR, SEVEN]),
}


@pytest.mark.parametrize("case", PAIRS)
def test_both_halves_are_read_and_meet_in_one_job(case: str) -> None:
    events = events_of(case)
    request, response = events[Side.REQUEST], events[Side.RESPONSE]
    instances, predictions = read_request(request.data), read_response(response.data)
    assert (list(instances.items), list(predictions.items)) == PAIRS[case]
    matcher = Matcher([JOB], "team-a")
    assert matcher.match(request, instances).jobs == (JOB,)
    assert matcher.match(response, predictions).jobs == (JOB,)
    assert request.id == response.id
    assert request.time is not None
    assert response.time is not None
    assert request.time < response.time


def test_a_client_names_its_prediction() -> None:
    events = events_of("v1 with the client's Ce-Id")
    assert {event.id for event in events.values()} == {"client-id-42"}


def test_what_the_agent_says_beside_the_body_is_kept_as_it_wrote_it() -> None:
    event = events_of("v1 two instances")[Side.REQUEST]
    assert event.attributes == {
        "annotations": '{"evaluations.dev/model-version":"3"}',
        "component": "predictor",
        "endpoint": "",
        "inferenceservicename": "digits",
        "metadata": '{"X-Request-Id":["req-1"]}',
        "namespace": "team-a",
        "recordedtime": "2026-11-22T11:12:11.273183236Z",
        "source": "http://localhost:9081/",
    }
    assert event.time == datetime(2026, 11, 22, 11, 12, 11, 251294, tzinfo=UTC)
    assert event.source_fraction == 1.0


def test_v2_says_its_model_and_version() -> None:
    for case in ("v2 json, batch of two", "v2 binary tensors"):
        told = read_response(events_of(case)[Side.RESPONSE].data)
        assert (told.model_name, told.model_version) == ("digits", "3")


def test_a_failed_prediction_is_a_request_alone() -> None:
    events = events_of("failed prediction")
    assert set(events) == {Side.REQUEST}
    assert read_request(events[Side.REQUEST].data).items == ({"x": 1},)


def test_a_call_for_metadata_is_no_prediction() -> None:
    events = events_of("metadata get")
    with pytest.raises(NoPrediction):
        read_request(events[Side.REQUEST].data)
    with pytest.raises(NoPrediction):
        read_response(events[Side.RESPONSE].data)
