"""`kubectl evaluations explain`: the document, wherever you are."""

from __future__ import annotations

import pytest

from evaluation_operator.domain.reasons import Reason
from tests.unit.cli.running import json_of, run_cli


@pytest.mark.parametrize("typed", ["TableInvalid", "tableinvalid", "TableInvalid:"])
def test_a_reason_is_explained_however_it_was_copied(typed: str) -> None:
    result = run_cli("explain", typed)

    assert result.exit_code == 0
    assert "Reason:         TableInvalid" in result.stdout
    assert "a column is missing" in result.stdout
    assert "\n  kubectl delete job -n NAMESPACE -l evaluations.dev/component" in result.stdout
    assert "`" not in result.stdout, "a mark of the document"


def test_one_that_is_misspelt_is_guessed() -> None:
    result = run_cli("explain", "OOMKiled")

    assert result.exit_code == 1
    assert "did you mean OOMKilled?" in result.stderr


def test_what_is_no_reason_at_all_says_how_to_see_them_all() -> None:
    result = run_cli("explain", "xyz", "-o", "json")

    assert result.exit_code == 1
    assert json_of(result)["error"]["status"] == "NOT_FOUND"
    assert "all are listed" in json_of(result)["error"]["message"]


def test_without_a_reason_all_are_listed() -> None:
    shown = run_cli("explain").stdout.splitlines()[1:]

    assert {line.split()[0] for line in shown} == set(Reason)


def test_programs_get_the_same() -> None:
    one = json_of(run_cli("explain", "NamespaceNotReady", "-o", "json"))

    assert one["commands"][0] == "kubectl apply -n NAMESPACE -k manifests/namespace"
    assert one in json_of(run_cli("explain", "-o", "json"))["reasons"]
