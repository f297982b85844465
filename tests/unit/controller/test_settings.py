"""Environment variables: what they set, and what is said of a wrong one."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from evaluation_operator.controller.settings import SPARE_CONNECTIONS, from_environment
from evaluation_operator.domain.allowances import Allowances
from evaluation_operator.environment import SettingsError


def test_an_empty_environment_gives_what_is_documented() -> None:
    settings = from_environment({})

    assert settings.leader_election is True
    assert settings.namespaces == ()
    assert settings.policy.limits.allowed_service_accounts == ("evaluation-runner",)
    assert settings.clock_offset == timedelta(0)
    assert settings.policy.settle == timedelta(seconds=60)
    assert settings.policy.max_active_runs == 50


def test_variables_are_read() -> None:
    settings = from_environment(
        {
            "EVALUATION_NAMESPACES": "a, b,,",
            "EVALUATION_RUN_IMAGE": "registry.example/run:1",
            "EVALUATION_ALLOWED_IMAGES": "registry.example/*",
            "EVALUATION_STRICT_SCHEDULE": "True",
            "EVALUATION_ALLOW_TERMINATE_RUNNING": "true",
            "EVALUATION_WORKERS": "8",
            "EVALUATION_SWEEP_SECONDS": "1.5",
            "EVALUATION_LOG_LEVEL": "debug",
            "EVALUATION_LEADER_ELECTION": " false ",
            "EVALUATION_TABLE_CHECK_RETRY_SECONDS": "5",
            "EVALUATION_SETTLE_SECONDS": "2.5",
            "EVALUATION_MAX_ACTIVE_RUNS": "0",
            "EVALUATION_SAMPLER_URL": "https://sampler.example/{namespace}",
            "POD_NAME": "operator-0",
        }
    )

    assert settings.namespaces == ("a", "b")
    assert settings.policy.image == "registry.example/run:1"
    assert settings.policy.limits.allowed_images == ("registry.example/*",)
    assert settings.policy.limits.strict_schedule is True
    assert settings.policy.allow_terminate_running is True
    assert settings.policy.table_check_retry == timedelta(seconds=5)
    assert settings.policy.max_active_runs == 0
    assert settings.workers == 8
    assert settings.sweep_seconds == 1.5
    assert settings.log_level == "DEBUG"
    assert settings.leader_election is False
    assert settings.identity == "operator-0"
    assert settings.policy.settle == timedelta(seconds=2.5)
    assert settings.policy.sampler_url == "https://sampler.example/{namespace}"


def test_slow_turns_leave_connections_for_everything_else() -> None:
    """64 requests that hung once took all 64 connections, the leader's own included."""
    assert from_environment({}).connections == 3 * 64 + SPARE_CONNECTIONS
    assert from_environment({"EVALUATION_WORKERS": "8"}).connections == 24 + SPARE_CONNECTIONS
    assert from_environment({"EVALUATION_API_CONNECTIONS": "500"}).connections == 500
    with pytest.raises(SettingsError, match=r"EVALUATION_API_CONNECTIONS=64: write 208 or more"):
        from_environment({"EVALUATION_API_CONNECTIONS": "64"})


def test_what_jobs_may_ask_for_is_nothing_special_by_default() -> None:
    allowances = from_environment({}).policy.limits.allowances

    assert allowances == Allowances()
    assert allowances.priority_classes == allowances.tolerations == ()
    assert "kubernetes.io/hostname" not in allowances.node_labels
    assert "nvidia.com/gpu" not in allowances.max_resources


def test_the_administrator_says_what_jobs_may_ask_for() -> None:
    allowances = from_environment(
        {
            "EVALUATION_ALLOWED_PRIORITY_CLASSES": "batch-*",
            "EVALUATION_ALLOWED_TOLERATIONS": "gpu,spot",
            "EVALUATION_ALLOWED_NODE_LABELS": "pool",
            "EVALUATION_ALLOWED_PULL_SECRETS": "registry",
            "EVALUATION_ALLOWED_EMAIL_DOMAINS": "corp.example",
            "EVALUATION_MAX_RESOURCES": "cpu=500m, nvidia.com/gpu=1",
            "EVALUATION_MAX_DEADLINE": "1h30m",
        }
    ).policy.limits.allowances

    assert allowances == Allowances(
        priority_classes=("batch-*",),
        tolerations=("gpu", "spot"),
        node_labels=("pool",),
        pull_secrets=("registry",),
        email_domains=("corp.example",),
        max_resources={"cpu": Decimal("0.5"), "nvidia.com/gpu": Decimal(1)},
        max_deadline_seconds=5400,
    )


BAD = {
    "EVALUATION_MAX_RESOURCES": "cpu=many",
    "EVALUATION_MAX_DEADLINE": "soon",
    "EVALUATION_WORKERS": "many",
    "EVALUATION_SWEEP_SECONDS": "soon",
    "EVALUATION_LEADER_ELECTION": "yes",
    "EVALUATION_HEALTH_PORT": "80.5",
    "EVALUATION_CLOCK_OFFSET_SECONDS": "3600",
    "EVALUATION_SETTLE_SECONDS": "-1",
    "EVALUATION_SAMPLER_URL": "http://sampler.{place}/",
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_variable_is_named_with_its_value(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        from_environment({name: BAD[name]})

    assert name in str(caught.value)
    assert BAD[name] in str(caught.value)


def test_a_shifted_clock_needs_a_test_cluster() -> None:
    environment = {"EVALUATION_CLOCK_OFFSET_SECONDS": "-90000"}
    with pytest.raises(SettingsError, match="EVALUATION_ALLOW_TEST_CLOCK=true"):
        from_environment(environment)

    settings = from_environment(environment | {"EVALUATION_ALLOW_TEST_CLOCK": "true"})
    assert settings.clock_offset == timedelta(hours=-25)
