"""`rows import` and `labels import`: files of people, into a table."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from evaluation_operator.cli.options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    OutputOption,
)
from evaluation_operator.cli.output import Output, plural, reports_errors, say, tell, write

if TYPE_CHECKING:
    from evaluation_operator.cli.importing import Imported
    from evaluation_operator.cli.judging import Judge

rows_app = typer.Typer(no_args_is_help=True, help="Bring predictions into a table.")
labels_app = typer.Typer(no_args_is_help=True, help="Bring ground truth into a table.")


class RowSource(StrEnum):
    """Systems whose files `rows import` reads; `tables/sources` has each."""

    AZURE_ML = "azure-ml"
    DATABRICKS = "databricks"
    KSERVE_BLOB = "kserve-blob"
    SAGEMAKER = "sagemaker"
    VERTEX = "vertex"


FilesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="Files of .jsonl, .json, .csv or .parquet, folders or patterns of them; - for JSON "
        "from standard input.",
        show_default=False,
    ),
]
TableOption = Annotated[
    str,
    typer.Option(
        metavar="URI",
        help="Table: a folder, or a file://, s3:// or postgresql:// URI.",
        show_default=False,
    ),
]


@rows_app.command(
    "import",
    epilog="Example: kubectl evaluations rows import predictions.jsonl --table ./predictions "
    "--model digits --version v1",
)
@reports_errors
def import_rows(
    places: FilesArgument,
    table: TableOption,
    files: Annotated[
        list[str] | None,
        typer.Option(
            "--filename",
            "-f",
            metavar="FILE",
            help="Manifests of the EvaluationJob and its AnnotationSpecSet: each row is read as a "
            "run would read it, and names the job's model version unless it names its own.",
        ),
    ] = None,
    job: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which job, when the files have several.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Model of the rows that do not name their own.")
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="Version of the rows that do not name their own.")
    ] = None,
    system: Annotated[
        RowSource | None,
        typer.Option(
            "--from",
            help="Whose files they are, if they are not in our columns. Their records say of no "
            "row which model version of ours it is of: give -f, or --model and --version.",
        ),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Time of the rows that have none, as 2026-03-01T10:00:00Z."
        ),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Add predictions to a table, which is created if it is missing.

    Columns: time, raw_data, raw_prediction, and if wanted groundtruth, id, model and
    model_version. All rows are imported or, when one is wrong, none. Importing a file again
    adds nothing.
    """
    from evaluation_operator.cli.import_places import files_of
    from evaluation_operator.cli.importing import import_row_files
    from evaluation_operator.cli.tables import as_uri
    from evaluation_operator.tables.sources.registry import ROW_SOURCES

    judge = _judge_of(files, job)
    if judge is not None and model is None and version is None:
        model, version = judge.model_version
    reader = judge.reader if judge is not None else None
    with files_of(places) as paths:
        imported = import_row_files(
            paths,
            as_uri(table),
            model=model,
            model_version=version,
            time=time,
            source=ROW_SOURCES[system]() if system is not None else None,
            reader=reader,
        )
    _show(imported, "row", output)


@labels_app.command(
    "import",
    epilog="Example: kubectl evaluations labels import labels.csv --table ./predictions "
    "--model-version models/digits/versions/v1",
)
@reports_errors
def import_labels(
    places: FilesArgument,
    table: TableOption,
    files: Annotated[
        list[str] | None,
        typer.Option(
            "--filename",
            "-f",
            metavar="FILE",
            help="Manifest of the EvaluationJob whose model version the labels are of; with its "
            "AnnotationSpecSet each label is read as a run would read it.",
        ),
    ] = None,
    job: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The same by the job's name: in these files, or without any in the cluster.",
        ),
    ] = None,
    model_version: Annotated[
        str | None,
        typer.Option(
            metavar="models/M/versions/V",
            help="Whose rows the labels are of. Default: that of the table, if it has only one.",
        ),
    ] = None,
    all_versions: Annotated[
        bool,
        typer.Option(
            "--all-versions", help="The labels are true of every model version's row of their id."
        ),
    ] = False,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Add ground truth to the rows of a table, by their ids.

    Columns: id, groundtruth, and if wanted labeled_at, labeler, model and model_version. The
    newest label of a row counts, by its labeled_at or else the time of this import, and beats the
    row's own. It counts for one model version, which a table that has several must be told: by
    the job, by --model-version or by the file. All labels are imported or, when one is wrong, none.
    """
    from evaluation_operator.cli.import_places import files_of
    from evaluation_operator.cli.importing import import_label_files
    from evaluation_operator.cli.label_scope import choose_scope
    from evaluation_operator.cli.tables import as_uri
    from evaluation_operator.cli.target import Target

    scope = choose_scope(
        files or [],
        job,
        model_version,
        is_for_all=all_versions,
        target=Target(namespace, kubeconfig, context),
    )
    judge = _judge_of(files, job)
    reader = judge.reader if judge is not None else None
    with files_of(places) as paths:
        _show(import_label_files(paths, as_uri(table), scope, reader), "label", output)


def _judge_of(files: list[str] | None, job: str | None) -> Judge | None:
    if not files:
        return None
    # Only then: what judges manifests is not in the images where labels are imported, too.
    from evaluation_operator.cli.judging import read_judge

    return read_judge(files, job)


def _show(imported: Imported, noun: str, output: Output) -> None:
    if output is not Output.TABLE:
        write(imported.to_dict(), output)
        return
    for warning in imported.warnings:
        say(f"warning: {warning}")
    tell(f"imported {plural(imported.imported, noun)} into {imported.table}")
    if imported.already_there:
        tell(f"already there: {plural(imported.already_there, noun)}")
    if (matches := imported.matches) is not None:
        tell(f"{matches.matched} of {plural(matches.ids, 'id')} are in the table")
        if matches.unmatched_ids:
            more = ", …" if matches.ids - matches.matched > len(matches.unmatched_ids) else ""
            shown = ", ".join(map(repr, matches.unmatched_ids))
            tell(f"not (yet) in the table: {shown}{more}; rows that come later get these labels")
        if matches.replaced:
            tell(f"older ground truth is replaced of {plural(matches.replaced, 'row')}")
    if imported.ids:
        more = ", …" if imported.imported + imported.already_there > len(imported.ids) else ""
        tell(f"row ids: {', '.join(imported.ids)}{more}")
