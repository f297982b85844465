"""manifests/envoy by the real Envoy before a real model server.

The manifest is rendered by kubectl and started as a kubelet would start it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import eq
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
import yaml

from tests.cluster.control_plane import ControlPlane
from tests.cluster.host import ClusterError, free_ports
from tests.integration.eventually import eventually
from tests.integration.sink import Sink, open_sink
from tests.servers.envoy import NAMESPACE, EnvoySidecar, render
from tests.servers.kserve_server import KServeServer

pytestmark = pytest.mark.integration

PREDICT = "/v1/models/digits:predict"
INFER = "/v2/models/digits/infer"
NAMED = {"EVALUATION_MODEL": "digits", "EVALUATION_MODEL_VERSION": "v7"}

StartEnvoy = Callable[..., EnvoySidecar]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Client:
    session: aiohttp.ClientSession

    async def post(self, url: str, body: bytes | AsyncIterator[bytes], **headers: str) -> Answer:
        """Header names are given with underscores."""
        told = {"Content-Type": "application/json"}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self._send("POST", url, body, told)

    async def get(self, url: str) -> Answer:
        return await self._send("GET", url, None, {})

    async def _send(
        self, method: str, url: str, body: bytes | AsyncIterator[bytes] | None, told: dict[str, str]
    ) -> Answer:
        async with self.session.request(method, url, data=body, headers=told) as answer:
            raw = {name.decode(): value.decode() for name, value in answer.raw_headers}
            return Answer(answer.status, raw, await answer.read())


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KServeServer]:
    with KServeServer(tmp_path_factory.mktemp("model")) as server:
        yield server


@pytest_asyncio.fixture
async def sink() -> AsyncIterator[Sink]:
    async with open_sink() as opened:
        yield opened


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(session)


@pytest.fixture
def start_envoy(tmp_path: Path, model: KServeServer) -> Iterator[StartEnvoy]:
    """Starts an Envoy before the model that sends to a port, with further settings."""
    numbers = itertools.count(1)
    with ExitStack() as running:

        def start(
            sampler_port: int, *, namespace: str = NAMESPACE, **settings: str
        ) -> EnvoySidecar:
            told = {
                **NAMED,
                "EVALUATION_MODEL_PORT": str(model.port),
                "EVALUATION_SAMPLER_HOST": "127.0.0.1",
                "EVALUATION_SAMPLER_PORT": str(sampler_port),
                **settings,
            }
            directory = tmp_path / f"envoy-{next(numbers)}"
            return running.enter_context(EnvoySidecar(directory, told, namespace))

        yield start


def v1_body(number: float = 1, items: int = 1) -> bytes:
    return json.dumps({"instances": [{"x": [number, item]} for item in range(items)]}).encode()


# -- what is sent ---------------------------------------------------------------------------------


async def test_both_halves_of_every_prediction_arrive_as_kserve_would_send_them(
    start_envoy: StartEnvoy, sink: Sink, client: Client
) -> None:
    envoy = start_envoy(sink.port)
    before = datetime.now(UTC)

    said = {}
    for number in range(20):
        request_id = f"call-{number}"
        answer = await client.post(envoy.url + PREDICT, v1_body(number), X_Request_Id=request_id)
        assert answer.status == 200
        said[request_id] = (v1_body(number), answer.body)

    await eventually(sink.count, lambda count: count == 40)
    halves = sink.predictions()
    assert {key: (each["request"].body, each["response"].body) for key, each in halves.items()} == (
        said
    )
    for pair in halves.values():
        for side, event in pair.items():
            assert (
                event.headers.items()
                >= {
                    "ce-specversion": "1.0",
                    "ce-type": f"org.kubeflow.serving.inference.{side}",
                    "ce-source": "/namespaces/team-a/models/digits",
                    "ce-inferenceservicename": "digits",
                    "ce-modelversion": "v7",
                    "ce-namespace": NAMESPACE,
                    "ce-component": "predictor",
                    "ce-samplefraction": "1",
                    "content-type": "application/json",
                }.items()
            )
        asked, answered = (
            datetime.fromisoformat(pair[side].headers["ce-time"])
            for side in ("request", "response")
        )
        margin = timedelta(milliseconds=5)
        assert before - margin <= asked <= answered <= datetime.now(UTC) + margin


async def test_an_event_has_the_id_of_the_client_or_one_of_its_own(
    start_envoy: StartEnvoy, sink: Sink, client: Client
) -> None:
    url = start_envoy(sink.port).url + PREDICT
    await client.post(url, v1_body(), Ce_Id="mine", X_Request_Id="not-me")
    await client.post(url, v1_body(), X_Request_Id="0b5c1a52-7a3e-9d10-8f00-000000000001")
    await client.post(url, v1_body(), Ce_Id="", X_Request_Id="after-an-empty-one")
    await client.post(url, v1_body(), X_Request_Id='100% "so"')
    await client.post(url, v1_body())
    await client.post(url, v1_body())

    await eventually(sink.count, lambda count: count == 12)
    told = {"mine", "0b5c1a52-7a3e-9d10-8f00-000000000001", "after-an-empty-one"}
    told.add("100%25%20%22so%22")
    ids = sink.predictions().keys()
    assert told < ids
    assert len(ids) == 6
    assert all(len(each) == 36 for each in ids - told)


async def test_v2_and_where_the_json_of_a_binary_request_ends(
    start_envoy: StartEnvoy, sink: Sink, client: Client
) -> None:
    envoy = start_envoy(sink.port)
    tensor = {"name": "x", "shape": [1, 2], "datatype": "FP64"}
    head = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": 16}}]}).encode()
    body = head + bytes(16)
    answer = await client.post(
        envoy.url + INFER,
        body,
        Content_Type="application/octet-stream",
        Inference_Header_Content_Length=str(len(head)),
    )
    assert answer.status == 200

    await eventually(sink.count, lambda count: count == 2)
    [pair] = sink.predictions().values()
    assert pair["request"].body == body
    assert json.loads(pair["request"].headers["ce-metadata"]) == {
        "Inference-Header-Content-Length": [str(len(head))]
    }
    assert pair["response"].body == answer.body


async def test_a_failed_prediction_has_no_answer_to_evaluate(
    start_envoy: StartEnvoy, sink: Sink, client: Client
) -> None:
    envoy = start_envoy(sink.port)
    failed = await client.post(envoy.url + PREDICT, b'{"instances": [{}]}', Ce_Id="failed")
    assert failed.status == 500
    assert (await client.post(envoy.url + PREDICT, v1_body(), Ce_Id="later")).status == 200

    await eventually(sink.count, lambda count: count == 3)
    assert {key: set(pair) for key, pair in sink.predictions().items()} == {
        "failed": {"request"},
        "later": {"request", "response"},
    }


async def test_what_is_no_prediction_is_not_sent(
    start_envoy: StartEnvoy, sink: Sink, client: Client
) -> None:
    envoy = start_envoy(sink.port, EVALUATION_PATHS=f"{PREDICT} /other")
    for path in ("/v1/models", "/v1/models/digits", "/v2", "/v2/health/ready"):
        assert (await client.get(envoy.url + path)).status == 200
    await client.post(envoy.url + "/v1/models/another:predict", v1_body())
    await client.post(envoy.url + PREDICT, b"", Content_Type="application/grpc")
    await client.post(f"{envoy.url}{PREDICT}?trace=1", v1_body(), Ce_Id="prediction")

    await eventually(sink.count, lambda count: count == 2)
    assert set(sink.predictions()) == {"prediction"}
    assert envoy.metrics()["http_lua_evaluation_drawn"] == 1


async def test_concurrent_predictions_keep_their_halves_together(
    start_envoy: StartEnvoy, sink: Sink, client: Client
) -> None:
    envoy = start_envoy(sink.port)

    async def predict(number: int) -> tuple[str, bytes, bytes]:
        body = v1_body(number, items=1 + number % 7)
        answer = await client.post(envoy.url + PREDICT, body, Ce_Id=f"call-{number}")
        return f"call-{number}", body, answer.body

    said = [
        each
        for start in range(0, 320, 16)
        for each in await asyncio.gather(*(predict(start + number) for number in range(16)))
    ]
    await eventually(sink.count, lambda count: count == 640)
    halves = sink.predictions()
    assert [(key, pair["request"].body, pair["response"].body) for key, pair in halves.items()] == (
        [each for key in halves for each in said if each[0] == key]
    )
    assert len(halves) == 320


async def test_the_token_goes_with_every_event(
    start_envoy: StartEnvoy, sink: Sink, client: Client
) -> None:
    envoy = start_envoy(sink.port, EVALUATION_TOKEN="s3cret")
    await client.post(envoy.url + PREDICT, v1_body(), Authorization="Bearer of-the-model")

    await eventually(sink.count, lambda count: count == 2)
    assert {each.headers["authorization"] for each in sink.received} == {"Bearer s3cret"}


# -- the draw -------------------------------------------------------------------------------------


async def test_half_of_the_predictions_are_drawn_and_said_to_be(
    start_envoy: StartEnvoy, sink: Sink, client: Client
) -> None:
    calls = 400
    envoy = start_envoy(sink.port, EVALUATION_FRACTION="0.5")
    for number in range(calls):
        answer = await client.post(envoy.url + PREDICT, v1_body(), Ce_Id=f"call-{number}")
        assert answer.status == 200

    drawn = envoy.metrics()["http_lua_evaluation_drawn"]
    # Six standard deviations: once in half a billion runs.
    assert abs(drawn - calls / 2) < 6 * (calls * 0.25) ** 0.5
    await eventually(sink.count, lambda count: count == 2 * drawn)
    assert all(set(pair) == {"request", "response"} for pair in sink.predictions().values())
    assert {each.headers["ce-samplefraction"] for each in sink.received} == {"0.5"}


async def test_two_envoys_draw_differently(
    start_envoy: StartEnvoy, sink: Sink, client: Client
) -> None:
    """Lua's generator starts alike everywhere: all replicas drew the same calls of their lives."""
    drawn = []
    for _ in range(2):
        sink.received.clear()
        envoy = start_envoy(sink.port, EVALUATION_FRACTION="0.5")
        for number in range(40):
            await client.post(envoy.url + PREDICT, v1_body(), Ce_Id=f"call-{number}")
        sent = 2 * envoy.metrics()["http_lua_evaluation_drawn"]
        await eventually(sink.count, partial(eq, sent))
        drawn.append(set(sink.predictions()))
    assert drawn[0] != drawn[1]


