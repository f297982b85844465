"""The sampler over HTTP: what it takes, what it refuses, and that nobody can hurt the others."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import math
import re
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio

from tests.builders import ABSENT
from tests.unit.sampling.served import (
    INSTANCES,
    PREDICTIONS,
    Replica,
    event_headers,
    make_job,
    serving,
)

MIB = 2**20
TOKEN = "token-of-the-only-sender"
WHOLE = {
    "instances": [{"image": "a.png"}, {"image": "b.png"}],
    "predictions": [{"labels": ["ripe"], "scores": [0.9]}] * 2,
}


@pytest_asyncio.fixture
async def replica(tmp_path: Path) -> AsyncIterator[Replica]:
    async with serving(tmp_path) as running:
        yield running


def resident_bytes() -> int:
    text = Path("/proc/self/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    assert found
    return int(found[1]) * 1024


# What is taken.


async def test_two_halves_become_a_row(replica: Replica) -> None:
    await replica.predict("one")

    rows = await replica.rows()
    assert [row["id"] for row in rows] == ["one/0"]
    assert json.loads(rows[0]["raw_data"]) == json.loads(INSTANCES)
    assert json.loads(rows[0]["raw_prediction"]) == json.loads(PREDICTIONS)


@pytest.mark.parametrize("said", [{}, {"content_encoding": "gzip"}], ids=["unsaid", "said"])
async def test_bodies_that_are_packed_become_rows(replica: Replica, said: dict[str, str]) -> None:
    """KServe's agent passes on what the client sent, and not always what it said of it."""
    await replica.send("request", "one", gzip.compress(INSTANCES), **said)
    await replica.send("response", "one", gzip.compress(PREDICTIONS), **said)
    rows = await replica.rows()
    assert [json.loads(row["raw_prediction"]) for row in rows] == [json.loads(PREDICTIONS)]
    cut_off = await replica.send("request", "two", gzip.compress(INSTANCES)[:-9], **said)
    assert cut_off.status_code == 202
    assert replica.reasons["Unreadable"] == 1


async def test_a_request_may_be_one_item_whatever_it_holds(replica: Replica) -> None:
    config = {"inputConfig": {"itemsPerRequest": "ONE"}}
    replica.know(make_job(replica.table, spec={"evaluationJobConfig": config}))
    answers = b'[{"label": "ripe", "score": 0.7}, {"label": "unripe", "score": 0.3}]'
    await replica.send("request", "one", b'{"inputs": "a text"}')
    await replica.send("response", "one", answers)
    [row] = await replica.rows()
    assert json.loads(row["raw_data"]) == {"instances": [{"inputs": "a text"}]}
    assert json.loads(row["raw_prediction"]) == {"predictions": [json.loads(answers)]}


async def test_without_that_two_answers_to_one_request_are_counted(replica: Replica) -> None:
    await replica.send("request", "one", b'{"inputs": "a text"}')
    await replica.send("response", "one", b'["ripe", "unripe"]')
    assert await replica.rows() == []
    assert replica.reasons["CountsDiffer"] == 1


async def test_an_image_is_kept_as_the_data_of_its_item(replica: Replica) -> None:
    await replica.send("request", "one", b"\xff\xd8\xff", content_type="image/jpeg")
    await replica.send("response", "one", b'{"ripe": 0.58, "unripe": 0.38}')
    [row] = await replica.rows()
    assert json.loads(row["raw_data"]) == {"instances": [{"b64": "/9j/"}]}


async def test_the_answer_to_an_event_is_empty_and_no_event_itself(replica: Replica) -> None:
    answer = await replica.send("request", "one")

    assert (answer.status_code, answer.content) == (202, b"")
    assert not [name for name in answer.headers if name.startswith("ce-")]


async def test_any_path_takes_events(replica: Replica) -> None:
    answer = await replica.client.post(
        "/some/where", content=INSTANCES, headers=event_headers("request", "one")
    )
    assert answer.status_code == 202


