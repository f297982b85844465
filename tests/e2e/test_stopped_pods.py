"""Pods of runs that are deleted, evicted or past their deadline, by a real kubelet.

The first hangs in a query, since the table is locked; the second in a write to the API server,
whose webhook does not answer; the third finishes the run. How long each took to end is told; what
is asserted is only that nobody waited for a kill.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from evaluation_operator.tables.open import open_table
from tests.cluster.cluster import choose_cluster
from tests.cluster.host import wait_until
from tests.cluster.postgres import DATABASE, PostgreSQL
from tests.cluster.settings import load_settings
from tests.conftest import Tell
from tests.e2e.live import Body, Live, spec_set, table_uri, text_job
from tests.stores import plain_options, plain_secret

pytestmark = pytest.mark.cluster

LABELS = ("glad", "sad")
SECRET = "evaluation-postgres"
TABLE = "public.moods"
ROWS = 40
STOPPED = 143
SECONDS = 120.0
LONGEST = timedelta(seconds=10)
"""From the wish to the end of the container: far from the 33 seconds that it took."""


@dataclass(frozen=True)
class Watched:
    """What a watch has told of one pod; `wished`: when it was to end, by the API server's clock."""

    wished: datetime
    finished: datetime
    exit_code: int
    verdict: Body

    @property
    def took(self) -> timedelta:
        """Times of the API are whole seconds."""
        return self.finished - self.wished


class Place:
    """A namespace with a job over a table in a database, which others may lock."""

    def __init__(self, live: Live, server: PostgreSQL, namespace: str) -> None:
        self.live = live
        self.server = server
        self.namespace = namespace

    def apply_job(self, name: str, **template: Any) -> None:
        source = {
            "inputUri": f"postgresql:///{DATABASE}/{TABLE}",
            "persistentVolumeClaimName": "evaluations",
        }
        secret = {"envFrom": [{"secretRef": {"name": SECRET}}]}
        spec = {"resultsUri": table_uri(f"results-{name}"), "runTemplate": secret | template}
        self.live.apply(self.namespace, text_job(name, source, spec=spec))
        self.live.wait_ready(name, self.namespace)

    def fill(self, version: str) -> None:
        options = plain_options(self.server)
        table = open_table(f"postgresql:///{DATABASE}/{TABLE}", options=options)
        rows = [message(version, number) for number in range(ROWS)]
        table.append_rows([pa.RecordBatch.from_pylist(rows)])
        table.close()

    def start(self, name: str, job: str) -> None:
        body = {
            "apiVersion": "evaluations.dev/v1beta1",
            "kind": "EvaluationJobVersion",
            "metadata": {"name": name},
            "spec": {"evaluationJob": job},
        }
        self.live.apply(self.namespace, body)

    def end_of(self, name: str) -> Body:
        return self.live.wait_for(
            "evjv",
            name,
            self.namespace,
            lambda it: it.get("status", {}).get("state") in ("Completed", "Failed"),
            "to end",
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        with psycopg.connect(self.server.dsn) as connection:
            connection.execute(f"LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE")
            yield

    def wait_for_a_reader(self) -> None:
        """One that waits for the lock, and not for anything of its own."""

        def waits() -> bool:
            with psycopg.connect(self.server.dsn) as connection:
                found = connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
                return bool((found.fetchone() or [0])[0])

        wait_until(waits, "the run to wait for the table", SECONDS, 0.2)

    def job_of(self, version: str) -> Body:
        selector = f"evaluations.dev/version={version}"
        (job,) = self.live.list("jobs", self.namespace, selector)
        return job

    def pod_of(self, version: str) -> str:
        """The one that is at work."""
        found: list[str] = []

        def is_there() -> bool:
            pods = self.live.list("pods", self.namespace, f"evaluations.dev/version={version}")
            found[:] = [
                pod["metadata"]["name"]
                for pod in pods
                if pod["status"].get("phase") == "Running"
                and "deletionTimestamp" not in pod["metadata"]
            ]
            return bool(found)

        wait_until(is_there, f"a pod of {version} to run", SECONDS, 0.2)
        return found[0]

    def watch(self, pod: str, wish: Callable[[str], object]) -> Watched:
        """Wish the pod's end, and see it."""
        command = ("get", "pod", pod, "-n", self.namespace, "--watch", "-o", "json")
        with self.live.watching(*command) as said:
            seen = [next(said)]
            wish(pod)
            for body in said:
                seen.append(body)
                if "deletionTimestamp" in body["metadata"] and _ended(body):
                    break
        ended = _ended(seen[-1])
        asked = next(it for it in seen if "deletionTimestamp" in it["metadata"])["metadata"]
        grace = timedelta(seconds=asked["deletionGracePeriodSeconds"])
        return Watched(
            time_of(asked["deletionTimestamp"]) - grace,
            time_of(ended["finishedAt"]),
            ended["exitCode"],
            json.loads(ended.get("message") or "{}"),
        )

    def delete(self, pod: str) -> None:
        self.live.kubectl("delete", "pod", pod, "-n", self.namespace, "--wait=false")

    def evict(self, pod: str) -> None:
        """As a drained node does it."""
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": self.namespace},
        }
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/eviction"
        self.live.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(body))


def _ended(pod: Body) -> Body:
    (container,) = pod["status"].get("containerStatuses") or [{}]
    found: Body = container.get("state", {}).get("terminated") or {}
    return found


def time_of(text: str) -> datetime:
    return datetime.fromisoformat(text)


