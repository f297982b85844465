"""The sampler's environment variables."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from evaluation_operator.environment import SettingsError
from evaluation_operator.sampling.settings import from_environment

LEAST = {"EVALUATION_NAMESPACE": "fruit", "POD_NAME": "evaluation-sampler-0"}


def test_namespace_and_pod_are_all_that_it_must_be_told() -> None:
    settings = from_environment(LEAST)

    assert (settings.namespace, settings.replica) == ("fruit", "evaluation-sampler-0")
    assert settings.durable
    assert settings.body_bytes == 16 * 2**20
    assert settings.tokens_file is None


def test_everything_can_be_told() -> None:
    settings = from_environment(
        LEAST
        | {
            "EVALUATION_SAMPLER_MODE": "fast",
            "EVALUATION_SAMPLER_DIRECTORY": "/data",
            "EVALUATION_SAMPLER_TOKENS_FILE": "/etc/tokens",
            "EVALUATION_SAMPLER_BODY_BYTES": "1024",
            "EVALUATION_SAMPLER_FLUSH_SECONDS": "0.5",
            "EVALUATION_HTTP_PORT": "0",
            "EVALUATION_SECRETS_DIR": "/secrets",
            "EVALUATION_CLOCK_OFFSET_SECONDS": "86400",
            "EVALUATION_ALLOW_TEST_CLOCK": "true",
        }
    )

    assert not settings.durable
    assert settings.directory == Path("/data")
    assert settings.tokens_file == Path("/etc/tokens")
    assert settings.body_bytes == 1024
    assert settings.flush_seconds == 0.5
    assert settings.http_port == 0
    assert settings.secrets_folder == Path("/secrets")
    assert settings.clock_offset == timedelta(days=1)


@pytest.mark.parametrize(
    ("name", "value", "cure"),
    [
        ("EVALUATION_NAMESPACE", " ", "the namespace whose jobs"),
        ("POD_NAME", "", "downward API"),
        ("EVALUATION_SAMPLER_MODE", "quick", "durable or fast"),
        ("EVALUATION_SAMPLER_BODY_BYTES", "16Mi", "write a number"),
        ("EVALUATION_SAMPLER_BODY_BYTES", "0", "from 1"),
        ("EVALUATION_SAMPLER_BODY_BYTES", "999999999", "lower the one"),
        ("EVALUATION_SAMPLER_FLUSH_SECONDS", "nan", "from 0.05"),
        ("EVALUATION_SAMPLER_FLUSH_SECONDS", "inf", "from 0.05"),
        ("EVALUATION_CLOCK_OFFSET_SECONDS", "60", "EVALUATION_ALLOW_TEST_CLOCK=true"),
        ("EVALUATION_CLOCK_OFFSET_SECONDS", "-inf", "write a number"),
    ],
)
def test_a_wrong_variable_is_named_with_its_cure(name: str, value: str, cure: str) -> None:
    with pytest.raises(SettingsError, match=cure) as raised:
        from_environment(LEAST | {name: value})
    assert name in str(raised.value)
