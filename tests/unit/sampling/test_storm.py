"""A storm of 27 bad predictions: each is counted, for its job or for none."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.sampling_report import read_sampling_report
from evaluation_operator.cli.showing_sampling import print_sampling
from evaluation_operator.domain.facts import replica as facts
from evaluation_operator.views.sampling import ReplicaView, SamplingView
from tests.golden import assert_as_approved
from tests.unit.sampling.served import INSTANCES, PREDICTIONS, Replica, make_job, serving
from tests.unit.sampling.test_report import SINCE

APPROVED: Final = Path(__file__).parent / "approved" / "storm.txt"


class Bad(NamedTuple):
    """`headers` changes those of both halves; None: that half is not sent."""

    request: bytes | None = INSTANCES
    response: bytes | None = PREDICTIONS
    headers: dict[str, str] = {}  # noqa: RUF012
    is_event: bool = True


def tensor(data: str, shape: str = "[1]") -> bytes:
    return (
        b'{"model_name":"ripeness","outputs":[{"name":"labels","shape":%b,'
        b'"datatype":"BYTES","data":%b}]}' % (shape.encode(), data.encode())
    )


OF_THE_JOB: Final = {
    "no JSON": Bad(response=b"cat"),
    "cut off": Bad(response=PREDICTIONS[:-3]),
    "not UTF-8": Bad(response='{"predictions":["é"]}'.encode("latin-1")),
    "a number": Bad(response=b"7"),
    "packed and cut off": Bad(response=gzip.compress(PREDICTIONS)[:-9]),
    "a stream of chunks": Bad(response=b'data: {"choices":[]}\n\ndata: [DONE]\n'),
    "a tensor of a false shape": Bad(response=tensor('["ripe"]', "[2]")),
    "a tensor of no shape": Bad(response=tensor('["ripe"]', "7")),
    "binary without bytes": Bad(
        response=b'{"outputs":[{"name":"a","shape":[1],"datatype":"FP32",'
        b'"parameters":{"binary_data_size":4}}]}'
    ),
    "an unknown type of a tensor": Bad(
        response=b'{"outputs":[{"name":"a","shape":[1],"datatype":"ODD","data":["cat"],'
        b'"parameters":{"binary_data_size":4}}]}'
    ),
    "deep": Bad(response=b'{"predictions":' + b"[" * 300 + b"]" * 300 + b"}"),
    "two answers to one": Bad(response=b'{"predictions":["ripe","unripe"]}'),
    "no answers to one": Bad(response=b'{"predictions":[]}'),
    "three for two": Bad(b'{"instances":[1,2]}', b'{"predictions":["a","b","c"]}'),
}
OF_NONE: Final = {
    "an odd type": Bad(headers={"ce-type": "com.example.odd"}, response=None),
    "Azure's collector": Bad(headers={"ce-type": "azureml.inference.inputs"}, response=None),
    "ModelMesh": Bad(
        b'{"id":"1","modelid":"m","kind":"REQUEST","data":"CgE="}',
        None,
        is_event=False,
    ),
    "an odd version of events": Bad(headers={"ce-specversion": "9"}, response=None),
    "an id with control characters": Bad(headers={"ce-id": "a%0Ab"}, response=None),
    "a long id": Bad(headers={"ce-id": "x" * 300}, response=None),
    "no fraction": Bad(headers={"ce-samplefraction": "2"}, response=None),
    "another namespace": Bad(headers={"ce-namespace": "elsewhere"}, response=None),
    "a transformer": Bad(headers={"ce-component": "transformer"}, response=None),
    "another model": Bad(headers={"ce-inferenceservicename": "smell"}, response=None),
    "another version": Bad(
        headers={"ce-annotations": '{"evaluations.dev/model-version":"v7"}'}, response=None
    ),
    "a health call": Bad(b"", None),
    "metadata": Bad(b'{"name":"ripeness","versions":["1"],"platform":"x"}', None),
}


@pytest.fixture
def job(tmp_path: Path) -> dict[str, Any]:
    return make_job(tmp_path / "table")


async def send(replica: Replica, event_id: str, bad: Bad) -> None:
    for side, body in (("request", bad.request), ("response", bad.response)):
        if body is not None:
            if bad.is_event:
                headers = {"ce-id": event_id} | bad.headers
                answer = await replica.send(side, event_id, body, **headers)
                assert answer.status_code == 202, answer.text
            else:
                assert (await replica.client.post("/", content=body)).status_code == 400


def seen(replica: Replica, job: dict[str, Any]) -> SamplingView:
    """What is told of the replica."""
    report = read_sampling_report(replica.sampler.report())
    assert report is not None
    told = report.model_copy(update={"since": SINCE})
    of_replica = facts.Replica("evaluation-sampler-0", "lease", None, None)
    return SamplingView(
        EvaluationJob.from_dict(job), "", (ReplicaView(of_replica, told),), None, SINCE
    )


async def test_the_ledger_after_a_storm_of_27_bad_predictions(
    tmp_path: Path, job: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(OF_THE_JOB) + len(OF_NONE) == 27
    async with serving(tmp_path) as replica:
        for _ in range(2):  # a sender that tries again makes no other predictions of them
            for name, bad in (OF_THE_JOB | OF_NONE).items():
                await send(replica, name.replace(" ", "-"), bad)
        await replica.predict("good")
        await replica.sampler.settled()
        view = seen(replica, job)

    ledger = view.ledger
    assert ledger is not None
    assert ledger.seen == len(OF_THE_JOB) + 1
    assert (ledger.offered, ledger.waiting, ledger.spilled, ledger.not_sampled) == (1, 0, 0, 0)
    assert sum(ledger.refused.values()) == len(OF_THE_JOB)
    assert sum(it.count for it in view.of_no_job.values()) == 2 * len(OF_NONE)
    assert all(it.message for it in (view.reasons | view.of_no_job).values())
    print_sampling(view)
    assert_as_approved(APPROVED, capsys.readouterr().out)


@pytest.mark.parametrize("name", OF_THE_JOB)
async def test_a_bad_prediction_of_a_job_is_one_refused_prediction_of_it(
    tmp_path: Path, job: dict[str, Any], name: str
) -> None:
    async with serving(tmp_path) as replica:
        await send(replica, "bad", OF_THE_JOB[name])
        await replica.sampler.settled()
        ledger = seen(replica, job).ledger
    assert ledger is not None
    assert (ledger.seen, sum(ledger.refused.values())) == (1, 1), ledger
