"""Which jobs an event belongs to: every rule, and every reason why there is none."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

import pytest

from evaluation_operator.bodies.values import Payload
from evaluation_operator.domain.sampled_job import SampledJob
from evaluation_operator.sampling.intake.matching import Matcher
from evaluation_operator.sampling.records import Event, Reason, Side

VERSION: Final = "evaluations.dev/model-version"
V1: Final = Payload((1,))
V2: Final = Payload((1,), is_v2=True)


def job(
    version: str = "3",
    *,
    model: str = "digits",
    selector: Mapping[str, str] | None = None,
    is_sampling: bool = True,
) -> SampledJob:
    return SampledJob(
        namespace="team-a",
        name=f"{model}-{version}",
        uid=f"uid-{model}-{version}",
        model=model,
        version=version,
        selector=selector or {},
        fraction=0.1,
        cap=10,
        created=datetime(2026, 1, 1, tzinfo=UTC),
        interval_days=1,
        table_uri="file:///data",
        payload_uri="file:///data/_payloads",
        is_sampling=is_sampling,
    )


def request(**attributes: str) -> Event:
    return Event("a", Side.REQUEST, "application/json", b"", attributes)


def response(**attributes: str) -> Event:
    return Event("a", Side.RESPONSE, "application/json", b"", attributes)


def annotated(version: str) -> str:
    return json.dumps({VERSION: version})


def outcome(event: Event, told: Payload | None, *jobs: SampledJob) -> list[str] | Reason | None:
    """Names of the jobs that take the event, or the reason why none does."""
    match = Matcher(jobs, "team-a").match(event, told)
    assert (match.reason is None) == bool(match.jobs)
    return [job.name for job in match.jobs] or match.reason


def v2(version: str | None, model: str | None = "digits") -> Payload:
    return Payload((1,), model, version, is_v2=True)


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({"inferenceservicename": "digits", "annotations": annotated("3")}, V1),
        ({"inferenceservicename": "digits", "modelversion": "3"}, V1),
        ({"inferenceservicename": "digits"}, v2("3")),
        ({"inferenceservicename": "digits", "endpoint": "3"}, V1),
        ({"inferenceservicename": "digits", "endpoint": "3"}, v2(None)),
        ({"modelname": "digits", "modelversion": "3"}, V1),
        ({}, v2("3")),
        ({"inferenceservicename": "", "modelname": "", "component": "", "namespace": ""}, v2("3")),
        ({"namespace": "team-a", "component": "predictor", "endpoint": ""}, v2("3")),
        # Who is asked first: annotation, attribute, body, endpoint.
        ({"modelversion": "7", "annotations": annotated("3")}, v2("8")),
        ({"modelversion": "3", "endpoint": "9"}, v2("8")),
        ({"endpoint": "9"}, v2("3")),
        ({"inferenceservicename": "digits", "modelname": "other"}, v2("3", "another")),
        ({"modelname": "digits"}, v2("3", "another")),
        # Annotations that cannot be read are none.
        ({"annotations": "{"}, v2("3")),
        ({"annotations": "[1]"}, v2("3")),
        ({"annotations": json.dumps({VERSION: 7})}, v2("3")),
        ({"annotations": "[" * 9999}, v2("3")),
    ],
)
def test_model_and_version_are_found(attributes: dict[str, str], told: Payload) -> None:
    jobs = [job("3"), job("7"), job("8"), job("9"), job("3", model="other")]
    assert outcome(response(**attributes), told, *jobs) == ["digits-3"]


@pytest.mark.parametrize(
    ("event", "told", "reason"),
    [
        (
            response(inferenceservicename="digits", endpoint="3", namespace="team-b"),
            V1,
            Reason.OTHER_NAMESPACE,
        ),
        (
            response(inferenceservicename="digits", endpoint="3", component="transformer"),
            V1,
            Reason.OTHER_COMPONENT,
        ),
        (response(inferenceservicename="letters", endpoint="3"), V1, Reason.UNKNOWN_MODEL),
        (response(endpoint="3"), V1, Reason.UNKNOWN_MODEL),
        (response(), v2("3", "letters"), Reason.UNKNOWN_MODEL),
        (response(inferenceservicename="digits", endpoint="4"), V1, Reason.UNKNOWN_VERSION),
        (response(inferenceservicename="digits", endpoint=""), V1, Reason.UNKNOWN_VERSION),
        (response(inferenceservicename="digits"), v2(None), Reason.UNKNOWN_VERSION),
        (request(inferenceservicename="digits"), V1, Reason.UNKNOWN_VERSION),
        (request(inferenceservicename="digits", modelversion="4"), V2, Reason.UNKNOWN_VERSION),
        (response(inferenceservicename="digits", endpoint="paused"), V1, Reason.NOT_SAMPLING),
    ],
)
def test_why_no_job_takes_an_event(event: Event, told: Payload, reason: Reason) -> None:
    assert outcome(event, told, job("3"), job("paused", is_sampling=False)) is reason


def test_without_any_job_every_model_is_unknown() -> None:
    assert outcome(response(inferenceservicename="digits"), None) is Reason.UNKNOWN_MODEL


def test_a_request_of_v2_goes_to_every_job_that_its_response_may_name() -> None:
    jobs = [job("3"), job("4"), job("3", model="other")]
    model = {"inferenceservicename": "digits"}
    assert outcome(request(**model), V2, *jobs) == ["digits-3", "digits-4"]
    # What stands behind the response's version does not decide yet.
    assert outcome(request(**model, endpoint="4"), V2, *jobs) == ["digits-3", "digits-4"]
    assert outcome(response(**model, endpoint="4"), v2("3"), *jobs) == ["digits-3"]
    # What stands before it does.
    assert outcome(request(**model, modelversion="4"), V2, *jobs) == ["digits-4"]
    assert outcome(request(), V2, *jobs) == ["digits-3", "digits-4", "other-3"]
    assert outcome(request(modelversion="3"), V2, *jobs) == ["digits-3", "other-3"]


@pytest.mark.parametrize("half", [request, response])
def test_before_its_body_is_read_an_event_goes_wherever_it_may_lead(
    half: Callable[..., Event],
) -> None:
    jobs = [job("3"), job("4")]
    model = {"inferenceservicename": "digits"}
    assert outcome(half(**model), None, *jobs) == ["digits-3", "digits-4"]
    assert outcome(half(**model, modelversion="3"), None, *jobs) == ["digits-3"]
    assert outcome(half(**model, modelversion="5"), None, *jobs) is Reason.UNKNOWN_VERSION
    assert outcome(half(inferenceservicename="x"), None, *jobs) is Reason.UNKNOWN_MODEL


@pytest.mark.parametrize(
    ("attributes", "selector", "is_final"),
    [
        ({"inferenceservicename": "digits", "annotations": annotated("3")}, {}, True),
        ({"modelname": "digits", "modelversion": "3"}, {}, True),
        ({"modelname": "digits", "modelversion": "3"}, {"source": "/cam"}, True),
        ({"modelname": "unknown"}, {}, True),
        ({"modelname": "digits", "endpoint": "3"}, {}, False),
        ({"modelversion": "3"}, {}, False),
        ({"modelname": "digits", "modelversion": "3"}, {"model_version": "3"}, False),
    ],
)
def test_a_match_tells_whether_the_body_can_change_it(
    attributes: dict[str, str], selector: dict[str, str], is_final: bool
) -> None:
    matcher = Matcher([job("3"), job("s", selector=selector)], "team-a")
    for side in (request, response):
        event = side(**attributes)
        first = matcher.match(event)
        assert first.is_final is is_final
        for told in (V1, V2, v2("3"), v2("8", "another")):
            after = matcher.match(event, told)
            assert after.is_final
            assert not is_final or after.jobs == first.jobs


SELECTED: Final = {
    "attribute": ({"source": "/cam"}, {"source": "/cam"}, V1, True),
    "another value": ({"source": "/cam"}, {"source": "/mic"}, V1, False),
    "not given": ({"source": "/cam"}, {}, V1, False),
    "in any case": ({"modelId": "m"}, {"modelid": "m"}, V1, True),
    "all of several": ({"a": "1", "b": "2"}, {"a": "1", "b": "2", "c": "3"}, V1, True),
    "one of two": ({"a": "1", "b": "2"}, {"a": "1", "b": "3"}, V1, False),
    "component": ({"component": "transformer"}, {"component": "transformer"}, V1, True),
    "annotation": ({"annotations.tier": "gold"}, {"annotations": '{"tier":"gold"}'}, V1, True),
    "no annotation": ({"annotations.tier": "gold"}, {"annotations": '{"tier":"x"}'}, V1, False),
    "body": ({"model_name": "m", "model_version": "1"}, {}, v2("1", "m"), True),
    "another body": ({"model_name": "m", "model_version": "1"}, {}, v2("2", "m"), False),
    "no body of V2": ({"model_name": "m"}, {}, V1, False),
    "mixed": ({"a": "1", "model_version": "1"}, {"a": "1"}, v2("1", "m"), True),
}


@pytest.mark.parametrize(
    ("selector", "attributes", "told", "is_taken"), SELECTED.values(), ids=SELECTED.keys()
)
def test_a_selector_takes_what_equals_all_of_it(
    selector: dict[str, str], attributes: dict[str, str], told: Payload, is_taken: bool
) -> None:
    others = [job("other", selector={"a": "other", "source": "/other"})]
    found = outcome(response(**attributes), told, job("s", selector=selector), *others)
    assert (found == ["digits-s"]) is is_taken


@pytest.mark.parametrize("selector", [{"model_version": "1"}, {"a": "1", "model_version": "1"}])
def test_a_selector_on_the_body_takes_requests_that_it_may_turn_out_to_be(
    selector: dict[str, str],
) -> None:
    selecting = job("s", selector=selector)
    assert outcome(request(a="1"), V2, selecting) == ["digits-s"]
    assert outcome(request(a="1"), None, selecting) == ["digits-s"]
    assert outcome(request(a="1"), V1, selecting) is Reason.UNKNOWN_MODEL
    assert outcome(response(a="1"), v2("1"), selecting) == ["digits-s"]
    assert outcome(response(a="1"), v2("2"), selecting) is Reason.UNKNOWN_MODEL


def test_an_event_may_belong_to_a_selecting_job_and_to_that_of_its_model() -> None:
    jobs = [job("3"), job("s", selector={"inferenceservicename": "digits"})]
    attributes = {"inferenceservicename": "digits", "endpoint": "3"}
    assert outcome(response(**attributes), V1, *jobs) == ["digits-3", "digits-s"]


def test_a_job_with_a_selector_takes_nothing_by_its_name() -> None:
    jobs = [job("3", selector={"source": "/cam"})]
    event = response(inferenceservicename="digits", endpoint="3")
    assert outcome(event, V1, *jobs) is Reason.UNKNOWN_MODEL


def test_paused_jobs_are_left_out_of_several() -> None:
    jobs = [job("3", is_sampling=False), job("s", selector={"endpoint": "3"})]
    assert outcome(response(inferenceservicename="digits", endpoint="3"), V1, *jobs) == ["digits-s"]


def test_model_and_version_are_told_with_bounded_length() -> None:
    event = response(inferenceservicename="m" * 5000, modelversion="v" * 5000)
    match = Matcher([job()], "team-a").match(event, V1)
    assert (match.model, match.version) == ("m" * 253, "v" * 253)


def test_ten_thousand_unknown_models_leave_nothing_behind() -> None:
    matcher = Matcher([job(), job("s", selector={"source": "/cam"})], "team-a")

    def send(count: int) -> None:
        for number in range(count):
            event = response(inferenceservicename=f"m{number}", source=f"/{number}")
            assert matcher.match(event, V1).reason is Reason.UNKNOWN_MODEL

    send(100)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        send(10_000)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 10_000


def test_each_of_many_selectors_is_found() -> None:
    jobs = [job(str(n), selector={"component": "predictor", "source": f"/{n}"}) for n in range(50)]
    for number in range(50):
        event = response(component="predictor", source=f"/{number}")
        assert outcome(event, V1, *jobs) == [f"digits-{number}"]