async def test_nothing_is_drawn_of_a_fraction_of_zero(
    start_envoy: StartEnvoy, sink: Sink, client: Client
) -> None:
    envoy = start_envoy(sink.port, EVALUATION_FRACTION="0")
    for _ in range(10):
        assert (await client.post(envoy.url + PREDICT, v1_body())).status == 200
    metrics = envoy.metrics()
    assert metrics["model.upstream_rq_total"] == 10
    assert metrics["evaluation_sampler.upstream_rq_total"] == 0


# -- what clients see -----------------------------------------------------------------------------


async def test_answers_are_the_same_with_and_without_envoy(
    start_envoy: StartEnvoy, sink: Sink, client: Client, model: KServeServer
) -> None:
    envoy = start_envoy(sink.port)
    v2 = {
        "id": "r1",
        "inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]}],
    }
    bodies = [
        (PREDICT, v1_body(1, items=3)),
        (PREDICT, v1_body(2, items=2000)),
        (PREDICT, b'{"instances": [{}]}'),
        (PREDICT, b"not JSON"),
        (INFER, json.dumps(v2).encode()),
        ("/v1/models/unknown:predict", v1_body()),
    ]
    for path, body in bodies:
        direct, through = [await client.post(url + path, body) for url in (model.url, envoy.url)]
        assert same(direct) == same(through), path
    for path in ("/v1/models/digits", "/nowhere"):
        direct, through = [await client.get(url + path) for url in (model.url, envoy.url)]
        assert same(direct) == same(through), path


