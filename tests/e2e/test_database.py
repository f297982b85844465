"""A table in PostgreSQL: pods reach it by a Secret, checks make or judge it, runs read it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
import pyarrow as pa
import pytest

from evaluation_operator.tables.open import open_table
from tests.cluster.cluster import choose_cluster
from tests.cluster.postgres import DATABASE, PostgreSQL
from tests.cluster.settings import load_settings
from tests.e2e.live import Body, Live, ready, spec_set, table_uri, text_job
from tests.stores import plain_options, plain_secret

pytestmark = pytest.mark.cluster

LABELS = ("glad", "sad")
SECRET = "evaluation-postgres"


@dataclass(frozen=True)
class Database:
    server: PostgreSQL
    namespace: str


@pytest.fixture(scope="module")
def database(live: Live) -> Iterator[Database]:
    """A server, and a namespace whose Secret has its address and the password."""
    with PostgreSQL(listen=choose_cluster(load_settings()).host_address) as server:
        namespace = live.make_namespace("database")
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET},
            "stringData": plain_secret(server),
        }
        live.apply(namespace, spec_set(LABELS), secret)
        yield Database(server, namespace)
        live.kubectl("delete", "namespace", namespace, "--wait=false")


def database_job(name: str, table: str) -> Body:
    source = {
        "inputUri": f"postgresql:///{DATABASE}/{table}",
        "persistentVolumeClaimName": "evaluations",
    }
    template = {"envFrom": [{"secretRef": {"name": SECRET}}]}
    return text_job(
        name, source, spec={"resultsUri": table_uri(f"results-{name}"), "runTemplate": template}
    )


def message(version: str, number: int, truth: str) -> Body:
    prediction = {"labels": LABELS, "scores": [0.8, 0.2]}
    return {
        "id": f"{version}-{number}",
        "model": "moods",
        "model_version": version,
        "time": datetime(2026, 1, 5, 8, 0, number, tzinfo=UTC),
        "raw_data": json.dumps({"instances": [{"text": f"message {number}"}]}),
        "raw_prediction": json.dumps({"predictions": [prediction]}),
        "groundtruth": json.dumps({"predictions": [{"labels": [truth]}]}),
    }


def test_a_missing_table_is_made_and_runs_read_it(live: Live, database: Database) -> None:
    server, namespace = database.server, database.namespace
    live.apply(namespace, database_job("fresh", "public.fresh"))
    live.wait_ready("fresh", namespace)
    table = open_table(f"postgresql:///{DATABASE}/public.fresh", options=plain_options(server))
    truth = ["glad", "glad", "glad", "sad"]
    rows = [message("fresh", number, label) for number, label in enumerate(truth)]
    table.append_rows([pa.RecordBatch.from_pylist(rows)])
    table.close()

    version = {
        "apiVersion": "evaluations.dev/v1beta1",
        "kind": "EvaluationJobVersion",
        "metadata": {"name": "fresh-now"},
        "spec": {"evaluationJob": "fresh", "scoreThresholds": [0, 0.5, 1]},
    }
    live.apply(namespace, version)
    done = live.wait_for(
        "evjv",
        "fresh-now",
        namespace,
        lambda it: it.get("status", {}).get("state") in ("Completed", "Failed"),
        "to end",
    )

    assert done["status"]["state"] == "Completed", done["status"]
    spec = live.get("evaluation", done["status"]["evaluation"], namespace)["spec"]
    assert (spec["evaluatedItemCount"], spec["accuracy"]) == (4, 0.75)


def test_a_table_of_the_wrong_schema_is_reported_in_ready(live: Live, database: Database) -> None:
    with psycopg.connect(database.server.dsn) as connection:
        connection.execute(
            "CREATE TABLE wrong (model text, model_version int, raw_data text, raw_prediction text)"
        )
    live.apply(database.namespace, database_job("wrong", "public.wrong"))

    job = live.wait_for(
        "evaluationjob",
        "wrong",
        database.namespace,
        lambda it: ready(it).get("reason") == "TableInvalid",
        "Ready to say that the table is invalid",
    )

    said = ready(job)["message"]
    assert '"time"' in said
    assert '"model_version"' in said
    assert "add a column" in said


def test_the_password_is_seen_in_the_secret_alone(live: Live, database: Database) -> None:
    kinds = "evj,evjv,evds,evaluation,jobs,pods,events,configmaps"
    objects = live.kubectl("get", kinds, "-n", database.namespace, "-o", "yaml")
    logs = live.kubectl(
        *("logs", "-n", database.namespace, "--tail=-1"),
        *("-l", "app.kubernetes.io/managed-by=evaluation-operator"),
    )

    assert "public.fresh" in objects
    for text in (objects, logs, live.operator_log()):
        assert database.server.password not in text
