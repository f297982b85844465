"""`kubectl evaluations describe`: in five seconds a person sees what is wrong, and what to type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evaluation_operator.api.base import format_time
from evaluation_operator.cli import output
from evaluation_operator.cli.showing_jobs import print_job
from evaluation_operator.views.job import JobView
from tests.builders import Manifest, make_evaluation_job, make_version, stored

RUN = "evj-ripeness-29541240"
PULL = "ImagePullBackOff: no such host; name an image that can be pulled in spec.runTemplate.image"


def ago(**span: float) -> str:
    return format_time(datetime.now(UTC).replace(microsecond=0) - timedelta(**span))


def condition(kind: str, status: str, reason: str, message: str = "", **span: float) -> Manifest:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": ago(**(span or {"hours": 3})),
    }


def ready() -> Manifest:
    return condition("Ready", "True", "Ready", "sampled rows are evaluated on schedule")


def well() -> Manifest:
    return {
        "observedGeneration": 1,
        "state": "SCHEDULED",
        "conditions": [ready()],
        "nextRunTime": ago(hours=-5),
    }


def described(
    capsys: pytest.CaptureFixture[str],
    status: Manifest,
    versions: Sequence[Manifest] = (),
    spec: Manifest | None = None,
    **metadata: Any,
) -> str:
    job = stored(make_evaluation_job(spec=spec or {}, status=well() | status), **metadata)
    print_job(JobView(job, versions, None))
    return capsys.readouterr().out


def held_up(message: str) -> Manifest:
    run = {"name": RUN, "scheduledTime": ago(minutes=20), "phase": "Queuing", "message": message}
    return {"state": "RUNNING", "active": [run]}


def field(shown: str, name: str) -> str:
    return next(line for line in shown.splitlines() if line.startswith(f"{name}:"))


def first_lines(shown: str) -> list[str]:
    """What stands before the fields of the job."""
    return shown.partition("\n\nName:")[0].splitlines() if "\n\nName:" in shown else []


def test_nobody_is_called_where_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    shown = described(capsys, {"latestEvaluation": {"name": RUN}})

    assert shown.startswith("Name: ")
    assert "Needs you" not in shown


@pytest.mark.parametrize(
    "status",
    [
        {"conditions": [condition("Ready", "False", "TableChecking", "checking the table")]},
        {"conditions": [condition("Ready", "True", "Paused")]},
        {"conditions": [condition("Ready", "False", "TooManyRuns", "50 Jobs have not ended")]},
        held_up("Queued: a queue holds the Job"),
        {"conditions": [ready(), condition("QualityAcceptable", "Unknown", "NoEvaluation")]},
    ],
    ids=["a check", "a pause", "a place", "a queue", "the first run"],
)
def test_nor_for_what_passes_by_itself(
    status: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "Needs you" not in described(capsys, status)


def test_a_stalled_job_says_first_why_and_what_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    message = "models/m/versions/v1 is evaluated by EvaluationJob 'other': delete one of the two"
    taken = [
        condition("Ready", "False", "ModelVersionTaken", message),
        condition("Stalled", "True", "ModelVersionTaken", message),
    ]

    shown = described(capsys, {"state": None, "conditions": taken})

    assert first_lines(shown) == [
        f"Needs you:  ModelVersionTaken (for 3h): {message}",
        "",
        "What to type:",
        "  kubectl get evj -n fruit -o wide",
        "  kubectl delete evj ripeness -n fruit",
        "  kubectl evaluations explain ModelVersionTaken",
    ]
    assert field(shown, "State").endswith("Stalled")


def test_a_run_that_is_held_up_is_named_in_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    lines = first_lines(described(capsys, held_up(PULL)))

    assert lines[0] == f"Needs you:  ImagePullBackOff (run {RUN}): {PULL.partition(': ')[2]}"
    assert f"  kubectl describe pod -n fruit -l evaluations.dev/dataset={RUN}" in lines
    assert f"  kubectl delete job {RUN} -n fruit" in lines


def test_the_most_urgent_comes_first_and_the_others_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = [
        condition("QualityAcceptable", "False", "QualityBelowThreshold", "0.4 is below 0.6"),
        condition("LoggerManaged", "True", "VersionUnknown", "its annotation is missing"),
        condition("SamplerBehind", "True", "ReplicasBehind", "kubectl delete lease a"),
        condition("Ready", "False", "TableInvalid", "column `time` is text"),
    ]

    lines = first_lines(described(capsys, {"conditions": bad, "attempts": [attempt()]}))

    assert [line[:40].split(" (")[0] for line in lines[:5]] == [
        "Needs you:  TableInvalid",
        "And:        VersionUnknown",
        "            ReplicasBehind",
        "            NothingUsable",
        "            QualityBelowThreshold",
    ]
    assert "  kubectl evaluations explain QualityBelowThreshold" in lines
    assert not any("annotate" in line for line in lines), "commands of the first need alone"


def attempt(message: str = "NothingUsable: none of 10 items", **span: float) -> Manifest:
    failure = {"code": 9, "message": message}
    time = ago(**(span or {"hours": 2}))
    return {"attemptTime": time, "dataset": RUN, "partialFailures": [failure]}


def test_a_failed_run_needs_somebody_until_one_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    failed = {"attempts": [attempt("none of 10 items has ground truth")]}

    lines = first_lines(described(capsys, failed))
    later = described(capsys, failed | {"lastSuccessTime": ago(hours=1)})

    assert lines[0] == (
        f"Needs you:  RunFailed (run {RUN} failed 2h ago): none of 10 items has ground truth"
    )
    assert "Needs you" not in later


def test_a_version_that_waits_is_told_and_one_that_has_ended_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = "ripeness-again"
    waits = stored(
        make_version(
            name,
            status={
                "state": "Queuing",
                "dataset": f"evjv-{name}",
                "conditions": [condition("Ready", "False", "OOMKilled", "OOMKilled: 1Gi")],
            },
        )
    )
    ended = stored(
        make_version(
            "old",
            status={
                "state": "Failed",
                "conditions": [condition("Ready", "False", "Failed", "no such host")],
            },
        )
    )

    lines = first_lines(described(capsys, {}, [waits, ended]))

    assert lines[0] == f"Needs you:  OOMKilled (version {name} for 3h): 1Gi"
    assert f"  kubectl delete job evjv-{name} -n fruit" in lines
    assert "no such host" not in "\n".join(lines)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (lambda: ({"observedGeneration": 1}, {"generation": 2}), "Unattended (changed"),
        (lambda: ({"observedGeneration": None, "conditions": []}, {}), "Unattended (changed"),
        (lambda: ({"nextRunTime": ago(hours=4)}, {}), "Unattended (due for 4h)"),
        (
            lambda: ({"state": "STOPPED"}, {"deletionTimestamp": ago(minutes=5)}),
            "Unattended (deleted 5m ago)",
        ),
    ],
    ids=["an edit", "a new job", "a run that is due", "a deletion"],
)
def test_a_job_that_no_operator_works_on_cannot_say_so_itself(
    told: Callable[[], tuple[Manifest, Manifest]], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, metadata = told()
    lines = first_lines(described(capsys, status, **metadata))

    assert words in lines[0]
    assert "  kubectl get pods -n evaluation-operator" in lines


def test_an_edit_of_a_moment_ago_is_no_trouble(capsys: pytest.CaptureFixture[str]) -> None:
    written = [{"manager": "kubectl", "operation": "Update", "time": ago(seconds=5)}]

    shown = described(capsys, {}, generation=2, managedFields=written)

    assert "Needs you" not in shown


def test_a_run_that_waits_for_the_sampler_is_no_trouble_for_an_hour(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = described(capsys, {"nextRunTime": ago(minutes=50)})

    assert "Needs you" not in shown
    assert "(due for 50m)" in shown


def test_times_have_their_ages(capsys: pytest.CaptureFixture[str]) -> None:
    shown = described(capsys, {"lastRunTime": ago(days=2), "attempts": [attempt()]})

    assert "Z (in 4h)" in field(shown, "Next run")
    assert "Z (2d ago)" in field(shown, "Last run")
    assert "(2h ago)   evj-ripeness" in shown
    assert ["Ready", "True", "Ready", "3h"] in [line.split()[:4] for line in shown.splitlines()]


def test_long_messages_are_wrapped_at_the_width_of_a_terminal_and_commands_are_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "ImagePullBackOff: " + "the registry cannot be reached " * 8 + "; name another one"
    whole = described(capsys, held_up(long))
    assert max(map(len, whole.splitlines())) > 300, "one line for a program"

    monkeypatch.setattr(output, "terminal_width", lambda: 100)
    lines = described(capsys, held_up(long)).splitlines()

    commands = [line for line in lines if line.startswith("  kubectl")]
    assert max(len(line.rstrip()) for line in lines if line not in commands) <= 100
    assert any(len(line) > 70 for line in commands)
    assert lines[1].startswith(" " * 12 + "registry"), "below the text, not below its name"


def test_what_tenants_write_cannot_put_a_command_into_somebodys_mouth(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A name in a command to be typed is quoted, whoever chose it."""
    evil = {"inferenceservicename": "x; rm -rf ~"}
    spec = {"manageLogger": True, "modelSelector": evil}
    opted = condition("LoggerManaged", "False", "NotOptedIn", "its owner has not asked")

    lines = first_lines(described(capsys, {"conditions": [ready(), opted]}, spec=spec))

    assert "  kubectl annotate inferenceservice 'x; rm -rf ~' -n fruit --overwrite " in "\n".join(
        lines
    )