def same(answer: Answer) -> Answer:
    """All of an answer but the second in which it was given."""
    headers = {key: value for key, value in answer.headers.items() if key.lower() != "date"}
    return Answer(answer.status, headers, answer.body)


async def test_a_failed_prediction_spoils_no_later_one(
    start_envoy: StartEnvoy, sink: Sink, client: Client
) -> None:
    """The model server closes its connection after a failure without having said so; the next
    call, of another client, was sent on it and got a 503 that the model had never given."""
    envoy = start_envoy(sink.port)
    for _ in range(20):
        assert (await client.post(envoy.url + PREDICT, b'{"instances": [{}]}')).status == 500
        assert (await client.post(envoy.url + PREDICT, v1_body())).status == 200


async def test_the_model_answers_while_the_sampler_is_away(
    start_envoy: StartEnvoy, client: Client
) -> None:
    [port] = free_ports(1)
    envoy = start_envoy(port)
    for _ in range(10):
        assert (await client.post(envoy.url + PREDICT, v1_body())).status == 200

    async with open_sink(port) as back:

        async def arrived() -> int:
            await client.post(envoy.url + PREDICT, v1_body())
            return len(back.received)

        await eventually(arrived)


async def test_the_model_answers_while_the_name_of_the_sampler_is_unknown(
    start_envoy: StartEnvoy, client: Client
) -> None:
    envoy = start_envoy(80, EVALUATION_SAMPLER_HOST="evaluation-sampler.invalid")
    for _ in range(10):
        assert (await client.post(envoy.url + PREDICT, v1_body())).status == 200


