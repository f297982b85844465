"""`kubectl evaluations sampling` and `attach` against a real API server and real Leases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from evaluation_operator.domain.naming import (
    ANNOTATION_FLUSHED_THROUGH,
    ANNOTATION_SAMPLING,
    COMPONENT_SAMPLER,
    LABEL_COMPONENT,
    sampler_lease_name,
)
from evaluation_operator.domain.sampled_job import read_job
from evaluation_operator.sampling.counts import Counts
from evaluation_operator.sampling.lease import format_mark
from evaluation_operator.sampling.ledger import Fate
from evaluation_operator.sampling.records import Reason
from tests.builders import CREATE_TIME, Manifest, found_good, make_evaluation_job, stored
from tests.cluster.control_plane import ControlPlane
from tests.integration.test_cli import Namespace
from tests.unit.cli.running import json_of

pytestmark = pytest.mark.integration

SAMPLED = found_good(make_evaluation_job())["status"] | {"state": "SCHEDULED", "intervalDays": 2}
SINCE = datetime(2026, 3, 2, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def orchard(control_plane: ControlPlane) -> Iterator[Namespace]:
    control_plane.kubectl("create", "namespace", "orchard")
    yield Namespace(control_plane, "orchard")
    control_plane.kubectl("delete", "namespace", "orchard", "--timeout=60s")


@pytest.fixture
def namespace(orchard: Namespace) -> Iterator[Namespace]:
    """With the job `ripeness`, which is sampled as soon as there is a sampler."""
    orchard.apply(make_evaluation_job(metadata={"namespace": "orchard"}))
    orchard.set_status("evj", "ripeness", SAMPLED)
    yield orchard
    orchard.kubectl("delete", "evj,leases", "--all")


def lease(replica: str, summary: str, renewed: datetime | None = None) -> Manifest:
    """As the sampler keeps it."""
    now = renewed or datetime.now(UTC)
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": sampler_lease_name(replica),
            "labels": {LABEL_COMPONENT: COMPONENT_SAMPLER},
            "annotations": {
                ANNOTATION_FLUSHED_THROUGH: format_mark(now),
                ANNOTATION_SAMPLING: summary,
            },
        },
        "spec": {"holderIdentity": replica, "renewTime": format_mark(now)},
    }


def counted(predictions: int, message: str = "", **told: Any) -> str:
    """What a replica's own counters say."""
    known = read_job(stored(make_evaluation_job(status=SAMPLED))).job
    assert known is not None
    counts = Counts(SINCE)
    counts.keep_jobs(["ripeness"])
    of_job = counts.of("ripeness")
    for number in range(predictions - bool(message)):
        counts.enter(known, f"{number}", Fate.OFFERED, 3)
    of_job.sampled = 2
    if message:
        counts.refuse_for([known], "refused", Reason.UNREADABLE, message)
    if unreadable := told.pop("unreadable", ""):
        counts.unreadable(known, 7, "UnknownForm", unreadable)
    counts.unmatched(Reason.UNKNOWN_VERSION, "ripeness", "v9")
    counts.full = told.pop("full", 0)
    return counts.report(pending=0, unflushed_bytes=0, table_errors=told.pop("errors", {}))


def test_counts_of_every_replica_and_reasons_together(namespace: Namespace) -> None:
    namespace.apply(
        lease(
            "sampler-0",
            counted(10, "instances: a number: send a list", full=4, unreadable="name the classes"),
        ),
        lease(
            "sampler-1", counted(20, "predictions: missing", errors={"ripeness": "disk is full"})
        ),
    )
    result = namespace.run("sampling", "ripeness")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["Sampled:", "yes"] in lines
    assert any(line[:4] == ["sampler-0", "10", "27", "2"] for line in lines)
    assert any(line[:4] == ["sampler-1", "20", "57", "2"] for line in lines)
    assert ["30", "28", "0", "2", "0", "0"] in lines
    assert ["Unreadable", "2", "predictions:", "missing"] in lines
    assert ["UnknownVersion", "2", "model", "'ripeness',", "version", "'v9'"] in lines
    assert ["UnknownForm", "7", "name", "the", "classes"] in lines
    assert ["ripeness", "v9", "UnknownVersion", "2"] in lines
    assert "cannot write the table: disk is full" in result.stdout
    assert "refused 4 of all senders' requests" in result.stdout

    found = json_of(namespace.run("sampling", "ripeness", "-o", "json"))
    assert (found["sampling"], found["whyNot"]) == (True, None)
    assert [it["candidates"] for it in found["replicas"]] == [2, 2]
    assert found["replicas"][0]["since"] == "2026-03-02T08:00:00Z"
    assert found["replicas"][1]["tableError"] == "disk is full"
    assert found["ledger"] == {
        "seen": 30,
        "offered": 28,
        "notSampled": 0,
        "waiting": 0,
        "spilled": 0,
        "refused": {"Unreadable": 2},
    }
    assert found["noJob"]["UnknownVersion"]["count"] == 2
    assert found["unreadable"] == {"UnknownForm": {"count": 7, "message": "name the classes"}}
    assert found["reasons"] == {"Unreadable": {"count": 2, "message": "predictions: missing"}}


def why_not(namespace: Namespace) -> str:
    found = json_of(namespace.run("sampling", "ripeness", "-o", "json"))
    assert found["sampling"] is False
    assert found["whyNot"] in namespace.run("sampling", "ripeness").stdout
    return str(found["whyNot"])


def test_a_job_that_is_not_sampled_says_why(namespace: Namespace) -> None:
    assert "kubectl apply -n orchard -k manifests/sampler" in why_not(namespace)
    old = datetime.now(UTC) - timedelta(minutes=5)
    namespace.apply(lease("sampler-0", counted(1), old))
    assert "no replica of the sampler has renewed its Lease" in why_not(namespace)
    namespace.kubectl("patch", "evj", "ripeness", "--type=merge", '-p={"spec":{"paused":true}}')
    assert "spec.paused" in why_not(namespace)
    stalled = {
        "type": "Stalled",
        "status": "True",
        "reason": "ModelVersionTaken",
        "message": "it is evaluated by EvaluationJob 'other'",
        "lastTransitionTime": CREATE_TIME,
    }
    namespace.set_status("evj", "ripeness", {"state": None, "conditions": [stalled]})
    assert "evaluated by EvaluationJob 'other'" in why_not(namespace)


@pytest.mark.parametrize("summary", ["", "{", '{"jobs": 7}', "[]"])
def test_a_lease_without_counts_is_told_and_no_error(namespace: Namespace, summary: str) -> None:
    namespace.apply(lease("sampler-0", summary))
    result = namespace.run("sampling", "ripeness")
    assert result.exit_code == 0, result.output
    assert "its Lease holds no counts that can be read" in result.stdout


def test_attaching_reads_the_job_and_changes_nothing(namespace: Namespace) -> None:
    before = namespace.get("evj", "ripeness")
    result = namespace.run("attach", "ripeness", "--to", "kserve")
    assert result.exit_code == 0, result.output
    logger = yaml.safe_load(result.stdout)["spec"]["predictor"]["logger"]
    assert logger["url"] == "http://evaluation-sampler.orchard.svc/"
    found = json_of(namespace.run("attach", "ripeness", "--to", "http", "-o", "json"))
    assert "/v1/jobs/ripeness/predictions" in found["command"]
    assert json.dumps(namespace.get("evj", "ripeness")) == json.dumps(before)
    assert namespace.run("attach", "ripeness", "--to", "pigeon").exit_code == 2
    assert namespace.run("attach", "absent", "--to", "http").exit_code == 1
