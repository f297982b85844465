"""The program `kubectl-evaluations`, which kubectl also finds as `kubectl evaluations`.

What a command needs beyond its options is imported when it runs: `--help` stays quick.
"""

from __future__ import annotations

from typing import Annotated

import typer

from evaluation_operator import __version__
from evaluation_operator.cli import (
    import_commands,
    job_commands,
    labeling_commands,
    sampling_commands,
    schedule_commands,
)
from evaluation_operator.cli.evaluate_command import evaluate
from evaluation_operator.cli.explain_command import explain
from evaluation_operator.cli.output import PROGRAM, tell
from evaluation_operator.cli.reevaluate_command import reevaluate
from evaluation_operator.cli.run_command import run
from evaluation_operator.cli.try_command import try_
from evaluation_operator.cli.validate_command import validate

_EXAMPLE = "Example: kubectl evaluations"

app = typer.Typer(
    name=PROGRAM,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(is_asked: bool) -> None:
    if is_asked:
        tell(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback()
def options(
    is_asked: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_version, help="Say which version this is."
        ),
    ] = False,
) -> None:
    """Evaluate served models: schedules, manifests, runs and results."""


app.command("list", epilog=f"{_EXAMPLE} list -A")(job_commands.list_jobs)
app.command("describe", epilog=f"{_EXAMPLE} describe digits-v1 -n digits")(job_commands.describe)
app.command("explain", epilog=f"{_EXAMPLE} explain ImagePullBackOff")(explain)
app.command("run", epilog=f"{_EXAMPLE} run digits-v1 -n digits --label 3 --label 8 --wait")(run)
app.command("reevaluate", epilog=f"{_EXAMPLE} reevaluate evj-digits-v1-29541240 -n digits --wait")(
    reevaluate
)
app.command("pause", epilog=f"{_EXAMPLE} pause digits-v1 -n digits")(job_commands.pause)
app.command("resume", epilog=f"{_EXAMPLE} resume digits-v1 -n digits")(job_commands.resume)
app.command("sampling", epilog=f"{_EXAMPLE} sampling digits-v1 -n digits")(
    sampling_commands.sampling
)
app.command("labeling", epilog=f"{_EXAMPLE} labeling digits-v1 -n digits")(
    labeling_commands.labeling
)
app.command("attach", epilog=f"{_EXAMPLE} attach digits-v1 -n digits --to kserve")(
    sampling_commands.attach
)
app.add_typer(schedule_commands.app, name="schedule")
app.command("validate", epilog=f"{_EXAMPLE} validate -f manifests/samples")(validate)
app.command("evaluate", epilog=f"{_EXAMPLE} evaluate -f job.yaml --table ./predictions")(evaluate)
app.command("try", epilog=f"{_EXAMPLE} try -f job.yaml --request asked.json --response said.json")(
    try_
)
app.add_typer(import_commands.rows_app, name="rows")
app.add_typer(import_commands.labels_app, name="labels")


def main() -> None:
    """Exit codes: 0 done; 1 it failed, or is not valid; 2 usage; 3 a version has not ended well."""
    app(prog_name="kubectl evaluations")


if __name__ == "__main__":
    main()
