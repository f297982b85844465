"""Options that several commands share."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from evaluation_operator.cli.errors import CliError
from evaluation_operator.cli.output import Output

if TYPE_CHECKING:
    from evaluation_operator.api.base import TimeSpan

OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="table for people; json or yaml for programs.")
]
NamespaceOption = Annotated[
    str | None,
    typer.Option("--namespace", "-n", help="Namespace. Default: that of the kubeconfig's context."),
]
KubeconfigOption = Annotated[
    str | None, typer.Option("--kubeconfig", help="Kubeconfig file. Default: as kubectl.")
]
ContextOption = Annotated[
    str | None, typer.Option("--context", help="Context of the kubeconfig. Default: the current.")
]
JobArgument = Annotated[
    str, typer.Argument(metavar="JOB", help="Name of the EvaluationJob.", show_default=False)
]
FilesOption = Annotated[
    list[str],
    typer.Option(
        "--filename",
        "-f",
        metavar="FILE",
        help="Manifests: a file of YAML or JSON, a folder, or - for standard input. "
        "May be given again.",
        show_default=False,
    ),
]
WindowOption = Annotated[
    str | None,
    typer.Option(
        metavar="START/END",
        help="Only rows of this time: START belongs to it, END does not. Each a date (midnight "
        "UTC) or a time with its zone, as 2026-03-01/2026-03-02T10:00:00Z.",
    ),
]
ThresholdsOption = Annotated[
    str | None,
    typer.Option(
        metavar="NUMBERS",
        help="Score thresholds of the curve, as 0.1,0.5,0.9. "
        "Default: 0.00 to 0.95 by 0.05, then 0.96 to 0.99; quantiles of scores outside 0..1.",
    ),
]
TimeoutOption = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION", help="With --wait: how long at most, as 30m. Default: no limit."
    ),
]
LabelsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        metavar="LABEL",
        help="Evaluate this label alone; may be given again. Default: every label.",
    ),
]


def parse_window(text: str | None) -> TimeSpan | None:
    """The span of `START/END`; None for no text."""
    if text is None:
        return None
    from evaluation_operator.api.base import TimeSpan

    start, slash, end = text.partition("/")
    if not slash:
        raise CliError(f"--window: {text!r} has no '/': write START/END")
    span = TimeSpan(start_time=_time(start), end_time=_time(end))
    if span.start_time >= span.end_time:
        raise CliError(f"--window: {text!r} ends before it starts: write the earlier time first")
    return span


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        raise CliError(
            f"--window: {text!r} is no time: write one like 2026-03-01 or 2026-03-01T10:00:00Z"
        ) from None
    if time.tzinfo is None:
        if len(text.strip()) > len("2026-03-01"):
            raise CliError(f"--window: {text!r} has no time zone: add Z for UTC")
        time = time.replace(tzinfo=UTC)
    return time


def parse_timeout(text: str | None) -> float | None:
    """Seconds; None for no text."""
    if text is None:
        return None
    from evaluation_operator.api.base import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise CliError(f"--timeout: {error}") from error


def parse_thresholds(text: str | None) -> list[float] | None:
    """Finite numbers, rising, without repeats; None for no text."""
    if text is None:
        return None
    numbers = []
    for part in text.split(","):
        try:
            number = float(part)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise CliError(f"--thresholds: {part!r}: write finite numbers, as 0.1,0.5,0.9")
        numbers.append(number)
    return sorted(set(numbers))
