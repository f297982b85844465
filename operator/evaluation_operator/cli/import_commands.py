"""`rows import` and `labels import`: files of people, into a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evaluation_operator.cli.options import OutputOption
from evaluation_operator.cli.output import Output, plural, reports_errors, tell, write

if TYPE_CHECKING:
    from evaluation_operator.cli.importing import Imported

rows_app = typer.Typer(no_args_is_help=True, help="Bring predictions into a table.")
labels_app = typer.Typer(no_args_is_help=True, help="Bring ground truth into a table.")

FileArgument = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="A .jsonl, .csv or .parquet file.", show_default=False),
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
    file: FileArgument,
    table: TableOption,
    model: Annotated[
        str | None, typer.Option(help="Model of the rows that do not name their own.")
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="Version of the rows that do not name their own.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Add predictions to a table, which is created if it is missing.

    Columns: time, raw_data, raw_prediction, and if wanted groundtruth, id, model and
    model_version. All rows are imported or, when one is wrong, none. Importing a file again
    adds nothing.
    """
    from evaluation_operator.cli.importing import import_row_file
    from evaluation_operator.cli.tables import as_uri

    imported = import_row_file(file, as_uri(table), model=model, model_version=version)
    _show(imported, "row", output)


@labels_app.command(
    "import",
    epilog="Example: kubectl evaluations labels import labels.csv --table ./predictions",
)
@reports_errors
def import_labels(
    file: FileArgument,
    table: TableOption,
    output: OutputOption = Output.TABLE,
) -> None:
    """Add ground truth to the rows of a table, by their ids.

    Columns: id, groundtruth, and if wanted labeled_at and labeler. The newest label of a row
    counts, by its labeled_at or else the time of this import, and beats the row's own. All
    labels are imported or, when one is wrong, none.
    """
    from evaluation_operator.cli.importing import import_label_file
    from evaluation_operator.cli.tables import as_uri

    _show(import_label_file(file, as_uri(table)), "label", output)


def _show(imported: Imported, noun: str, output: Output) -> None:
    if output is not Output.TABLE:
        write(imported.to_dict(), output)
        return
    tell(f"imported {plural(imported.imported, noun)} into {imported.table}")
    if imported.already_there:
        tell(f"already there: {plural(imported.already_there, noun)}")
    if imported.ids:
        more = ", …" if imported.imported + imported.already_there > len(imported.ids) else ""
        tell(f"row ids: {', '.join(imported.ids)}{more}")
