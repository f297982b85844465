"""`schedule explain`: what a schedule means, before it is applied."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from evaluation_operator.cli.errors import CliError
from evaluation_operator.cli.options import OutputOption
from evaluation_operator.cli.output import Output, plural, print_fields, reports_errors, write

app = typer.Typer(no_args_is_help=True, help="Understand schedules.")


@app.command(epilog='Example: kubectl evaluations schedule explain "every 50 hours"')
@reports_errors
def explain(
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="Crontab or English.", show_default=False)
    ],
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse what the original language does not have.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Say what a schedule means.

    Shows its interval in days, warnings, and the next five runs of a job that is created now.
    Exit code 1: the schedule is not legal.
    """
    from evaluation_operator.domain import schedule

    try:
        explanation = schedule.explain(text, strict=strict, now=datetime.now(UTC))
    except schedule.ScheduleError as error:
        raise CliError(error.message) from error
    content = explanation.as_dict()
    if output is not Output.TABLE:
        write({**content}, output)
        return
    mean = f" (mean gap {content['meanGapDays']:.6g})" if content["warnings"] else ""
    print_fields(
        [
            ("Schedule", content["schedule"]),
            ("Language", content["kind"]),
            ("Interval", plural(content["intervalDays"], "day") + mean),
            ("Meaning", content["explanation"]),
            *(("Warning", warning) for warning in content["warnings"]),
            *(("Next runs", run) for run in content["nextRuns"]),
        ]
    )
