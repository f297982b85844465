"""What surrounds the work: status, closing, pauses and settings."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from evaluation_operator.domain.reasons import Reason
from evaluation_operator.environment import SettingsError
from evaluation_operator.labeling.backend import BackendUnavailable, OnClose, OpenProject
from evaluation_operator.labeling.backends.open import BackendNotFound, Backends
from evaluation_operator.labeling.closing import close_orphans
from evaluation_operator.labeling.pauses import Backoff
from evaluation_operator.labeling.progress import Counts, TurnResult, is_open, status_with
from evaluation_operator.labeling.settings import from_environment, read_backends
from tests.unit.labeling.desk import Tool

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


def labeled(reason: str) -> dict[str, str]:
    """The condition once the run goes on."""
    time = "2026-03-03T10:00:00Z"
    said = {"status": "True", "reason": reason, "message": ""}
    return {"type": "Labeled", "lastTransitionTime": time} | said


LATER = datetime(2026, 3, 3, 13, tzinfo=UTC)
LABELING = TurnResult(Reason.LABELING, "people label", Counts(1, 3), ())


def test_status_stays_as_it_is_while_nothing_has_changed() -> None:
    status = status_with({"cut": {}}, LABELING, 1, NOON)
    assert status_with(status, LABELING, 1, LATER) == status
    assert (status["progressPercent"], status["completedCount"], status["totalCount"]) == (33, 1, 3)


def test_the_transition_time_moves_with_the_status_alone() -> None:
    status = status_with({}, LABELING, 1, NOON)
    refused = status_with(status, TurnResult(Reason.BACKEND_REFUSED, "mend the token"), 1, LATER)
    assert refused["conditions"][0]["lastTransitionTime"] == "2026-03-03T12:00:00Z"
    assert refused["completedCount"] == 1, "what was counted stays"
    ended = status_with(refused, TurnResult(Reason.ALL_LABELED, "done", Counts(3, 3)), 1, LATER)
    assert ended["conditions"][0]["lastTransitionTime"] == "2026-03-03T13:00:00Z"
    assert ended["conditions"][0]["status"] == "True"


def test_other_conditions_stay() -> None:
    other = {"type": "Other", "status": "True"}
    assert status_with({"conditions": [other]}, LABELING, 1, NOON)["conditions"][0] == other


def test_a_failed_answer_is_told_until_it_is_mended() -> None:
    bad = TurnResult(Reason.LABELING, "…", Counts(1, 3), ("item a: no label",) * 12)
    status = status_with({}, bad, 1, NOON)
    assert len(status["partialFailures"]) == 10
    assert "partialFailures" not in status_with(status, LABELING, 1, NOON)


def test_once_the_run_goes_on_only_the_numbers_change() -> None:
    ended = status_with({}, TurnResult(Reason.DEADLINE_REACHED, "…", Counts(1, 3)), 1, NOON)
    late = TurnResult(Reason.DEADLINE_REACHED, "other words", Counts(2, 3), new_labels=1)
    status = status_with(ended, late, 1, LATER)
    assert status["conditions"] == ended["conditions"]
    assert (status["newLabelCount"], status["completedCount"]) == (1, 2)
    status["newLabelCount"] = 5
    assert status_with(status, late, 1, LATER)["newLabelCount"] == 5, "somebody knows of more"
    away = status_with(status, TurnResult(Reason.BACKEND_UNAVAILABLE, "away"), 1, LATER)
    assert away == status


LATE: dict[str, Any] = {
    "cut": {"uri": "x"},
    "completedCount": 1,
    "totalCount": 3,
    "outcome": {"result": "Succeeded"},
    "conditions": [labeled("DeadlineReached")],
}
AWAITED = {"labeling": {"x": 1}, "minimumNewLabels": 5}


@pytest.mark.parametrize(
    ("spec", "status", "want"),
    [
        ({}, {}, True),
        ({}, {"outcome": None}, True),
        ({"minimumNewLabels": None}, {}, False),
        ({}, {"completedCount": 3}, False),
        ({}, {"outcome": {"result": "Failed"}}, False),
        ({}, {"conditions": [labeled("AllLabeled")]}, False),
    ],
)
def test_after_a_deadline_runs_stay_open_where_late_labels_count(
    spec: dict[str, Any], status: dict[str, Any], want: bool
) -> None:
    assert is_open({"metadata": {}, "spec": AWAITED | spec, "status": LATE | status}) is want


@pytest.mark.parametrize(
    ("changes", "want"),
    [
        ({}, True),
        ({"spec": {}}, False),
        ({"status": {}}, False),
        ({"status": {"cut": {"uri": "x"}, "outcome": {"result": "Failed"}}}, False),
        ({"metadata": {"deletionTimestamp": "2026-03-03T12:00:00Z"}}, False),
        (
            {
                "status": {
                    "cut": {"uri": "x"},
                    "conditions": [labeled("AllLabeled")],
                }
            },
            False,
        ),
    ],
)
def test_only_cut_runs_that_wait_for_people_are_open(changes: dict[str, Any], want: bool) -> None:
    body = {"metadata": {}, "spec": {"labeling": {"x": 1}}, "status": {"cut": {"uri": "x"}}}
    assert is_open(body | changes) is want


def project(uid: str, namespace: str = "fruit") -> OpenProject:
    return OpenProject(uid, namespace, uid, OnClose.ARCHIVE, "https://labels.example")


async def test_only_projects_of_this_namespace_whose_job_is_gone_are_closed() -> None:
    tool = Tool(projects=[project("gone"), project("there"), project("other", "vegetables")])

    async def live() -> Collection[str]:
        assert tool.calls == ["list_projects"], "jobs are listed after the projects"
        return {"there"}

    assert await close_orphans(tool, "fruit", live) == 1
    assert tool.closed == ["gone"]


async def test_a_project_that_cannot_be_closed_keeps_no_other_open() -> None:
    class Stubborn(Tool):
        async def close_project(self, project: OpenProject) -> None:
            if project.job_uid == "first":
                raise BackendUnavailable("away")
            await super().close_project(project)

    async def live() -> Collection[str]:
        return ()

    tool = Stubborn(projects=[project("first"), project("second")])
    with pytest.raises(BackendUnavailable):
        await close_orphans(tool, "fruit", live)
    assert tool.closed == ["second"]


def test_pauses_grow_to_a_bound_and_honour_what_is_asked_for() -> None:
    pauses = Backoff(60, 600)
    first = pauses.failed()
    assert 60 <= first <= 120
    for _ in range(100):
        assert 60 <= pauses.failed() <= 600
    assert pauses.failed() >= 300
    assert pauses.failed(retry_after=550) >= 550
    assert pauses.failed(retry_after=86_400) == 600
    pauses.succeeded()
    assert pauses.failed() <= 120


def write(folder: Path, text: str) -> Path:
    path = folder / "backends.yaml"
    path.write_text(text)
    return path


def test_the_backends_of_the_manifests_are_read() -> None:
    path = Path(__file__).parents[3] / "manifests" / "labeler" / "backends.yaml"
    assert [(it.name, str(it.type)) for it in read_backends(path)] == [
        ("label-studio", "LabelStudio")
    ]


STUDIO = "backends: [{name: s, type: LabelStudio, url: 'http://s', tokenFile: /t"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("backends: []", "write one or more entries"),
        ("backends: [{type: Manual, url: file:///x}]", "backends[0].name: not given"),
        ("backends: [{name: A b, type: Manual, url: file:///x}]", "backends[0].name: 'A b'"),
        ("backends: [{name: m, type: Paper, url: file:///x}]", "backends[0].type: 'Paper'"),
        ("backends: [{name: m, type: Manual, url: http://x}]", "backends[0].url: 'http://x'"),
        (STUDIO + ", token: abc}]", "token: there is no such field: remove it"),
        ("backends: [{name: s, type: LabelStudio, url: http://x}]", "tokenFile: give the file"),
        (STUDIO.replace("//s", "//u:pw@s") + "}]", "put the token into tokenFile"),
        (STUDIO.replace("//s", "//u:a/pw@s") + "}]", "url: it holds a user or password"),
        (STUDIO.replace("http://s", "ftp://u:pw@s") + "}]", "url: it holds a user or password"),
        (STUDIO + ", publicUrl: 'https://u:pw@s'}]", "publicUrl: it holds a user or password"),
        (STUDIO + ", publicUrl: 'javascript:alert(1)'}]", "publicUrl: 'javascript:alert(1)'"),
        (STUDIO + ", publicUrl: ['https://u:pw@s']}]", "publicUrl: Input should be a valid string"),
        (STUDIO + "}, {name: s, type: Manual, url: file:///x}]", "name 's' is there twice"),
        ("backends: [", "no YAML in line"),
    ],
)
def test_a_bad_entry_names_field_and_cure(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_backends(write(tmp_path, text))
    assert said in str(caught.value)
    assert "pw@" not in str(caught.value), "a password is never told"


def test_a_missing_file_names_what_to_mount(tmp_path: Path) -> None:
    environment = {
        "EVALUATION_NAMESPACE": "fruit",
        "POD_NAME": "labeler-0",
        "EVALUATION_LABELER_BACKENDS_FILE": str(tmp_path / "none.yaml"),
    }
    with pytest.raises(SettingsError, match="mount the ConfigMap labeling-backends there"):
        from_environment(environment)


def test_a_job_that_names_no_backend_gets_the_only_one(tmp_path: Path) -> None:
    one = read_backends(write(tmp_path, "backends: [{name: m, type: Manual, url: file:///x}]"))
    backends = Backends(one, lambda entry: Tool())
    assert backends.choose(None) == "m"
    with pytest.raises(BackendNotFound, match=r"'paper': .* has m: add it there"):
        backends.choose("paper")
    both = Backends((*one, one[0].model_copy(update={"name": "n"})), lambda entry: Tool())
    with pytest.raises(BackendNotFound, match="set it to one of m, n"):
        both.choose(None)


def labeler_environment(tmp_path: Path, **mail: str) -> dict[str, str]:
    entry = "backends: [{name: m, type: Manual, url: file:///x}]"
    return {
        "EVALUATION_NAMESPACE": "fruit",
        "POD_NAME": "labeler-0",
        "EVALUATION_LABELER_BACKENDS_FILE": str(write(tmp_path, entry)),
        "EVALUATION_SMTP_HOST": "mail.example",
        "EVALUATION_SMTP_SENDER": "labels@example.com",
    } | {f"EVALUATION_{name}": value for name, value in mail.items()}


def test_how_mail_is_sent_is_read(tmp_path: Path) -> None:
    changes = {
        "SMTP_SENDER": "Labels <labels@example.com>",
        "ALLOWED_EMAIL_DOMAINS": "corp.example, *.corp.example",
    }
    smtp = from_environment(labeler_environment(tmp_path, **changes)).smtp
    assert smtp is not None
    assert smtp.sender_address == "labels@example.com"
    assert smtp.allowed_domains == ("corp.example", "*.corp.example")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMTP_SENDER", "a@b.example, c@d.example"),
        ("SMTP_SENDER", "labels"),
        ("SMTP_SENDER", "a@b.example\nBcc: c@d.example"),
        ("SMTP_HOST", "u:pw@mail.example"),
        ("SMTP_HOST", "smtp://mail.example"),
    ],
)
def test_a_bad_setting_of_the_mail_is_told_at_the_start(
    tmp_path: Path, name: str, value: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        from_environment(labeler_environment(tmp_path, **{name: value}))
    assert f"EVALUATION_{name}" in str(caught.value)
    assert "pw@" not in str(caught.value), "a password is never told"