async def test_a_structured_event_and_a_batch_are_taken(replica: Replica) -> None:
    def document(side: str) -> dict[str, object]:
        headers = event_headers(side, "one")
        attributes = {name[3:]: value for name, value in headers.items() if name[:3] == "ce-"}
        data = INSTANCES if side == "request" else PREDICTIONS
        return attributes | {"data": json.loads(data)}

    single = await replica.client.post(
        "/",
        content=json.dumps(document("request")),
        headers={"content-type": "application/cloudevents+json"},
    )
    batch = await replica.client.post(
        "/",
        content=json.dumps([document("response"), {"nonsense": 1}, document("response")]),
        headers={"content-type": "application/cloudevents-batch+json; charset=utf-8"},
    )

    assert (single.status_code, batch.status_code) == (202, 202)
    assert [row["id"] for row in await replica.rows()] == ["one/0"]
    assert replica.reasons["NotAnEvent"] == 1


async def test_a_sender_whose_clock_is_hours_off_does_not_move_rows(replica: Replica) -> None:
    await replica.predict("one", ce_time="2031-01-01T00:00:00Z")

    (row,) = await replica.rows()
    assert row["time"] == datetime(2031, 1, 1, tzinfo=UTC)
    assert abs((row["sampled_at"] - datetime.now(UTC)).total_seconds()) < 60


# Plain predictions.


async def test_a_plain_prediction_is_taken_and_told_its_ids(replica: Replica) -> None:
    answer = await replica.client.post(
        "/v1/jobs/ripeness/predictions", json=[WHOLE | {"id": "mine"}, WHOLE]
    )

    assert answer.status_code == 202
    told = answer.json()
    assert told["accepted"] == 2
    assert told["ids"][0] == "mine"
    ids = {f"{one}/{index}" for one in told["ids"] for index in (0, 1)}
    assert {row["id"] for row in await replica.rows()} == ids


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{", "body"),
        (b"[" * 100_000, "body"),
        (b'{"instances":[1],"predictions":[]}', "predictions"),
        (b'{"instances":[1],"predictions":[1],"id":7}', "id: 7"),
        (b'{"instances":[1],"predictions":[1],"time":"noon"}', 'time: "noon"'),
    ],
)
async def test_a_wrong_plain_prediction_is_refused_with_field_value_and_cure(
    replica: Replica, body: bytes, why: str
) -> None:
    answer = await replica.client.post("/v1/jobs/ripeness/predictions", content=body)

    assert answer.status_code == 400
    assert why in answer.text
    assert await replica.rows() == []


async def test_66_plain_dup_id_one_is_accepted_and_one_told_as_a_repeat(replica: Replica) -> None:
    one, two = (
        {"id": "d", "instances": [n], "predictions": [it]} for n, it in ((1, "a"), (2, "b"))
    )
    answer = await replica.client.post("/v1/jobs/ripeness/predictions", json=[one, two])
    assert answer.json() == {"accepted": 1, "ids": ["d", "d"], "repeated": ["d"]}
    again = await replica.client.post("/v1/jobs/ripeness/predictions", json=one)
    # Who tries again, since no answer came, hears that it was taken in.
    assert again.json() == {"accepted": 1, "ids": ["d"], "repeated": ["d"]}
    [row] = await replica.rows()
    assert row["raw_prediction"] == '{"predictions":["a"]}'


async def test_49_openai_plain_asis_is_refused_in_the_call(replica: Replica) -> None:
    completion = {"choices": [{"message": {"role": "assistant", "content": "cat"}}]}
    body = {"id": "o2", "request": {"messages": []}, "response": completion}
    answer = await replica.client.post("/v1/jobs/ripeness/predictions", json=body)
    assert answer.status_code == 400
    assert answer.text.startswith("response: a chat completion, a form that is not read")


