"""Reading environment variables: what cannot be used is named with its value and the cure.

Each program's `settings` says which variables it has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

N = TypeVar("N", int, float)

SECRETS_FOLDER = "/var/run/evaluations/secrets"
_CREDENTIALS = ("PG", "AWS_")
# By these a cloud tells a pod who it is; they lead to no place but the cloud's own.
_IDENTITY = (
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_DISABLED",
)


def forget_credentials(environment: MutableMapping[str, str]) -> None:
    """Drop what libpq and the AWS SDK would take from a process's variables by themselves.

    In a pod they would take it to wherever a job's author says; passwords and keys come from
    mounted Secrets there, each with the place that it is for.
    """
    for name in list(environment):
        if name.startswith(_CREDENTIALS) and name not in _IDENTITY:
            del environment[name]


class SettingsError(ValueError):
    """What cannot be used: names the variable or field, its value and the cure."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Variables by name. One that is empty counts as not set."""

    variables: Mapping[str, str]

    def text(self, name: str, default: str = "") -> str:
        return self.variables.get(name, "").strip() or default

    def required(self, name: str, what: str) -> str:
        value = self.text(name)
        if not value:
            raise SettingsError(f"{name} is not set: give {what}")
        return value

    def words(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """What stands between commas."""
        return tuple(word.strip() for word in self.text(name).split(",") if word.strip()) or default

    def flag(self, name: str, default: bool) -> bool:
        text = self.text(name, str(default)).lower()
        if text not in ("true", "false"):
            raise SettingsError(f"{name}={text!r}: write true or false")
        return text == "true"

    def number(
        self, name: str, default: N, kind: Callable[[str], N], *, least: float | None = 1
    ) -> N:
        """At least `least`, where that is given; never infinite or NaN."""
        text = self.text(name, str(default))
        try:
            value = kind(text)
        except ValueError:
            raise SettingsError(f"{name}={text!r}: write a number") from None
        if not math.isfinite(value) or (least is not None and value < least):
            wanted = "that is finite" if least is None else f"from {least:g}"
            raise SettingsError(f"{name}={text!r}: write a number {wanted}")
        return value

    def clock_offset(self) -> timedelta:
        """How far the clock is shifted, the same in every program, so that all live on the same
        day. Tests alone shift it."""
        offset = self.number("EVALUATION_CLOCK_OFFSET_SECONDS", 0.0, float, least=None)
        if offset and not self.flag("EVALUATION_ALLOW_TEST_CLOCK", False):
            raise SettingsError(
                f"EVALUATION_CLOCK_OFFSET_SECONDS={offset:g}: a shifted clock is for tests only; "
                "remove it, or set EVALUATION_ALLOW_TEST_CLOCK=true on a test cluster"
            )
        return timedelta(seconds=offset)

    def secrets_folder(self) -> Path:
        """Where the Secrets of stores are mounted, a folder each."""
        return Path(self.text("EVALUATION_SECRETS_DIR", SECRETS_FOLDER))

    def kubeconfig(self) -> str | None:
        """Of whoever works outside of a pod."""
        return self.text("KUBECONFIG") or None
