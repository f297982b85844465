"""The labeler's configuration: the environment, and the file that names its backends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import getaddresses, parseaddr
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from evaluation_operator.environment import SECRETS_FOLDER, Environment, SettingsError
from evaluation_operator.serving.settings import Listening, read_listening
from evaluation_operator.storage.credentials import read_secrets
from evaluation_operator.storage.options import TableOptions
from evaluation_operator.visible import is_visible

BACKENDS_FILE = "/etc/evaluation-labeler/backends.yaml"
_HTTP = ("http://", "https://")
_FILES = ("file://", "s3://")
_HOST = re.compile(r"[A-Za-z0-9:._-]{1,253}")


class BackendType(StrEnum):
    LABEL_STUDIO = "LabelStudio"
    MANUAL = "Manual"


class BackendEntry(BaseModel):
    """One tool that people label with. `token_file` holds its secret, which is never here.

    `url` is where the labeler reaches it, `public_url` where people do, if that differs. Of a
    Manual backend `url` is the folder of its files.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
    type: BackendType
    url: Annotated[str, Field(max_length=2000)]
    token_file: Path | None = None
    public_url: Annotated[str, Field(max_length=2000)] | None = None

    @model_validator(mode="after")
    def _fits_its_type(self) -> BackendEntry:
        """Raises ValueError in the words that people read."""
        schemes = _HTTP if self.type is BackendType.LABEL_STUDIO else _FILES
        for place, url, known in (
            ("url", self.url, schemes),
            ("publicUrl", self.public_url, _HTTP),
        ):
            # A password may have any character in it, so no part of such an address is told.
            if "@" in (url or ""):
                raise ValueError(
                    f"{place}: it holds a user or password: put the token into tokenFile"
                )
            if url is not None and not url.startswith(known):
                raise ValueError(f"{place}: {url!r}: give an address of {' or '.join(known)}")
        if (self.type is BackendType.LABEL_STUDIO) != (self.token_file is not None):
            raise ValueError(
                "tokenFile: give the file of a mounted Secret with the access token for "
                "LabelStudio, and none for Manual"
            )
        return self


def _require_address(field: str, url: str, schemes: tuple[str, ...]) -> None:
    """A password may have any character in it, so no part is told of an address that has one."""
    if "@" in url:
        raise ValueError(f"{field}: it holds a user or password: put the token into tokenFile")
    if not url.startswith(schemes):
        raise ValueError(f"{field}: {url!r}: give an address of {' or '.join(schemes)}")


@dataclass(frozen=True, slots=True)
class Smtp:
    """How mail is sent; `password_file` is read anew for each. `sender` may have a name beside its
    address. `allowed_domains`, like `*.corp.example`: those that mail goes to; none: to all.
    """

    host: str
    port: int
    sender: str
    user: str | None = None
    password_file: Path | None = None
    is_plain: bool = False
    allowed_domains: tuple[str, ...] = ()

    @property
    def sender_address(self) -> str:
        return parseaddr(self.sender)[1]