async def test_the_model_answers_while_the_sampler_refuses_and_nothing_is_sent_twice(
    start_envoy: StartEnvoy, sink: Sink, client: Client
) -> None:
    sink.status = 503
    envoy = start_envoy(sink.port)
    for number in range(20):
        answer = await client.post(envoy.url + PREDICT, v1_body(), Ce_Id=f"call-{number}")
        assert answer.status == 200

    await eventually(sink.count, lambda count: count >= 40)
    assert len(sink.predictions()) == 20
    assert envoy.metrics()["evaluation_sampler.upstream_rq_retry"] == 0


async def test_the_model_answers_before_a_slow_sampler_does(
    start_envoy: StartEnvoy, sink: Sink, client: Client
) -> None:
    sink.is_open.clear()
    envoy = start_envoy(sink.port)
    for _ in range(3):
        assert (await client.post(envoy.url + PREDICT, v1_body())).status == 200
        assert sink.given_up == 0, "the answer came only when the sampler's time was over"

    async def given_up() -> int:
        return sink.given_up

    await eventually(given_up, lambda count: count == 6)


async def test_a_stuck_sampler_holds_a_bounded_number_of_events(
    start_envoy: StartEnvoy, sink: Sink, client: Client
) -> None:
    sink.is_open.clear()
    envoy = start_envoy(sink.port)
    answers = await asyncio.gather(
        *(client.post(envoy.url + PREDICT, v1_body(number)) for number in range(100))
    )
    assert {answer.status for answer in answers} == {200}
    assert len(sink.received) < 100
    assert envoy.metrics()["evaluation_sampler.upstream_rq_pending_overflow"] > 0


# -- bodies that are not copied -------------------------------------------------------------------


async def test_large_bodies_pass_unsampled_and_are_counted(
    start_envoy: StartEnvoy, sink: Sink, client: Client, model: KServeServer
) -> None:
    envoy = start_envoy(sink.port, EVALUATION_LARGEST_BODY_BYTES="2000")
    small, large = v1_body(1, items=30), v1_body(2, items=300)

    async def in_chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 500):
            yield large[start : start + 500]

    direct = [await client.post(model.url + PREDICT, body) for body in (small, large)]
    through = [
        await client.post(envoy.url + PREDICT, small, Ce_Id="large answer"),
        await client.post(envoy.url + PREDICT, large, Ce_Id="large request"),
        await client.post(envoy.url + PREDICT, in_chunks(), Ce_Id="of unknown length"),
    ]
    assert [each.body for each in through] == [direct[0].body, direct[1].body, direct[1].body]
    await client.post(envoy.url + PREDICT, v1_body(), Ce_Id="small")

    await eventually(sink.count, lambda count: count == 3)
    assert {key: set(pair) for key, pair in sink.predictions().items()} == {
        "large answer": {"request"},
        "small": {"request", "response"},
    }
    metrics = envoy.metrics()
    assert metrics["http_lua_evaluation_drawn"] == 4
    assert metrics["http_lua_evaluation_request_too_large"] == 2
    assert metrics["http_lua_evaluation_response_too_large"] == 1
    assert metrics["http_lua_errors"] == 0


