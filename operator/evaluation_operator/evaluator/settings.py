"""The run's configuration: environment variables, read once, here and nowhere else."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evaluation_operator.environment import Environment
from evaluation_operator.results.errors import InvalidRun, TableInvalid
from evaluation_operator.storage import errors as table_errors
from evaluation_operator.storage.credentials import SecretCredentials, read_secrets

TERMINATION_LOG = Path("/dev/termination-log")


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Which Dataset to evaluate, and what the engine may use."""

    namespace: str
    dataset: str
    scratch: Path
    memory_limit: str
    threads: int
    credentials: SecretCredentials
    kubeconfig: str | None


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """Which table to check, and where its runs will write."""

    table_uri: str
    results_uri: str
    credentials: SecretCredentials


def run_settings(environment: Mapping[str, str]) -> RunSettings:
    """Raises InvalidRun naming the variable that is missing or wrong, TableInvalid naming a Secret
    that does not exist."""
    return RunSettings(
        namespace=_required(environment, "EVALUATION_NAMESPACE"),
        dataset=_required(environment, "EVALUATION_DATASET"),
        scratch=Path(environment.get("EVALUATION_SCRATCH") or tempfile.gettempdir()),
        memory_limit=environment.get("EVALUATION_MEMORY_LIMIT") or "512MB",
        threads=_whole(environment, "EVALUATION_THREADS", 1),
        credentials=_credentials(environment),
        kubeconfig=Environment(environment).kubeconfig(),
    )


def check_settings(environment: Mapping[str, str]) -> CheckSettings:
    """Raises InvalidRun naming the variable that is missing, TableInvalid naming a Secret that does
    not exist."""
    return CheckSettings(
        table_uri=_required(environment, "EVALUATION_TABLE_URI"),
        results_uri=environment.get("EVALUATION_RESULTS_URI", ""),
        credentials=_credentials(environment),
    )


def _credentials(environment: Mapping[str, str]) -> SecretCredentials:
    """Those of the Secrets that the job lists, read once for the whole run."""
    read = Environment(environment)
    try:
        return read_secrets(read.secrets_folder(), read.words("EVALUATION_SECRETS"))
    except table_errors.AccessRefused as error:
        raise TableInvalid(str(error)) from error


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise InvalidRun(f"{name} is not set: the operator sets it in the pods that it makes")
    return value


def _whole(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isdigit() or int(text) < 1:
        raise InvalidRun(f"{name}={text!r}: write a whole number from 1")
    return int(text)