async def test_42_v2_id_in_body_is_that_of_a_plain_prediction_without_one(replica: Replica) -> None:
    tensor = {"name": "x", "shape": [1], "datatype": "INT64", "data": [1]}
    body: dict[str, Any] = {
        "request": {"id": "order-17", "inputs": [tensor]},
        "response": {"outputs": [tensor]},
    }
    answer = await replica.client.post("/v1/jobs/ripeness/predictions", json=body)
    assert answer.json()["ids"] == ["order-17"]
    answer = await replica.client.post("/v1/jobs/ripeness/predictions", json=body | {"id": "mine"})
    assert answer.json()["ids"] == ["mine"]


async def test_42_v2_id_in_body_is_not_that_of_an_event(replica: Replica) -> None:
    tensor = '{"name":"labels","shape":[1],"datatype":"BYTES","data":["ripe"]}'
    for side, name in (("request", "inputs"), ("response", "outputs")):
        await replica.send(side, "3f0e-random", f'{{"id":"order-17","{name}":[{tensor}]}}'.encode())
    assert [row["id"] for row in await replica.rows()] == ["3f0e-random/0"]


async def test_a_plain_prediction_for_an_unknown_job_is_not_found(replica: Replica) -> None:
    answer = await replica.client.post("/v1/jobs/other/predictions", json=WHOLE)

    assert answer.status_code == 404
    assert "'other'" in answer.text


async def test_a_plain_prediction_for_a_job_that_does_not_sample_hears_why(
    replica: Replica,
) -> None:
    replica.know(
        make_job(replica.table, spec={"paused": True}),
        make_job(replica.table, "young", status={"intervalDays": ABSENT}),
    )

    paused = await replica.client.post("/v1/jobs/ripeness/predictions", json=WHOLE)
    young = await replica.client.post("/v1/jobs/young/predictions", json=WHOLE)

    assert (paused.status_code, young.status_code) == (409, 409)
    assert "spec.paused" in paused.text
    assert "status.intervalDays" in young.text


# Bad input: refused or counted, never an error of the server.


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"content-type": "application/json"}, 400),
        ({"content-type": "application/cloudevents+json"}, 400),
        ({"content-type": "application/cloudevents-batch+json"}, 400),
        ({"content-type": "application/cloudevents+xml"}, 415),
        (event_headers("request", "one", content_encoding="deflate"), 415),
        (event_headers("request", "one", content_encoding="br"), 415),
    ],
)
async def test_what_is_no_event_is_refused(
    replica: Replica, headers: dict[str, str], status: int
) -> None:
    answer = await replica.client.post("/", content=b"\x00\xffgarbage", headers=headers)

    assert answer.status_code == status
    assert answer.text.strip()
    await replica.predict("good")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "NoPrediction"),
        (b'{"live":true}', "NoPrediction"),
        (b"\x00\xffgarbage", "Unreadable"),
        (b"[" * 200_000, "Unreadable"),
        (b'{"instances":' + b'{"a":' * 900 + b"1" + b"}" * 901, "Unreadable"),
        (b'{"instances":[' + b"[]," * 600_000 + b"[]]}", "Unreadable"),
        (
            b'{"inputs":[{"name":"x","shape":[1000000000,4],"datatype":"FP32",'
            b'"parameters":{"binary_data_size":16}}]}' + bytes(16),
            "Unreadable",
        ),
        (
            b'{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32",'
            b'"parameters":{"binary_data_size":99999999999}}]}' + bytes(16),
            "Unreadable",
        ),
    ],
)
async def test_a_body_that_cannot_be_read_is_counted_by_reason(
    replica: Replica, body: bytes, reason: str
) -> None:
    answer = await replica.send("request", "bad", body)
    await replica.predict("good")

    assert answer.status_code == 202
    assert replica.reasons == {reason: 1}
    assert [row["id"] for row in await replica.rows()] == ["good/0"]


def shaped(*shape: int) -> bytes:
    """A request with a tensor of zeros, all flat."""
    tensor = {"name": "x", "datatype": "INT8", "shape": shape, "data": [0] * math.prod(shape)}
    return json.dumps({"inputs": [tensor]}).encode()


