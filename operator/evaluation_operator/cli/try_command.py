"""`try`: what one prediction of a model becomes, with no cluster."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evaluation_operator.cli.errors import EXIT_FAILED, CliError
from evaluation_operator.cli.options import FilesOption, OutputOption
from evaluation_operator.cli.output import (
    Output,
    print_fields,
    print_table,
    print_title,
    reports_errors,
    write,
)

if TYPE_CHECKING:
    from evaluation_operator.tasks.trial import Trial, TriedItem

_STANDARD_INPUT = "-"


@reports_errors
def try_(
    files: FilesOption,
    response: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="The body that the server answered with, as it is; or - for standard input.",
            show_default=False,
        ),
    ],
    request: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The body of the request. Default: it is not looked at."),
    ] = None,
    job: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which job, when the files have several.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Read one prediction of a model as the sampler and a run would, item by item.

    The files hold an EvaluationJob and its AnnotationSpecSet. Exit code 1: an item cannot be read,
    and why.
    """
    from evaluation_operator.cli.judging import read_spec
    from evaluation_operator.tasks.trial import try_prediction

    spec, reader = read_spec(files, job)
    asked = None if request is None else _bytes_of(request, "--request")
    trial = try_prediction(reader, spec.annotation_specs, asked, _bytes_of(response, "--response"))
    if output is Output.TABLE:
        _print(trial)
    else:
        write(_content(trial), output)
    if trial.reason is not None:
        raise typer.Exit(EXIT_FAILED)


def _bytes_of(file: str, option: str) -> bytes:
    if file == _STANDARD_INPUT:
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise CliError(
            f"{option}: {file}: {error.strerror}; give a file that can be read"
        ) from None


def _content(trial: Trial) -> dict[str, object]:
    return {
        "form": trial.form,
        "reason": trial.reason,
        "message": trial.message,
        "warnings": list(trial.warnings),
        "items": [
            {
                "labels": list(item.labels),
                "scores": None if item.scores is None else list(item.scores),
                "boxes": None if item.boxes is None else [list(box) for box in item.boxes],
                "fault": item.fault,
            }
            for item in trial.items
        ],
    }


def _print(trial: Trial) -> None:
    print_fields(
        [
            ("Form", trial.form or ""),
            ("Reason", trial.reason or ""),
            ("Message", trial.message),
            *(("Warning", text) for text in trial.warnings),
        ]
    )
    if trial.items:
        print_title("Items")
        lines = [(str(place), *_line(item)) for place, item in enumerate(trial.items)]
        print_table(("#ITEM", "PREDICTED"), lines, indent=2)


def _line(item: TriedItem) -> tuple[str]:
    if item.fault is not None:
        return (f"cannot be read: {item.fault}",)
    scores = item.scores if item.scores is not None else [None] * len(item.labels)
    boxes = item.boxes if item.boxes is not None else [None] * len(item.labels)
    told = [
        label
        + ("" if score is None else f" {score:g}")
        + ("" if box is None else f" at {', '.join(f'{it:g}' for it in box)}")
        for label, score, box in zip(item.labels, scores, boxes, strict=True)
    ]
    return ("; ".join(told) or "nothing",)
