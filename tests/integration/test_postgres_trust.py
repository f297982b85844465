"""Whom a password is given to: a real PostgreSQL with certificates, and impostors."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from evaluation_operator.evaluator.main import execute
from evaluation_operator.sampling.store.writing import Writer
from evaluation_operator.storage.credentials import read_secrets
from evaluation_operator.storage.errors import AccessRefused, TableUnavailable
from evaluation_operator.storage.options import TableOptions
from evaluation_operator.storage.storage import open_storage
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.protocol import Table
from tests.cluster.pki import Authority
from tests.cluster.postgres import DATABASE, USER, PostgreSQL
from tests.servers.impostor import Impostor, postgres_impostor
from tests.stores import plain_secret, write_secret

pytestmark = pytest.mark.integration

SECRET = "evaluation-postgres"
CANARY = "canary-prod-password-4711"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> Iterator[PostgreSQL]:
    """Its certificate is of the name `localhost`, and of no address."""
    with PostgreSQL(certificate=authority.server("database", "DNS:localhost")) as running:
        yield running


def secret_of(server: PostgreSQL, **changes: str) -> dict[str, str]:
    """A Secret without a word on TLS; an empty value takes a key out."""
    strict = plain_secret(server) | {"PGHOST": "localhost", "PGSSLMODE": ""} | changes
    return {key: value for key, value in strict.items() if value}


def opened(folder: Path, secret: Mapping[str, str]) -> Table:
    write_secret(folder, SECRET, secret)
    options = TableOptions(credentials=read_secrets(folder, (SECRET,)))
    return open_table(f"postgresql:///{DATABASE}/public.trusted", options=options)


def trusted(authority: Authority) -> dict[str, str]:
    return {"ca.crt": authority.ca.certificate.read_text()}


def test_a_server_that_its_authority_vouches_for_is_entered(
    server: PostgreSQL, authority: Authority, tmp_path: Path
) -> None:
    opened(tmp_path, secret_of(server, **trusted(authority))).ensure()


def test_a_server_of_another_authority_gets_no_password(server: PostgreSQL, tmp_path: Path) -> None:
    """Whoever stands between can have a certificate of their own."""
    stranger = Authority(tmp_path / "stranger")
    for secret in (secret_of(server, **trusted(stranger)), secret_of(server)):
        shutil.rmtree(tmp_path / "secrets", ignore_errors=True)
        cure = rf"certificate verify failed; .*'{SECRET}' as key ca\.crt"
        with pytest.raises(AccessRefused, match=cure):
            opened(tmp_path / "secrets", secret).ensure()


def test_a_server_of_another_name_gets_no_password(
    server: PostgreSQL, authority: Authority, tmp_path: Path
) -> None:
    elsewhere = secret_of(server, PGHOST="127.0.0.1", **trusted(authority))
    with pytest.raises(AccessRefused, match=rf"does not match host name .* PGHOST of .*{SECRET}"):
        opened(tmp_path, elsewhere).ensure()
    opened(tmp_path, elsewhere | {"PGSSLMODE": "verify-ca"}).ensure()


def test_a_server_without_tls_is_entered_only_where_the_secret_says_so(tmp_path: Path) -> None:
    with PostgreSQL() as plain:
        with pytest.raises(AccessRefused, match=r"does not support SSL.*; .* PGSSLMODE: disable"):
            opened(tmp_path, secret_of(plain)).ensure()
        opened(tmp_path, secret_of(plain, PGSSLMODE="disable")).ensure()


@pytest.mark.parametrize("method", ["password", "md5"])
def test_a_server_that_would_see_the_password_is_entered_only_where_the_secret_says_so(
    method: str, authority: Authority, tmp_path: Path
) -> None:
    """By SCRAM the server proves that it knows the password; by these it learns it."""
    certificate = authority.server("database", "DNS:localhost")
    with PostgreSQL(auth=method, certificate=certificate) as running:
        secret = secret_of(running, **trusted(authority))
        with pytest.raises(AccessRefused, match=rf"scram-sha-256.*PGREQUIREAUTH in .*{SECRET}"):
            opened(tmp_path, secret).ensure()
        opened(tmp_path, secret | {"PGREQUIREAUTH": method}).ensure()


def test_nothing_of_the_process_decides_on_a_connection(
    server: PostgreSQL, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libpq fills from variables whatever it is not told."""
    for name, value in {
        "PGHOSTADDR": "192.0.2.1",
        "PGPASSWORD": "wrong",
        "PGSSLMODE": "disable",
        "PGREQUIREAUTH": "password",
        "PGSSLROOTCERT": "/nowhere",
        "PGUSER": "nobody",
        "PGPORT": "1",
    }.items():
        monkeypatch.setenv(name, value)
    opened(tmp_path, secret_of(server, **trusted(authority))).ensure()


