"""Which credential goes where: only to what its own Secret names."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation_operator.storage.credentials import (
    AmbientCredentials,
    SecretCredentials,
    read_secrets,
)
from evaluation_operator.storage.errors import AccessRefused
from evaluation_operator.storage.postgres_address import parse_postgres_uri
from tests.stores import write_secret

DATABASE = {
    "PGHOST": "db.prod.svc",
    "PGUSER": "writer",
    "PGPASSWORD": "canary-prod-4711",
}
BUCKET = {
    "AWS_ACCESS_KEY_ID": "AKIA81",
    "AWS_SECRET_ACCESS_KEY": "canary-s3-77aa",
    "AWS_ENDPOINT_URL": "https://minio.prod.svc:9000",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def database_at(credentials: SecretCredentials, uri: str) -> str | None:
    """The password that would go to the URI's server."""
    return credentials.for_database(parse_postgres_uri(uri)).password


def test_a_password_goes_to_the_host_of_its_own_secret_alone(folder: Path) -> None:
    """An author wrote a host of their own into the job, and got the password of the Secret that
    the sampler, or the job itself, had for another."""
    write_secret(folder, "evaluation-db", DATABASE)
    credentials = read_secrets(folder)

    assert database_at(credentials, "postgresql://DB.prod.svc/x/t") == "canary-prod-4711"
    assert database_at(credentials, "postgresql://writer@db.prod.svc:5432/x/t")
    assert database_at(credentials, "postgresql:///x/t") == "canary-prod-4711"
    for elsewhere in ("attacker.example", "db.prod.svc:6432", "127.0.0.1", "db.prod.svc.evil"):
        with pytest.raises(AccessRefused, match=r"no Secret is for .* PGHOST") as refused:
            database_at(credentials, f"postgresql://{elsewhere}/x/t")
        assert "canary" not in str(refused.value)


def test_keys_of_two_secrets_are_never_mixed(folder: Path) -> None:
    """Merged into variables, a host of one Secret met the password of another."""
    write_secret(folder, "evaluation-a", {"PGHOST": "a.example", "PGUSER": "a"})
    write_secret(folder, "evaluation-b", DATABASE)
    credentials = read_secrets(folder, ("evaluation-a", "evaluation-b"))

    assert database_at(credentials, "postgresql://a.example/x/t") is None
    assert database_at(credentials, "postgresql://db.prod.svc/x/t") == "canary-prod-4711"
    with pytest.raises(AccessRefused, match=r"'evaluation-a' and Secret 'evaluation-b' are both"):
        database_at(credentials, "postgresql:///x/t")


def test_a_port_that_the_uri_leaves_out_is_the_secret_s(folder: Path) -> None:
    write_secret(folder, "evaluation-db", DATABASE | {"PGPORT": "6432"})
    credentials = read_secrets(folder)

    login = credentials.for_database(parse_postgres_uri("postgresql://db.prod.svc/x/t"))
    assert (login.port, login.user) == (6432, "writer")
    with pytest.raises(AccessRefused, match=r"no Secret is for db\.prod\.svc:5432"):
        database_at(credentials, "postgresql://db.prod.svc:5432/x/t")


def test_a_server_is_verified_and_a_password_guarded_unless_the_secret_says_otherwise(
    folder: Path,
) -> None:
    write_secret(folder, "evaluation-strict", DATABASE | {"ca.crt": "PEM"})
    loose = {"PGHOST": "lax", "PGUSER": "u", "PGSSLMODE": "require", "PGREQUIREAUTH": "md5"}
    write_secret(folder, "evaluation-loose", loose)
    credentials = read_secrets(folder)

    strict = credentials.for_database(parse_postgres_uri("postgresql://db.prod.svc/x/t"))
    assert (strict.ssl_mode, strict.require_auth) == ("verify-full", "scram-sha-256")
    assert strict.ca_file == folder / "evaluation-strict" / "ca.crt"
    lax = credentials.for_database(parse_postgres_uri("postgresql://lax/x/t"))
    assert (lax.ssl_mode, lax.require_auth, lax.ca_file) == ("require", "md5", None)


