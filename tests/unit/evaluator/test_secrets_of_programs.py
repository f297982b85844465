"""What programs in pods know of secrets: what is mounted, and nothing of their variables."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from evaluation_operator.environment import forget_credentials
from evaluation_operator.evaluator import main as evaluator
from evaluation_operator.labeling import main as labeler
from evaluation_operator.sampling import main as sampler

LEAKING = {
    "PGPASSWORD": "from-somewhere",
    "PGHOSTADDR": "192.0.2.1",
    "PGSERVICE": "x",
    "PGOPTIONS": "-c x=1",
    "AWS_ACCESS_KEY_ID": "AKIA",
    "AWS_SECRET_ACCESS_KEY": "from-somewhere",
    "AWS_ENDPOINT_URL": "https://attacker.example",
    "AWS_ENDPOINT_URL_S3": "https://attacker.example",
    "AWS_PROFILE": "x",
    "AWS_CONFIG_FILE": "/etc/x",
}
IDENTITY = {
    "AWS_ROLE_ARN": "arn:aws:iam::1:role/runner",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
    "AWS_REGION": "eu-central-1",
}


def test_a_pod_keeps_its_identity_and_no_credential_of_its_variables() -> None:
    variables = LEAKING | IDENTITY | {"EVALUATION_DATASET": "evj-a-1"}
    forget_credentials(variables)
    assert variables == IDENTITY | {"EVALUATION_DATASET": "evj-a-1"}


@pytest.fixture
def _log_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.mark.usefixtures("_log_as_before")
@pytest.mark.parametrize("program", [evaluator, sampler, labeler], ids=lambda it: it.__package__)
def test_every_program_of_pods_forgets_them_before_it_works(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image, or whoever patches a manifest, may bring variables that libpq and the SDK heed."""
    for name, value in LEAKING.items():
        monkeypatch.setenv(name, value)
    found: list[set[str]] = []

    def work(*_: object) -> int:
        found.append(set(os.environ) & set(LEAKING))
        return 0

    async def run(*_: object) -> None:
        work()

    settings = SimpleNamespace(log_level="INFO")
    for name, stand_in in {
        "execute": work,
        "from_environment": lambda _: settings,
        "Service": lambda _: SimpleNamespace(run=run, stop=lambda: None),
    }.items():
        if hasattr(program, name):
            monkeypatch.setattr(program, name, stand_in)
    with suppress(SystemExit):
        program.main()
    assert found == [set()]


def test_a_secret_that_does_not_exist_ends_a_check_at_once_with_its_name(tmp_path: Path) -> None:
    """A volume of a Secret that is missing would keep the pod from starting, without a word."""
    (tmp_path / "secrets" / "evaluation-db").mkdir(parents=True)
    environment = {
        "EVALUATION_TABLE_URI": f"file://{tmp_path}/table",
        "EVALUATION_SECRETS_DIR": str(tmp_path / "secrets"),
        "EVALUATION_SECRETS": "evaluation-db",
    }

    code = evaluator.execute(["check"], environment, tmp_path / "verdict")

    verdict = json.loads((tmp_path / "verdict").read_text())
    assert (code, verdict["reason"]) == (66, "TableInvalid")
    assert "'evaluation-db' of runTemplate.envFrom does not exist or is empty" in verdict["message"]
    assert not (tmp_path / "table").exists()
