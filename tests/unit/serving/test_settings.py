"""The variables of every program with a listener."""

from __future__ import annotations

import pytest

from evaluation_operator.environment import Environment, SettingsError
from evaluation_operator.serving.limits import Limits
from evaluation_operator.serving.settings import Listening, read_listening


def test_nothing_need_be_told() -> None:
    assert read_listening(Environment({})) == Listening("", 8081, Limits())


def test_everything_can_be_told() -> None:
    told = {
        "EVALUATION_HTTP_HOST": "127.0.0.1",
        "EVALUATION_HEALTH_PORT": "9000",
        "EVALUATION_HTTP_CONNECTIONS": "1",
        "EVALUATION_HTTP_HEADER_BYTES": "2",
        "EVALUATION_HTTP_FIRST_BYTE_SECONDS": "3",
        "EVALUATION_HTTP_HEADER_SECONDS": "4",
        "EVALUATION_HTTP_BODY_SECONDS": "5",
        "EVALUATION_HTTP_BODY_GAP_SECONDS": "6",
        "EVALUATION_HTTP_ANSWER_SECONDS": "7",
        "EVALUATION_HTTP_IDLE_SECONDS": "8",
    }
    limits = Limits(1, 2, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)
    assert read_listening(Environment(told)) == Listening("127.0.0.1", 9000, limits)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EVALUATION_HEALTH_PORT", "http"),
        ("EVALUATION_HTTP_CONNECTIONS", "0"),
        ("EVALUATION_HTTP_BODY_SECONDS", "0"),
        ("EVALUATION_HTTP_IDLE_SECONDS", "inf"),
    ],
)
def test_a_limit_cannot_be_taken_away(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as raised:
        read_listening(Environment({name: value}))
    assert repr(value) in str(raised.value)
