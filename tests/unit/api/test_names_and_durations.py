"""Names of other resources, model versions and durations."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation_operator.api.base import DURATION_PATTERN, parse_duration
from evaluation_operator.api.names import (
    ModelVersion,
    ResourceNameError,
    parse_annotation_spec_set_name,
    parse_instruction_name,
    parse_model_version,
)


@pytest.mark.parametrize("text", ["ripeness", "projects/fruit/annotationSpecSets/ripeness"])
def test_a_spec_set_is_named_plainly_or_by_the_old_path(text: str) -> None:
    assert parse_annotation_spec_set_name(text, namespace="fruit") == "ripeness"


@pytest.mark.parametrize(
    "text", ["models/ripeness/versions/v1_2", "projects/fruit/models/ripeness/versions/v1_2"]
)
def test_a_model_version_is_named_with_or_without_its_project(text: str) -> None:
    version = parse_model_version(text, namespace="fruit")

    assert version == ModelVersion(model="ripeness", version="v1_2")
    assert str(version) == "models/ripeness/versions/v1_2"


@pytest.mark.parametrize(
    ("text", "want_cure"),
    [
        ("projects/vegetables/instructions/peel", "projects/fruit/"),
        ("projects/fruit/annotationSpecSets/peel", "projects/fruit/instructions/NAME"),
        ("fruit/peel", "write the object's name"),
        ("", "write the object's name"),
        ("peel\n", "lower-case"),
        ("Peel", "lower-case"),
        ("-peel", "begin and end"),
        ("p" * 254, "at most 253"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused_with_field_value_and_cure(
    text: str, want_cure: str
) -> None:
    with pytest.raises(ResourceNameError) as caught:
        parse_instruction_name(text, namespace="fruit", field="spec.x")

    assert caught.value.field == "spec.x"
    assert caught.value.value == text
    assert want_cure in caught.value.cure
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", ["ripeness", "models/a/versions/", "models/a/b/versions/c", ""])
def test_what_is_no_model_version_is_refused(text: str) -> None:
    with pytest.raises(ResourceNameError, match="models/M/versions/V"):
        parse_model_version(text, namespace="fruit")


@pytest.mark.parametrize(
    ("text", "want_seconds"),
    [
        ("36h", 129_600),
        ("90m", 5_400),
        ("1h30m", 5_400),
        ("3600s", 3_600),
        ("1.5s", 1.5),
        ("0s", 0),
    ],
)
def test_durations_are_read_in_seconds(text: str, want_seconds: float) -> None:
    assert parse_duration(text) == want_seconds


@pytest.mark.parametrize("text", ["", "36", "-1h", "1d", "30m1h", "1h1h", "h", "36h\n", "1.5h"])
def test_other_texts_are_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="write hours, minutes and seconds"):
        parse_duration(text)


@given(st.integers(0, 99_999), st.integers(0, 999_999), st.integers(0, 99_999_999))
def test_parts_of_a_duration_add_up(hours: int, minutes: int, seconds: int) -> None:
    total = hours * 3600 + minutes * 60 + seconds

    assert parse_duration(f"{hours}h{minutes}m{seconds}s") == total


@given(st.from_regex(re.compile(DURATION_PATTERN), fullmatch=True))
def test_whatever_the_schema_admits_is_a_duration(text: str) -> None:
    assert parse_duration(text.removesuffix("\n")) >= 0
