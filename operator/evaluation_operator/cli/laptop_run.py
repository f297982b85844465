"""A run on a laptop: the function of the pods, with nothing told to a cluster."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from evaluation_operator.api.codes import Code
from evaluation_operator.api.dataset import Dataset
from evaluation_operator.api.evaluation import Evaluation
from evaluation_operator.cli.errors import CliError
from evaluation_operator.cli.settings import table_options
from evaluation_operator.cli.tables import local_path
from evaluation_operator.evaluator.run import RunResult, evaluate_dataset
from evaluation_operator.evaluator.run_rows import RunOptions
from evaluation_operator.results.errors import RunError, table_problems
from evaluation_operator.results.folder import Folder, run_folder
from evaluation_operator.tables.label_scope import MOST_SHOWN, shown_versions
from evaluation_operator.tables.open import open_table


def evaluate_here(dataset: Dataset, *, keeps_results: bool, now: datetime) -> Evaluation:
    """The Evaluation of the Dataset. `keeps_results`: the full result goes to its resultsUri.

    A Dataset whose run has cut its rows is computed with the labels of that time, and with what
    people have labelled for it, which lies with the run's results; a revision with the rows and
    labels that it has kept there.
    """
    uri = _table_uri(dataset)
    folder = _results_folder(dataset, now) if keeps_results else None
    asks = dataset.spec.labeling is not None or dataset.spec.revision is not None
    labels = _results_folder(dataset, now) if asks else None
    cut = dataset.status.cut
    as_of = cut.time if cut is not None and cut.time is not None else now
    with run_problems(), tempfile.TemporaryDirectory(prefix="evaluate-") as scratch:
        result = _evaluate(dataset, uri, folder, labels, Path(scratch), as_of)
    if result.evaluation is None:
        message = _no_rows(dataset, uri, _versions_in(uri))
        raise CliError(message, code=Code.FAILED_PRECONDITION)
    if folder is not None:
        return result.evaluation
    spec = result.evaluation.spec.changed(results_uri="")
    return result.evaluation.changed(spec=spec)


def _evaluate(
    dataset: Dataset,
    uri: str,
    folder: Folder | None,
    labels: Folder | None,
    scratch: Path,
    as_of: datetime,
) -> RunResult:
    engine = table_options(scratch)
    options = RunOptions(scratch, threads=engine.threads, now=lambda: as_of)
    with table_problems(), contextlib.closing(open_table(uri, options=engine)) as table:
        return evaluate_dataset(dataset, table, folder, options, labels_from=labels)


@contextlib.contextmanager
def run_problems() -> Iterator[None]:
    """Errors of runs, as the command line speaks of them."""
    try:
        yield
    except RunError as error:
        details = [failure.message for failure in error.partial_failures]
        raise CliError(error.message, code=error.code, details=details) from error


def _table_uri(dataset: Dataset) -> str:
    source = dataset.spec.input_configs[0].table_source
    if source is None:
        raise CliError("inputConfig has no tableSource: name the table with --table")
    path = local_path(source.input_uri)
    if path is not None and not path.is_dir():
        raise CliError(
            f"{source.input_uri}: no such folder here; name the table's folder or URI with --table",
            code=Code.NOT_FOUND,
        )
    return source.input_uri


def _results_folder(dataset: Dataset, now: datetime) -> Folder:
    """A Dataset's own folder, whose cut is used again; a new one for what is computed anew."""
    name = dataset.metadata.name
    if not dataset.metadata.uid:
        name = f"{name}-{now:%Y%m%dT%H%M%S.%f}"
    with run_problems():
        return run_folder(
            dataset.spec.results_uri, dataset.spec.evaluation_job.uid, name, table_options()
        )


def _versions_in(uri: str) -> list[tuple[str, str]]:
    with (
        run_problems(),
        table_problems(),
        contextlib.closing(open_table(uri, options=table_options())) as table,
    ):
        return table.model_versions(MOST_SHOWN + 1)


def _no_rows(dataset: Dataset, uri: str, found: list[tuple[str, str]]) -> str:
    spec = dataset.spec
    where = "" if spec.all_rows else " in its windows"
    own = (spec.model_version.model, spec.model_version.version)
    others = [it for it in found if it != own]
    has = "no rows at all" if not found else f"those of {shown_versions(found)}"
    told = "" if own in found and not others else f", only {has}" if others else f", {has}"
    return (
        f"{uri} has no rows of {spec.model_version}{where}{told}: check --table, --window and "
        "spec.modelVersion"
    )