def message(version: str, number: int) -> Body:
    prediction = {"labels": LABELS, "scores": [0.8, 0.2]}
    return {
        "id": f"{version}-{number}",
        "model": "moods",
        "model_version": version,
        "time": datetime(2026, 1, 5, 8, 0, number, tzinfo=UTC),
        "raw_data": json.dumps({"instances": [{"text": f"message {number}"}]}),
        "raw_prediction": json.dumps({"predictions": [prediction]}),
        "groundtruth": json.dumps({"predictions": [{"labels": ["glad" if number % 4 else "sad"]}]}),
    }


@pytest.fixture(scope="module")
def place(live: Live) -> Iterator[Place]:
    with PostgreSQL(listen=choose_cluster(load_settings()).host_address) as server:
        namespace = live.make_namespace("stopped")
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET},
            "stringData": plain_secret(server),
        }
        live.apply(namespace, spec_set(LABELS), secret)
        yield Place(live, server, namespace)
        live.kubectl("delete", "namespace", namespace, "--wait=false")


class Silent:
    """A webhook for Evaluations that takes calls and never answers them."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._name = f"silent-{place.namespace}"
        self._socket = socket.create_server((choose_cluster(load_settings()).host_address, 0))
        self.was_called = threading.Event()
        self._calls: list[socket.socket] = []

    def __enter__(self) -> Silent:
        host, port = self._socket.getsockname()
        webhook = {
            "name": "silent.evaluations.dev",
            "clientConfig": {"url": f"https://{host}:{port}/"},
            "rules": [
                {
                    "apiGroups": ["evaluations.dev"],
                    "apiVersions": ["*"],
                    "operations": ["CREATE"],
                    "resources": ["evaluations"],
                }
            ],
            "namespaceSelector": {
                "matchLabels": {"kubernetes.io/metadata.name": self._place.namespace}
            },
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Ignore",
            "timeoutSeconds": 30,
        }
        body = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": self._name},
            "webhooks": [webhook],
        }
        threading.Thread(target=self._listen, daemon=True).start()
        self._place.live.kubectl("apply", "-f", "-", stdin=json.dumps(body))
        return self

    def __exit__(self, *_: object) -> None:
        kind = "validatingwebhookconfiguration"
        self._place.live.kubectl("delete", kind, self._name, "--ignore-not-found")
        self._socket.close()
        for call in self._calls:
            call.close()

    def _listen(self) -> None:
        while True:
            try:
                self._calls.append(self._socket.accept()[0])
            except OSError:
                return
            self.was_called.set()


def test_a_run_whose_pods_are_deleted_and_evicted_is_finished_by_the_next(
    place: Place, tell: Tell
) -> None:
    """A drained node waited for 28 s, a deleted pod for 33 s, and the run had one attempt less."""
    place.apply_job("calm", backoffLimit=0)
    place.fill("calm")
    with Silent(place) as webhook:
        with place.locked():
            place.start("calm-now", "calm")
            place.wait_for_a_reader()
            first = place.pod_of("calm-now")
            deleted = place.watch(first, place.delete)
        assert webhook.was_called.wait(SECONDS), "the second pod publishes"
        second = place.pod_of("calm-now")
        evicted = place.watch(second, place.evict)
    assert first != second
    done = place.end_of("calm-now")
    job = place.job_of("calm-now")

    for what, pod in (("deleted in a query", deleted), ("evicted in an API write", evicted)):
        tell(
            f"--- {what}: wished {pod.wished:%H:%M:%S}, ended {pod.finished:%H:%M:%S}, code "
            f"{pod.exit_code}: {pod.verdict.get('message')}"
        )
        assert pod.exit_code == STOPPED
        assert pod.verdict["reason"] == "PodStopped"
        assert pod.took <= LONGEST
    tell(f"--- then: {done['status']['state']}; Job: {json.dumps(job['status'])[:600]}")
    assert done["status"]["state"] == "Completed", done["status"]
    assert job["spec"]["backoffLimit"] == 0
    assert job["status"].get("failed", 0) == 0
    spec = place.live.get("evaluation", done["status"]["evaluation"], place.namespace)["spec"]
    assert (spec["evaluatedItemCount"], spec["accuracy"]) == (ROWS, 0.75)
    dataset = place.live.get("evds", done["status"]["evaluation"], place.namespace)
    cut = time_of(dataset["status"]["cut"]["time"])
    tell(f"--- cut at {cut:%H:%M:%S}, published by the third pod at {spec['createTime']}")
    assert cut < evicted.finished, "what the second pod had cut was not cut again"


def test_a_run_past_its_deadline_is_told_to_end_and_fails_for_the_deadline(
    place: Place, tell: Tell
) -> None:
    """Being stopped is no failure of the run, and must not keep this from being one."""
    place.apply_job("late", activeDeadlineSeconds=15)
    place.fill("late")
    with place.locked():
        place.start("late-now", "late")
        place.wait_for_a_reader()
        pod = place.watch(place.pod_of("late-now"), lambda _: None)
        done = place.end_of("late-now")
    tell(
        f"--- past its deadline: wished {pod.wished:%H:%M:%S}, ended {pod.finished:%H:%M:%S}, "
        f"code {pod.exit_code}; {done['status']['state']}: {done['status'].get('message')}"
    )
    assert (pod.exit_code, pod.took <= LONGEST) == (STOPPED, True)
    assert done["status"]["state"] == "Failed"
    assert "DeadlineExceeded" in json.dumps(place.job_of("late-now")["status"]["conditions"])
    assert "activeDeadlineSeconds" in done["status"]["message"]
    assert "told to end" not in json.dumps(done["status"])