@dataclass(frozen=True, slots=True)
class Settings:
    """See `from_environment` for the variables. `poll_seconds` lie between two looks at a task.
    `owner` tells labelers apart that share a tool: by default each namespace is one.
    """

    namespace: str
    replica: str
    backends: tuple[BackendEntry, ...]
    poll_seconds: float = 60.0
    longest_pause_seconds: float = 600.0
    listening: Listening = field(default_factory=Listening)
    log_level: str = "INFO"
    secrets_folder: Path = Path(SECRETS_FOLDER)
    kubeconfig: str | None = None
    clock_offset: timedelta = timedelta(0)
    smtp: Smtp | None = None
    owner: str = ""

    def store_options(self) -> TableOptions:
        """With Secrets as they are now: what is replaced there is taken over."""
        return TableOptions(credentials=read_secrets(self.secrets_folder))


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Raises SettingsError naming the variable, or the field of the file, that is wrong."""
    read = Environment(environment)
    namespace = read.required("EVALUATION_NAMESPACE", "the namespace whose runs it works for")
    poll = read.number("EVALUATION_LABELER_POLL_SECONDS", 60.0, float, least=0.05)
    return Settings(
        namespace=namespace,
        replica=read.required("POD_NAME", "the name of its pod, by the downward API"),
        backends=read_backends(Path(read.text("EVALUATION_LABELER_BACKENDS_FILE", BACKENDS_FILE))),
        poll_seconds=poll,
        longest_pause_seconds=max(600.0, poll) if poll >= 1 else poll * 10,
        listening=read_listening(read),
        log_level=read.text("EVALUATION_LOG_LEVEL", "INFO").upper(),
        secrets_folder=read.secrets_folder(),
        kubeconfig=read.kubeconfig(),
        clock_offset=read.clock_offset(),
        smtp=_smtp(read),
        owner=read.text("EVALUATION_LABELER_OWNER", namespace),
    )


def read_backends(path: Path) -> tuple[BackendEntry, ...]:
    """The entries of a YAML or JSON file: `backends: [{name, type, url, …}]`.

    Raises SettingsError with the file, the field, its value and the cure.
    """
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"EVALUATION_LABELER_BACKENDS_FILE={str(path)!r}: cannot be read ({error}); mount the "
            "ConfigMap labeling-backends there"
        ) from error
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        where = f" in line {place.line + 1}" if place is not None else ""
        raise SettingsError(f"{path}: no YAML{where}: mend it, or write JSON") from error
    entries = content.get("backends") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise SettingsError(
            f"{path}: backends: is no list, or an empty one: write one or more entries, each "
            "with name, type and url"
        )
    found = tuple(_entry(path, number, entry) for number, entry in enumerate(entries))
    names = [it.name for it in found]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"{path}: backends: name {name!r} is there twice: rename one")
    return found


def _entry(path: Path, number: int, entry: object) -> BackendEntry:
    try:
        return BackendEntry.model_validate(entry)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "value_error":
            told = fault["msg"].removeprefix("Value error, ")
        elif fault["type"] == "extra_forbidden":
            known = ", ".join(to_camel(name) for name in BackendEntry.model_fields)
            told = f"{place}: there is no such field: remove it; fields are {known}"
        elif fault["type"] == "missing":
            told = f"{place}: not given: write it"
        else:
            # Elsewhere may stand what somebody took for the place of a token.
            shown = f" {fault['input']!r:.200}:" if place in ("name", "type") else ""
            told = f"{place}:{shown} {fault['msg']}: change it"
        raise SettingsError(f"{path}: backends[{number}].{told}") from None


def _smtp(read: Environment) -> Smtp | None:
    host = read.text("EVALUATION_SMTP_HOST", "")
    if not host:
        return None
    if not _HOST.fullmatch(host):
        raise SettingsError(
            "EVALUATION_SMTP_HOST: is no name or address of a host: write it alone, and the port, "
            "user and password file into EVALUATION_SMTP_PORT, _USER and _PASSWORD_FILE"
        )
    password = read.text("EVALUATION_SMTP_PASSWORD_FILE", "")
    security = read.text("EVALUATION_SMTP_SECURITY", "starttls").lower()
    if security not in ("starttls", "none"):
        raise SettingsError(f"EVALUATION_SMTP_SECURITY={security!r}: write starttls or none")
    return Smtp(
        host=host,
        port=read.number("EVALUATION_SMTP_PORT", 587, int),
        sender=_sender(read),
        user=read.text("EVALUATION_SMTP_USER", "") or None,
        password_file=Path(password) if password else None,
        is_plain=security == "none",
        allowed_domains=read.words("EVALUATION_ALLOWED_EMAIL_DOMAINS"),
    )


def _sender(read: Environment) -> str:
    sender = read.required("EVALUATION_SMTP_SENDER", "the address that mail comes from")
    if (
        not is_visible(sender)
        or len(getaddresses([sender])) != 1
        or "@" not in parseaddr(sender)[1]
    ):
        raise SettingsError(
            f"EVALUATION_SMTP_SENDER={sender!r}: write one address, like labels@example.com or "
            "Labels <labels@example.com>"
        )
    return sender