async def test_a_body_in_many_chunks_is_put_together(
    start_envoy: StartEnvoy, sink: Sink, client: Client
) -> None:
    envoy = start_envoy(sink.port)
    body = v1_body(3, items=20_000)

    async def in_chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 7919):
            yield body[start : start + 7919]

    assert (await client.post(envoy.url + PREDICT, in_chunks())).status == 200
    await eventually(sink.count)
    assert sink.received[0].body == body


async def test_compressed_bodies_pass_unsampled_and_are_counted(
    start_envoy: StartEnvoy, sink: Sink, client: Client
) -> None:
    envoy = start_envoy(sink.port)
    await client.post(envoy.url + PREDICT, v1_body(), Content_Encoding="gzip")
    assert envoy.metrics()["http_lua_evaluation_request_encoded"] == 1
    assert sink.received == []


async def test_calls_that_break_off_give_back_what_they_had_reserved(
    start_envoy: StartEnvoy, sink: Sink, client: Client
) -> None:
    """A worker copies at most 32 MiB at the same time; here each call reserves 16 of them."""
    envoy = start_envoy(sink.port, EVALUATION_LARGEST_BODY_BYTES=str(16 * 2**20))
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: model\r\nContent-Length: {16 * 2**20}\r\n\r\nstart"
    streams = [await asyncio.open_connection("127.0.0.1", envoy.port) for _ in range(12)]
    for _, writer in streams:
        writer.write(head.encode())

    async def refused() -> float:
        return envoy.metrics().get("http_lua_evaluation_request_no_room", 0)

    # Two workers with room for two each.
    assert await eventually(refused, lambda count: count >= 8) <= 10
    for _, writer in streams:
        writer.close()
        await writer.wait_closed()

    async def arrived() -> int:
        await client.post(envoy.url + PREDICT, v1_body(items=5))
        return len(sink.received)

    await eventually(arrived, lambda count: count >= 2)


# -- settings and the manifest --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "cure"),
    [
        ("EVALUATION_MODEL", "", "EVALUATION_MODEL is not set: set it in the ConfigMap"),
        ("EVALUATION_FRACTION", "50%", 'EVALUATION_FRACTION is "50%": set it to a number from 0'),
        ("EVALUATION_FRACTION", "1.5", 'EVALUATION_FRACTION is "1.5"'),
        ("EVALUATION_FRACTION", "nan", 'EVALUATION_FRACTION is "nan"'),
        ("EVALUATION_LARGEST_BODY_BYTES", "1MiB", 'EVALUATION_LARGEST_BODY_BYTES is "1MiB"'),
    ],
)
async def test_envoy_does_not_start_with_a_wrong_setting_and_says_which(
    start_envoy: StartEnvoy, name: str, value: str, cure: str
) -> None:
    with pytest.raises(ClusterError) as refused:
        start_envoy(1, **{name: value})
    assert cure in str(refused.value)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_the_pod_with_the_sidecar_is_admitted_where_pods_are_restricted(
    control_plane: ControlPlane, tmp_path: Path, kind: str
) -> None:
    documents = render(tmp_path, NAMED, kind=kind)
    [workload] = [each for each in documents if each["kind"] == kind]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "digits"},
        "spec": workload["spec"]["template"]["spec"],
    }
    [server] = pod["spec"]["containers"]
    [sidecar] = pod["spec"]["initContainers"]
    server["securityContext"] = sidecar["securityContext"]
    namespace = f"restricted-{kind.lower()}"
    control_plane.kubectl("create", "namespace", namespace)
    control_plane.kubectl(
        "create", "serviceaccount", "default", "-n", namespace, "--dry-run=client"
    )
    control_plane.kubectl(
        "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted"
    )
    file = tmp_path / "pod.yaml"
    file.write_text(yaml.safe_dump(pod))
    control_plane.kubectl("apply", "-n", namespace, "--dry-run=server", "-f", str(file))