@pytest.mark.parametrize(
    ("changes", "uri", "why"),
    [
        ({"PGHOST": ""}, "postgresql:///x/t", "PGHOST: is not there, .* add the server's name"),
        ({"PGUSER": ""}, "postgresql:///x/t", "PGUSER: is not there"),
        ({}, "postgresql://other@db.prod.svc/x/t", "its user is not PGUSER of Secret"),
        ({"PGDATABASE": "y"}, "postgresql:///x/t", "its database is not PGDATABASE"),
        ({"PGHOST": "/var/run/postgresql"}, "postgresql:///x/t", "PGHOST: the host must be one"),
        ({"PGHOST": "a,b"}, "postgresql:///x/t", "PGHOST: the host must be one"),
        ({"PGHOST": "169.254.169.254"}, "postgresql:///x/t", "PGHOST: no table can lie"),
        ({"PGPORT": "0"}, "postgresql:///x/t", "PGPORT: write a number"),
        ({"PGSSLMODE": "off"}, "postgresql:///x/t", "PGSSLMODE: write one of disable"),
        ({"PGREQUIREAUTH": "a b"}, "postgresql:///x/t", "PGREQUIREAUTH: write methods"),
        ({"PGHOSTADDR": "10.0.0.1"}, "postgresql:///x/t", "PGHOSTADDR: is not used here"),
        ({"PGOPTIONS": "-c x=1"}, "postgresql:///x/t", "PGOPTIONS: is not used here: remove it"),
        ({"PGSERVICE": "s"}, "postgresql:///x/t", "PGSERVICE: is not used here"),
    ],
)
def test_a_secret_of_no_use_says_which_key_and_what_to_do(
    folder: Path, changes: dict[str, str], uri: str, why: str
) -> None:
    write_secret(folder, "evaluation-db", DATABASE | changes)
    with pytest.raises(AccessRefused, match=why) as refused:
        database_at(read_secrets(folder), uri)
    assert "canary" not in str(refused.value)
    assert "evaluation-db" in str(refused.value)


def test_keys_of_others_are_passed_over_whatever_they_hold(folder: Path) -> None:
    (write_secret(folder, "evaluation-db", DATABASE) / "keystore").write_bytes(b"\xff\x00")
    assert database_at(read_secrets(folder), "postgresql:///x/t") == "canary-prod-4711"


def test_a_secret_that_the_job_lists_and_nobody_made_is_named(folder: Path) -> None:
    """An optional volume of a Secret that does not exist is an empty folder."""
    (folder / "evaluation-gone").mkdir()
    for name in ("evaluation-gone", "evaluation-unmounted"):
        with pytest.raises(
            AccessRefused, match=f"{name}' of runTemplate.envFrom does not exist or"
        ):
            read_secrets(folder, (name,))
    assert read_secrets(folder) == SecretCredentials(), "others need not be there"
    assert read_secrets(folder / "nothing") == SecretCredentials()


def test_what_is_wrong_with_one_secret_does_not_keep_others_from_serving(folder: Path) -> None:
    """One Secret of a sampler often holds both, and what is left over of either harms none."""
    write_secret(folder, "evaluation-broken", {"PGPASSWORD": "canary-left-over"} | BUCKET)
    credentials = read_secrets(folder)

    assert credentials.for_bucket("any").secret_key == "canary-s3-77aa"
    with pytest.raises(AccessRefused, match=r"'evaluation-broken': PGHOST: is not there"):
        database_at(credentials, "postgresql://db/x/t")