async def test_a_tensor_bomb_is_refused_before_it_is_built(replica: Replica) -> None:
    """An event of 781 KiB took 736 MiB and held the event loop for 11 seconds."""
    before = resident_bytes()

    for number, shape in enumerate(([100_000, 4], [50_000, 8], [1, 400_000])):
        answer = await replica.send("request", f"bad-{number}", shaped(*shape, *[1] * 14))
        assert answer.status_code == 202
    await replica.predict("good")

    assert replica.reasons == {"Unreadable": 3}
    assert [row["id"] for row in await replica.rows()] == ["good/0"]
    assert resident_bytes() - before < 64 * MIB


async def test_large_bodies_of_every_kind_are_read_elsewhere_and_give_their_rows(
    replica: Replica,
) -> None:
    replica.know(make_job(replica.table, "large", cap=100_000))
    many = [{"number": index / 7} for index in range(5_000)]
    long = [{"text": "x" * 2 * MIB}]
    for event_id, instances in (("many", many), ("long", long)):
        predictions = [{"labels": ["ripe"], "scores": [0.5]}] * len(instances)
        bodies = {"instances": instances}, {"predictions": predictions}
        for side, body in zip(("request", "response"), bodies, strict=True):
            data = json.dumps(body).encode()
            answer = await replica.send(side, event_id, data, ce_inferenceservicename="large")
            assert answer.status_code == 202
        answer = await replica.client.post(
            "/v1/jobs/large/predictions",
            json={"id": f"plain-{event_id}"} | bodies[0] | bodies[1],
        )
        assert answer.json() == {"accepted": 1, "ids": [f"plain-{event_id}"]}

    found = {row["id"]: row for row in await replica.rows("large")}
    expected = {f"{prefix}many/{index}" for prefix in ("", "plain-") for index in range(5_000)}
    assert found.keys() == expected | {"long/0", "plain-long/0"}
    assert json.loads(found["many/4999"]["raw_data"]) == {"instances": [many[4999]]}
    assert json.loads(found["long/0"]["raw_data"]) == {"instances": long}


async def test_a_large_batch_is_read_elsewhere(replica: Replica) -> None:
    def document(number: int) -> dict[str, object]:
        headers = event_headers("request", f"e{number}")
        attributes = {name[3:]: value for name, value in headers.items() if name[:3] == "ce-"}
        return attributes | {"data": {"instances": [{"text": "x" * 4000}]}}

    answer = await replica.client.post(
        "/",
        content=json.dumps([document(number) for number in range(300)]),
        headers={"content-type": "application/cloudevents-batch+json"},
    )
    assert answer.status_code == 202
    answer = await replica.client.post(
        "/",
        content=b"[" + b"{}," * 20_000 + b"{}]",
        headers={"content-type": "application/cloudevents-batch+json"},
    )
    assert answer.status_code == 413
    assert "at most 10000" in answer.text
    assert replica.reasons == {"NotAnEvent": 1}
    assert replica.sampler.counts.full == 0


@pytest.mark.parametrize("kind", ["cloudevents", "cloudevents-batch"])
async def test_a_header_of_an_event_does_not_make_a_document_light(
    replica: Replica, kind: str
) -> None:
    """Beside the header `ce-specversion` a body of events was taken for one that is not parsed,
    and was parsed in the event loop, without any bound: 14 MiB held it for 2.5 seconds, and took
    half a gibibyte."""
    before = resident_bytes()

    answer = await replica.client.post(
        "/",
        content=b"[" + b"[]," * 1_000_000 + b"[]]",
        headers=event_headers("request", "one", content_type=f"Application/{kind}+json"),
    )

    assert answer.status_code == 413
    assert "MiB of memory" in answer.text
    assert resident_bytes() - before < 32 * MIB


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ce_id": "x" * 10_000}, "IdInvalid"),
        ({"ce_id": ""}, "IdInvalid"),
        ({"ce_type": "com.example.other"}, "UnknownType"),
        ({"ce_specversion": "7"}, "NotAnEvent"),
        ({"ce_namespace": "another"}, "OtherNamespace"),
        ({"ce_inferenceservicename": "unknown"}, "UnknownModel"),
        ({"ce_annotations": '{"evaluations.dev/model-version":"v9"}'}, "UnknownVersion"),
        ({"ce_samplefraction": "0"}, "FractionInvalid"),
    ],
)
async def test_an_event_that_belongs_to_no_job_is_counted_by_reason(
    replica: Replica, changes: dict[str, Any], reason: str
) -> None:
    answer = await replica.send("request", "bad", **changes)

    assert answer.status_code == 202
    assert replica.reasons == {reason: 1}


