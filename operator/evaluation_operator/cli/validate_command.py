"""`validate`: the verdict of the API server and the operator, without either."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from evaluation_operator.cli.errors import EXIT_FAILED, one_line
from evaluation_operator.cli.options import FilesOption, OutputOption
from evaluation_operator.cli.output import Output, reports_errors, tell, write


@reports_errors
def validate(
    files: FilesOption,
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", help="Where a manifest goes that names no namespace."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse schedules that need an extension.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Judge manifests without a cluster, as the API server and the operator would.

    Objects of other API groups are left to kubectl. Exit code 1: a line for each fault.
    """
    from evaluation_operator.offline import OFFLINE_LIMITS, validate_files

    limits = replace(OFFLINE_LIMITS, strict_schedule=strict)
    faults = validate_files(files, limits=limits, namespace=namespace)
    if output is Output.TABLE:
        for fault in faults:
            tell(one_line(str(fault)))
        if not faults:
            tell("no faults")
    else:
        lines = [
            {
                "file": fault.file,
                "object": fault.title,
                "field": fault.fault.field,
                "value": fault.fault.value,
                "message": fault.fault.message,
                "reason": fault.fault.reason,
            }
            for fault in faults
        ]
        write({"valid": not faults, "faults": lines}, output)
    if faults:
        raise typer.Exit(EXIT_FAILED)