def test_keys_go_to_the_endpoint_and_buckets_of_their_own_secret(folder: Path) -> None:
    write_secret(folder, "evaluation-mine", BUCKET | {"EVALUATION_BUCKETS": "fruit, shop-*"})
    write_secret(
        folder,
        "evaluation-theirs",
        {"AWS_ACCESS_KEY_ID": "AKIA2", "AWS_SECRET_ACCESS_KEY": "k", "EVALUATION_BUCKETS": "cats"},
    )
    credentials = read_secrets(folder)

    for bucket in ("fruit", "shop-predictions"):
        access = credentials.for_bucket(bucket)
        assert (access.access_key, access.endpoint) == ("AKIA81", "https://minio.prod.svc:9000")
    theirs = credentials.for_bucket("cats")
    assert (theirs.access_key, theirs.endpoint) == ("AKIA2", None), "Amazon's own"
    with pytest.raises(AccessRefused, match=r"'attacker' is not among EVALUATION_BUCKETS"):
        credentials.for_bucket("attacker")


def test_two_secrets_for_one_bucket_are_told(folder: Path) -> None:
    write_secret(folder, "evaluation-one", BUCKET)
    write_secret(folder, "evaluation-two", BUCKET)
    with pytest.raises(AccessRefused, match=r"both for bucket 'fruit'.* EVALUATION_BUCKETS"):
        read_secrets(folder).for_bucket("fruit")


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://user:canary@minio",
        "ftp://canary",
        "https://minio/path",
        "https://minio?x=canary",
        "http://169.254.169.254",
        "http://[fe80::1]:9000",
        "http://2852039166",
        "canary:port",
    ],
)
def test_an_endpoint_is_a_place_and_nothing_else(folder: Path, endpoint: str) -> None:
    write_secret(folder, "evaluation-bucket", BUCKET | {"AWS_ENDPOINT_URL": endpoint})
    with pytest.raises(AccessRefused, match="AWS_ENDPOINT_URL: ") as refused:
        read_secrets(folder).for_bucket("fruit")
    assert "canary" not in str(refused.value)


def test_plain_http_is_for_the_secret_to_say(folder: Path) -> None:
    write_secret(folder, "evaluation-bucket", BUCKET | {"AWS_ENDPOINT_URL": "minio:9000"})
    assert read_secrets(folder).for_bucket("fruit").endpoint == "https://minio:9000"
    write_secret(folder, "evaluation-bucket", BUCKET | {"AWS_ENDPOINT_URL": "http://minio:9000"})
    assert read_secrets(folder).for_bucket("fruit").endpoint == "http://minio:9000"


def test_a_pod_enters_as_itself_only_where_no_secret_is_for_buckets(folder: Path) -> None:
    """Its identity is the administrator's: it goes to the cloud's own endpoints, which know it."""
    itself = SecretCredentials().for_bucket("fruit")
    assert itself.is_ambient
    assert (itself.endpoint, itself.access_key) == (None, None)
    endpoint_alone = {"AWS_ENDPOINT_URL": "https://elsewhere.example"}
    write_secret(folder, "evaluation-bucket", endpoint_alone)
    assert not read_secrets(folder).for_bucket("fruit").is_ambient, "else it would be sent there"


def test_half_a_key_pair_is_told(folder: Path) -> None:
    write_secret(folder, "evaluation-bucket", {"AWS_ACCESS_KEY_ID": "AKIA81"})
    with pytest.raises(AccessRefused, match="AWS_SECRET_ACCESS_KEY: give it and"):
        read_secrets(folder).for_bucket("fruit")


def test_on_a_laptop_a_user_s_own_variables_go_where_the_user_says() -> None:
    ambient = AmbientCredentials({"PGPASSWORD": "mine-81f2", "AWS_ENDPOINT_URL": "http://minio"})
    login = ambient.for_database(parse_postgres_uri("postgresql://me@db/x/t"))
    assert login.is_ambient
    assert (login.host, login.user, login.password) == ("db", "me", None)
    assert ambient.for_bucket("fruit").endpoint == "http://minio"


def test_no_credential_is_in_what_a_debugger_prints(folder: Path) -> None:
    write_secret(folder, "evaluation-db", DATABASE)
    write_secret(folder, "evaluation-bucket", BUCKET | {"AWS_SESSION_TOKEN": "canary-tok"})
    assert "canary" not in repr(read_secrets(folder))