@pytest.fixture
def impostor() -> Iterator[Impostor]:
    with postgres_impostor() as running:
        yield running


def test_an_author_s_own_host_hears_nothing_from_a_check(
    impostor: Impostor, tmp_path: Path
) -> None:
    """The Secret's password was sent, in clear, to the host that the job's author wrote."""
    write_secret(
        tmp_path,
        SECRET,
        {"PGHOST": "db.prod.svc", "PGUSER": "prod_user", "PGPASSWORD": CANARY},
    )
    environment = {
        "EVALUATION_TABLE_URI": f"postgresql://127.0.0.1:{impostor.port}/x/public.t",
        "EVALUATION_SECRETS_DIR": str(tmp_path),
        "EVALUATION_SECRETS": SECRET,
    }

    code = execute(["check"], environment, tmp_path / "verdict")

    said = (tmp_path / "verdict").read_text()
    assert code == 66
    assert '"reason":"TableInvalid"' in said
    assert "PGHOST of this very server" in said
    assert impostor.heard == []


def test_an_author_s_own_host_hears_nothing_from_the_sampler(
    impostor: Impostor, tmp_path: Path
) -> None:
    write_secret(
        tmp_path,
        "evaluation-sampler-stores",
        {"PGHOST": "db.prod.svc", "PGUSER": "prod_user", "PGPASSWORD": CANARY},
    )
    options = TableOptions(credentials=read_secrets(tmp_path))
    writer = Writer(
        lambda uri: open_table(uri, options=options),
        lambda uri: open_storage(uri, options),
        lambda _: b"",
    )

    with pytest.raises(AccessRefused, match="nothing was sent"):
        writer.probe(f"postgresql://127.0.0.1:{impostor.port}/x/public.t")
    assert impostor.heard == []


def test_an_impostor_at_the_secret_s_own_host_learns_no_password(
    impostor: Impostor, tmp_path: Path
) -> None:
    """Nor where TLS is off, and not from what it repeats in its error."""
    secret = {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(impostor.port),
        "PGUSER": USER,
        "PGPASSWORD": CANARY,
    }
    for mode in ("verify-full", "prefer", "disable"):
        with pytest.raises((AccessRefused, TableUnavailable)) as refused:
            opened(tmp_path, secret | {"PGSSLMODE": mode}).ensure()
        assert CANARY not in str(refused.value)
    assert impostor.heard
    assert CANARY.encode() not in b"".join(impostor.heard)
    with pytest.raises((AccessRefused, TableUnavailable)) as refused:
        opened(tmp_path, secret | {"PGSSLMODE": "disable", "PGREQUIREAUTH": "password"}).ensure()
    assert CANARY.encode() in b"".join(impostor.heard), "which is what its Secret asks for"
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254"])
def test_a_name_that_leads_to_a_metadata_service_is_refused(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names are the author of a zone's to point; what was checked is what is connected to."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    found = [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, 5432))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    secret = {"PGHOST": "innocent.example", "PGUSER": "u", "PGPASSWORD": CANARY}
    with pytest.raises(AccessRefused, match="leads to a link-local or metadata address"):
        opened(tmp_path, secret).ensure()
    write_secret(tmp_path, "evaluation-bucket", {"AWS_ENDPOINT_URL": "https://innocent.example"})
    options = TableOptions(credentials=read_secrets(tmp_path))
    with pytest.raises(AccessRefused, match="leads to a link-local or metadata address"):
        open_storage("s3://fruit/p", options)


def test_a_name_is_resolved_once_and_its_address_connected_to(
    server: PostgreSQL, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A zone can answer the check with one address and the connection with another."""
    asked: list[str] = []
    resolve = socket.getaddrinfo

    def counting(host: str, *rest: object, **named: object) -> object:
        asked.append(host)
        return resolve("127.0.0.1", *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", counting)
    table = opened(tmp_path, secret_of(server, **trusted(authority)))
    table.ensure()
    assert asked == ["localhost"]