UPGRADE: Final = "Connection: Upgrade, HTTP2-Settings\r\nUPGRADE: h2c\r\nHTTP2-Settings: AAMA\r\n"


@pytest.mark.parametrize("piece", [10_000, 7, 1])
async def test_90_h2c_event_is_read_as_if_the_upgrade_were_not_there(
    replica: Replica, piece: int
) -> None:
    """As curl and the JDK's client send it, in one piece or in several; the next request of the
    connection is heard too, and what looks like the header in a body is left as it is."""
    reader, writer = await asyncio.open_connection("127.0.0.1", replica.port)
    image = b"\x89PNG\r\n\x1a\n\r\nUpgrade: h2c"
    for side, body, kind in (("request", image, "image/png"), ("response", PREDICTIONS, "a/b")):
        headers = event_headers(side, "h2c-1", content_type=kind) | {"host": "x"}
        headers["content-length"] = str(len(body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        sent = f"POST / HTTP/1.1\r\n{lines}{UPGRADE}\r\n".encode() + body
        for start in range(0, len(sent), piece):
            writer.write(sent[start : start + piece])
            await writer.drain()
            await asyncio.sleep(0)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 202 ")
    writer.close()
    [row] = await replica.rows()
    assert (row["id"], row["raw_prediction"]) == ("h2c-1/0", PREDICTIONS.decode())
    assert base64.b64encode(image).decode() in row["raw_data"]


async def test_headers_without_end_close_their_connection_alone(replica: Replica) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", replica.port)
    writer.write(b"POST / HTTP/1.1\r\nhost: x\r\nx-long: ")
    answer = asyncio.create_task(reader.read())
    # It may be closed before all that was sent was read: then the answer is lost on the way.
    with suppress(ConnectionError):
        while not answer.done():
            writer.write(b"x" * 65536)
            await writer.drain()
    with suppress(ConnectionError):
        assert (await answer).startswith(b"HTTP/1.1 431 ")
    writer.close()

    await replica.predict("good")


async def test_a_hundred_megabytes_are_refused_in_constant_memory(replica: Replica) -> None:
    chunk = bytes(MIB)
    before = resident_bytes()

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield chunk

    announced = event_headers("request", "big", content_length=str(100 * MIB))
    refused = await replica.client.post("/", content=chunks(), headers=announced)
    assert refused.status_code == 413
    assert "at most" in refused.text

    with suppress(httpx.TransportError):  # closed in the middle of a body without a length
        answer = await replica.client.post(
            "/", content=chunks(), headers=event_headers("request", "big")
        )
        assert answer.status_code == 413

    await replica.predict("good")
    assert resident_bytes() - before < 64 * MIB


async def test_a_deflate_bomb_is_not_inflated(replica: Replica) -> None:
    bomb = zlib.compress(bytes(64 * MIB), 9)
    before = resident_bytes()

    answer = await replica.send("request", "bomb", bomb, content_encoding="deflate")
    assert answer.status_code == 415
    answer = await replica.send("request", "bomb", bomb)
    assert answer.status_code == 202

    assert replica.reasons == {"Unreadable": 1}
    assert resident_bytes() - before < 16 * MIB


async def test_models_that_senders_make_up_become_no_labels(replica: Replica) -> None:
    """Many connections' worth of them, through the parts that keep counts."""
    await replica.predict("good")
    for number in range(20):
        await replica.send("request", "x", ce_inferenceservicename=f"first-{number}")
    before = (await replica.health.get("/metrics")).text
    for number in range(400):
        answer = await replica.send("request", "x", ce_inferenceservicename=f"made-up-{number}")
        assert answer.status_code == 202

    after = (await replica.health.get("/metrics")).text
    assert "made-up" not in after
    assert after.count("\n") == before.count("\n")
    assert 'evaluation_sampler_predictions_total{job="ripeness"} 1.0' in after
    assert len(replica.sampler.report()) < 32 * 1024


async def test_bodies_that_come_slowly_do_not_keep_others_out(tmp_path: Path) -> None:
    """Room is taken by what has arrived, not by what was announced."""
    async with serving(tmp_path, body_bytes=MIB, inflight_bytes=MIB) as replica:
        reader, writer = await asyncio.open_connection("127.0.0.1", replica.port)
        head = "".join(f"{k}: {v}\r\n" for k, v in event_headers("request", "slow").items())
        writer.write(f"POST / HTTP/1.1\r\n{head}content-length: {MIB}\r\n\r\n".encode() + b"x" * 99)
        await writer.drain()
        await replica.predict("good")
        writer.close()
        assert await reader.read() == b""


async def test_what_does_not_fit_is_refused_with_a_time_to_come_back(tmp_path: Path) -> None:
    async with serving(tmp_path, memory_bytes=20_000, wal_bytes=20_000) as replica:
        answers = [await replica.send("request", f"{number}") for number in range(60)]

        assert {answer.status_code for answer in answers} == {202, 503}
        assert all(int(a.headers["retry-after"]) >= 1 for a in answers if a.status_code == 503)
        refused = sum(answer.status_code == 503 for answer in answers)
        assert replica.sampler.counts.full == refused
        assert (await replica.health.get("/readyz")).status_code == 503


# Who may send, and when.


async def test_only_senders_with_a_token_are_admitted(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(TOKEN)
    async with serving(tmp_path, tokens_file=tokens) as replica:
        stranger = await replica.send("request", "one")
        plain = await replica.client.post("/v1/jobs/ripeness/predictions", json=WHOLE)
        known = await replica.send("request", "one", authorization=f"Bearer {TOKEN}")
        by_url = await replica.client.post(
            f"http://sampler:{TOKEN}@127.0.0.1:{replica.port}/",
            content=PREDICTIONS,
            headers=event_headers("response", "one"),
        )
        probe = await replica.health.get("/readyz")

        assert (stranger.status_code, plain.status_code) == (401, 401)
        assert stranger.headers["www-authenticate"] == "Bearer"
        assert (known.status_code, by_url.status_code, probe.status_code) == (202, 202, 200)
        assert [row["id"] for row in await replica.rows()] == ["one/0"]


GOOD_TOKEN = f"Authorization: Bearer {TOKEN}"
EVENT = "".join(f"{name}: {value}\r\n" for name, value in event_headers("request", "e").items())
LENGTH = f"Content-Length: {len(INSTANCES)}\r\n"
BODY = INSTANCES.decode()


async def first_line(port: int, request: str) -> str:
    """Of the answer to bytes that no client would send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode("latin-1"))
    line = await reader.readline()
    writer.close()
    return line.decode().split(" ", 2)[1]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/some/where",
        "/v1/jobs/ripeness/predictions",
        "//v1/jobs/ripeness/predictions",
        "/./v1/jobs/ripeness/predictions",
        "/x/../v1/jobs/ripeness/predictions",
        "/v1%2Fjobs/ripeness/predictions",
        "/%76%31/jobs/ripeness/predictions",
        "/v1/jobs/ripeness/predictions/",
        "/v1/jobs/ripeness/predictions?token=x",
        "/v1/jobs/ripeness/predictions;x",
        "http://x/v1/jobs/ripeness/predictions",
        "http://x//v1/jobs/ripeness/predictions",
        "/healthz/../",
        "/metrics/../v1/jobs/ripeness/predictions",
        "*",
    ],
)
@pytest.mark.parametrize("body", [BODY, json.dumps(WHOLE)], ids=["event", "plain"])
async def test_no_form_of_a_path_gets_past_the_token(tmp_path: Path, path: str, body: str) -> None:
    """What decides whether a path is an event's must not decide whether its sender is known."""
    tokens = tmp_path / "tokens"
    tokens.write_text(TOKEN)
    async with serving(tmp_path, tokens_file=tokens) as replica:
        request = f"POST {path} HTTP/1.1\r\nHost: x\r\n{EVENT}Content-Length: {len(body)}\r\n"
        status = await first_line(replica.port, f"{request}\r\n{body}")
        assert status in {"400", "401", "404", "405"}
        assert replica.sampler.counts.of("ripeness").predictions == 0
        assert await replica.rows() == []


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (f"{GOOD_TOKEN}\r\n{LENGTH}", "202"),
        (f"Authorization: Bearer nope\r\n{LENGTH}", "401"),
        (f"Authorization: Bearer nope\r\n{GOOD_TOKEN}\r\n{LENGTH}", "400"),
        (f"{GOOD_TOKEN}\r\nAuthorization: Bearer nope\r\n{LENGTH}", "400"),
        (f"{GOOD_TOKEN}\r\n{LENGTH}Content-Length: 1\r\n", "400"),
        (f"{GOOD_TOKEN}\r\n{LENGTH}Transfer-Encoding: chunked\r\n", "400"),
        (f"{GOOD_TOKEN}\r\nTransfer-Encoding: xchunked\r\n", "400"),
        (f"{GOOD_TOKEN}\r\nContent-Length: +5\r\n", "400"),
        (f"{GOOD_TOKEN}\r\nContent-Length : 5\r\n", "400"),
        (f"{GOOD_TOKEN}\r\n{LENGTH}Content-Encoding: gzip\r\n", "202"),
        (f"{GOOD_TOKEN}\r\n{LENGTH}Content-Encoding: br\r\n", "415"),
        (f"{GOOD_TOKEN}\r\n{LENGTH}Ce-Id: other\r\n", "400"),
        (f"{GOOD_TOKEN}\r\n{LENGTH}Accept: a\r\nAccept: b\r\n", "202"),
        (f"{GOOD_TOKEN}\r\nX-A: 1\r\n  2\r\n{LENGTH}", "400"),
    ],
)
async def test_odd_headers_are_read_one_way_or_refused(
    tmp_path: Path, head: str, status: str
) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(TOKEN)
    async with serving(tmp_path, tokens_file=tokens) as replica:
        request = f"POST / HTTP/1.1\r\nHost: x\r\n{EVENT}{head}\r\n{BODY}"
        assert await first_line(replica.port, request) == status


async def test_nothing_is_taken_before_the_jobs_are_known(replica: Replica) -> None:
    replica.jobs.is_synced = False

    answer = await replica.send("request", "one")
    ready = await replica.health.get("/readyz")

    assert (answer.status_code, ready.status_code) == (503, 503)
    assert "retry-after" in answer.headers
    assert "EvaluationJobs" in ready.text


async def test_a_replica_that_stops_refuses_and_is_not_ready(replica: Replica) -> None:
    assert (await replica.health.get("/readyz")).status_code == 200
    await replica.app.stop_taking()

    assert (await replica.send("request", "one")).status_code == 503
    assert (await replica.health.get("/readyz")).status_code == 503
    assert (await replica.health.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("PUT", "/", 404),
        ("POST", "/v1/models/ripeness:predict", 404),
        ("GET", "/v1/jobs/ripeness/predictions", 405),
        ("GET", "/metrics", 404),
        ("GET", "/healthz", 404),
        ("GET", "/readyz", 404),
    ],
)
async def test_everything_else_is_what_http_says(
    replica: Replica, method: str, path: str, status: int
) -> None:
    assert (await replica.client.request(method, path)).status_code == status
