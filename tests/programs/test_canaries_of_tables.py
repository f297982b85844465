"""No part of a password or key of a store is in anything that a program tells."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import pytest

from evaluation_operator.evaluator.main import execute
from evaluation_operator.storage.credentials import read_secrets
from evaluation_operator.storage.errors import TableError
from evaluation_operator.storage.options import TableOptions
from evaluation_operator.tables.open import open_table
from tests.canary import Canaries
from tests.servers.impostor import bucket_impostor, postgres_impostor
from tests.stores import write_secret

PASSWORD = "kU7w-9xQz/Lm3#vT"
S3_KEY = "Zr84/nWq+Yp61bGd"
S3_TOKEN = "tok-5hJ2cVf8-sXe"
KEY_ID = "AKIA4Q7WXN2B"

ADDRESSES = (
    "postgresql://u:{}@h/db/t",
    "postgresql://u:{}/x@h/db/t",
    "postgresql://u:{}#x@h/db/t",
    "postgresql://u:{}?x@h/db/t",
    "postgresql://{}:x@@h/db/t",
    "postgresql://{}@h/db/t",
    "postgresql://h:{}/db/t",
    "postgresql://u%3A{}@h/db/t",
    "postgresql://[{}/db/t",
    "postgresql://h/{} x/t",
    "postgresql://h/db/{}.t",
    "postgresql://h/db/t?password={}",
    "postgresql:{}",
    "s3://k:{}@bucket/r",
    "s3://{}@bucket/r",
    "s3://bucket:{}/r",
    "s3://bucket/r?key={}",
    "s3://{}",
    "file://u:{}@host/x",
    "{}://host/x",
    "{}",
)


@pytest.fixture
def canaries() -> Canaries:
    return Canaries({"pg": PASSWORD, "key": S3_KEY, "token": S3_TOKEN})


@pytest.fixture(autouse=True)
def _stay_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def check(
    canaries: Canaries, folder: Path, uri: str, secret: Mapping[str, str], *, results: str = ""
) -> None:
    """All that a check tells: its verdict, its log, and what the opener raises beneath it."""
    write_secret(folder, "evaluation-store", secret)
    environment = {
        "EVALUATION_TABLE_URI": uri,
        "EVALUATION_RESULTS_URI": results,
        "EVALUATION_SECRETS_DIR": str(folder),
        "EVALUATION_SECRETS": "evaluation-store",
    }
    verdict = folder / "verdict"
    with canaries.listening():
        assert execute(["check"], environment, verdict) != 0
        try:
            credentials = read_secrets(folder, ("evaluation-store",))
            open_table(uri, options=TableOptions(credentials=credentials)).ensure()
        except TableError as error:
            canaries.note("opener", str(error))
            logging.getLogger("test").exception("as a program would log it")
    canaries.note("verdict", verdict.read_text())


def database(port: int, **changes: str) -> dict[str, str]:
    return {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(port),
        "PGUSER": "u",
        "PGPASSWORD": PASSWORD,
    } | changes


def bucket(**changes: str) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": S3_KEY,
        "AWS_SESSION_TOKEN": S3_TOKEN,
        "AWS_REGION": "us-east-1",
    } | changes


@pytest.mark.parametrize("form", ADDRESSES)
def test_an_address_that_holds_a_secret_shows_no_part_of_it(
    canaries: Canaries, tmp_path: Path, form: str
) -> None:
    """`u:ca/nary@host` was taken for host, path and all, and the path was shown in a status.

    Nobody told this password to the process: what is not shown needs no taking out.
    """
    password = "Xq9-fBz2=Hd72w"
    canaries.secrets["in the address"] = password
    secret = database(1, PGPASSWORD="another-1") if form.startswith("p") else {"x": "y"}
    check(canaries, tmp_path, form.format(password), secret)
    assert canaries.found() == []


def test_every_trouble_with_a_database_keeps_its_password(
    canaries: Canaries, tmp_path: Path
) -> None:
    uri = "postgresql:///db/t"
    troubles = [
        database(1),
        database(1, PGHOST="nosuch.invalid"),
        database(1, PGSSLMODE=PASSWORD),
        database(1, PGREQUIREAUTH=PASSWORD),
        database(1, PGHOST=PASSWORD),
        database(1, PGPORT=PASSWORD),
        database(1, PGOPTIONS=PASSWORD),
        database(1, PGSERVICE=PASSWORD),
        database(1, PGPASSFILE=PASSWORD),
        database(1, PGUSER=PASSWORD),
        database(1) | {"ca.crt": PASSWORD},
    ]
    for number, secret in enumerate(troubles):
        check(canaries, tmp_path / str(number), uri, secret)
    assert len(canaries.texts) >= 3 * len(troubles)
    assert canaries.found() == []


def test_a_server_that_repeats_a_password_is_not_quoted(canaries: Canaries, tmp_path: Path) -> None:
    with postgres_impostor() as server:
        loose = database(server.port, PGSSLMODE="disable", PGREQUIREAUTH="password")
        check(canaries, tmp_path, "postgresql:///db/t", loose)
        assert PASSWORD.encode() in b"".join(server.heard)
    assert any("FATAL" in text for _, text in canaries.texts)
    assert canaries.found() == []


def test_every_trouble_with_a_bucket_keeps_its_keys(canaries: Canaries, tmp_path: Path) -> None:
    endpoints = (
        "http://127.0.0.1:1",
        f"http://user:{S3_KEY}@127.0.0.1:1",
        f"ftp://{S3_TOKEN}@x",
        f"http://{S3_TOKEN}",
        f"http://x?{S3_TOKEN}",
    )
    for number, endpoint in enumerate(endpoints):
        secret = bucket(AWS_ENDPOINT_URL=endpoint)
        check(canaries, tmp_path / str(number), "s3://fruit/p", secret)
    check(canaries, tmp_path / "bucket", "s3://fruit/p", bucket(EVALUATION_BUCKETS=S3_KEY))
    check(canaries, tmp_path / "half", "s3://fruit/p", bucket(AWS_SECRET_ACCESS_KEY=""))
    results = f"file://{tmp_path}/t"
    check(canaries, tmp_path / "results", results, bucket(), results=f"s3://k:{S3_KEY}@b/r")
    assert canaries.found() == []


def test_a_service_that_repeats_a_request_is_not_quoted(canaries: Canaries, tmp_path: Path) -> None:
    with bucket_impostor() as server:
        secret = bucket(AWS_ENDPOINT_URL=f"http://127.0.0.1:{server.port}")
        check(canaries, tmp_path, "s3://fruit/p", secret)
        heard = b"".join(server.heard)
    assert S3_TOKEN.encode() in heard
    assert S3_KEY.encode() not in heard
    assert canaries.found() == []
