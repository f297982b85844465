"""The operator's configuration: environment variables, read once, here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from urllib.parse import urlsplit

from evaluation_operator.api.base import parse_duration
from evaluation_operator.controller.fairness import most_at_once
from evaluation_operator.controller.turns import TURN_SECONDS
from evaluation_operator.domain.allowances import DEFAULT_RESOURCES as MOST
from evaluation_operator.domain.allowances import Allowances
from evaluation_operator.domain.naming import SAMPLER_URL
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.quantities import parse_quantity
from evaluation_operator.domain.stalled import Limits
from evaluation_operator.environment import Environment, SettingsError
from evaluation_operator.serving.settings import Listening, read_listening

LONGEST_SETTLE_SECONDS = 3600.0
WORKERS = 64
SPARE_CONNECTIONS = 16
"""For the sweep, Events and the Lease of the leader, which wait for no turn."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`namespaces` empty means all of them. See `from_environment` for the variables."""

    policy: Policy
    namespaces: tuple[str, ...] = ()
    operator_namespace: str = "evaluation-operator"
    identity: str = "evaluation-operator"
    leader_election: bool = True
    workers: int = WORKERS
    turn_seconds: float = TURN_SECONDS
    connections: int = most_at_once(WORKERS) + SPARE_CONNECTIONS
    watch_connections: int = 24
    sweep_seconds: float = 300.0
    listening: Listening = field(default_factory=Listening)
    log_level: str = "INFO"
    clock_offset: timedelta = timedelta(0)
    kubeconfig: str | None = None


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Raises SettingsError naming the variable that is wrong."""
    read = Environment(environment)
    defaults = Policy()
    limits = Limits(
        allowed_images=read.words("EVALUATION_ALLOWED_IMAGES", ()),
        allowed_service_accounts=read.words(
            "EVALUATION_ALLOWED_SERVICE_ACCOUNTS", (defaults.service_account,)
        ),
        strict_schedule=read.flag("EVALUATION_STRICT_SCHEDULE", False),
        allowances=_allowances(read),
    )
    policy = Policy(
        image=read.text("EVALUATION_RUN_IMAGE", defaults.image),
        image_pull_policy=read.text("EVALUATION_RUN_IMAGE_PULL_POLICY", defaults.image_pull_policy),
        service_account=defaults.service_account,
        limits=limits,
        allow_terminate_running=read.flag("EVALUATION_ALLOW_TERMINATE_RUNNING", False),
        table_check_retry=timedelta(
            seconds=read.number("EVALUATION_TABLE_CHECK_RETRY_SECONDS", 60.0, float, least=0.05)
        ),
        max_active_runs=read.number(
            "EVALUATION_MAX_ACTIVE_RUNS", defaults.max_active_runs, int, least=0
        ),
        settle=_settle(read),
        sampler_url=_sampler_url(read),
    )
    return Settings(
        policy=policy,
        namespaces=read.words("EVALUATION_NAMESPACES", ()),
        operator_namespace=read.text("POD_NAMESPACE", "evaluation-operator"),
        identity=read.text("POD_NAME", "evaluation-operator"),
        leader_election=read.flag("EVALUATION_LEADER_ELECTION", True),
        workers=(workers := read.number("EVALUATION_WORKERS", WORKERS, int)),
        connections=_connections(read, workers),
        sweep_seconds=read.number("EVALUATION_SWEEP_SECONDS", 300.0, float, least=0.05),
        listening=read_listening(read),
        log_level=read.text("EVALUATION_LOG_LEVEL", "INFO").upper(),
        clock_offset=read.clock_offset(),
        kubeconfig=read.kubeconfig(),
    )


def _allowances(read: Environment) -> Allowances:
    defaults = Allowances()
    return Allowances(
        priority_classes=read.words("EVALUATION_ALLOWED_PRIORITY_CLASSES", ()),
        tolerations=read.words("EVALUATION_ALLOWED_TOLERATIONS", ()),
        node_labels=read.words("EVALUATION_ALLOWED_NODE_LABELS", defaults.node_labels),
        pull_secrets=read.words("EVALUATION_ALLOWED_PULL_SECRETS", defaults.pull_secrets),
        email_domains=read.words("EVALUATION_ALLOWED_EMAIL_DOMAINS", ()) or None,
        max_resources=_max_resources(read),
        max_deadline_seconds=_max_deadline_seconds(read, defaults.max_deadline_seconds),
    )


def _max_resources(read: Environment) -> dict[str, Decimal]:
    words = read.words(
        "EVALUATION_MAX_RESOURCES", tuple(f"{name}={most}" for name, most in MOST.items())
    )
    most: dict[str, Decimal] = {}
    for word in words:
        name, _, amount = word.partition("=")
        try:
            most[name.strip()] = parse_quantity(amount.strip())
        except ValueError as error:
            raise SettingsError(
                f"EVALUATION_MAX_RESOURCES: {word!r}: {error}; write NAME=AMOUNT with commas "
                "between, like cpu=8,memory=32Gi"
            ) from None
    return most


def _max_deadline_seconds(read: Environment, default: int) -> int:
    text = read.text("EVALUATION_MAX_DEADLINE", f"{default}s")
    try:
        return int(parse_duration(text))
    except ValueError as error:
        raise SettingsError(f"EVALUATION_MAX_DEADLINE: {error}") from None


def _connections(read: Environment, workers: int) -> int:
    """Slow turns hold one each; with fewer, they would hold up those of others after all."""
    needed = most_at_once(workers) + SPARE_CONNECTIONS
    connections = read.number("EVALUATION_API_CONNECTIONS", needed, int)
    if connections < needed:
        raise SettingsError(
            f"EVALUATION_API_CONNECTIONS={connections}: write {needed} or more (three for each of "
            f"{workers} workers, and {SPARE_CONNECTIONS}), set fewer EVALUATION_WORKERS, or leave "
            "it out"
        )
    return connections


def _settle(read: Environment) -> timedelta:
    seconds = read.number("EVALUATION_SETTLE_SECONDS", 60.0, float, least=None)
    if not 0 <= seconds <= LONGEST_SETTLE_SECONDS:
        raise SettingsError(
            f"EVALUATION_SETTLE_SECONDS={seconds:g}: write 0 to {LONGEST_SETTLE_SECONDS:g}; for "
            "rows and labels that come later set spec.labelDelay of their job"
        )
    return timedelta(seconds=seconds)


def _sampler_url(read: Environment) -> str:
    url = read.text("EVALUATION_SAMPLER_URL", SAMPLER_URL)
    parts = urlsplit(url.replace("{namespace}", "n"))
    if parts.scheme not in ("http", "https") or not parts.hostname or set("{}") & {*parts.geturl()}:
        raise SettingsError(
            f"EVALUATION_SAMPLER_URL={url!r}: write an http or https URL, with {{namespace}} where "
            f"the namespace stands, like {SAMPLER_URL}"
        )
    return url
