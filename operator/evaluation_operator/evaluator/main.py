"""The program `evaluation-run`: what runs in the pods that the operator makes.

evaluation-run run        evaluate the Dataset that the environment names
evaluation-run cut        cut its rows, and write what people are to be asked about them
evaluation-run evaluate   evaluate it with what people have labelled
evaluation-run check      make a missing table, or say what is wrong with it
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

from evaluation_operator.api.dataset import Dataset, Writer
from evaluation_operator.api.table_address import shown_address
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.environment import forget_credentials
from evaluation_operator.evaluator.late_labels import is_counting, tell_new_labels
from evaluation_operator.evaluator.publish import publish, publish_cut, read_dataset
from evaluation_operator.evaluator.revision import Source, count_new_labels
from evaluation_operator.evaluator.run import (
    CutResult,
    RunResult,
    cut_dataset,
    evaluate_dataset,
)
from evaluation_operator.evaluator.run_rows import RunOptions
from evaluation_operator.evaluator.settings import (
    TERMINATION_LOG,
    RunSettings,
    check_settings,
    run_settings,
)
from evaluation_operator.kube import ApiError, Forbidden, Kube, Rejected
from evaluation_operator.redaction import log_to_stderr
from evaluation_operator.results import layout
from evaluation_operator.results.ending import ending
from evaluation_operator.results.errors import (
    InvalidRun,
    RunError,
    Unavailable,
    table_problems,
    termination_message,
)
from evaluation_operator.results.folder import Folder, run_folder
from evaluation_operator.storage.options import TableOptions
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.protocol import Table
from evaluation_operator.tasks.item_files import ItemCounts

logger = logging.getLogger(__name__)


def main() -> None:
    """Exit codes: see evaluator.errors; 0 when the run is committed or no longer wanted."""
    log_to_stderr("INFO")
    forget_credentials(os.environ)
    sys.exit(execute(sys.argv[1:], os.environ, TERMINATION_LOG))


def execute(arguments: list[str], environment: Mapping[str, str], verdict_file: Path) -> int:
    """Run a command; what went wrong goes to the log and, short, to `verdict_file`."""
    try:
        match arguments:
            case ["run"] | ["evaluate"]:
                asyncio.run(run(run_settings(environment)))
            case ["cut"]:
                asyncio.run(cut(run_settings(environment)))
            case ["check"]:
                check(environment)
            case _:
                given = " ".join(arguments) or "no command"
                raise InvalidRun(f"{given}: use `run`, `cut`, `evaluate` or `check`")
    except RunError as error:
        return _fail(error, verdict_file)
    except Exception as error:
        logger.exception("internal error")
        return _fail(RunError(f"{type(error).__name__}: {error}"), verdict_file)
    return 0


async def run(settings: RunSettings) -> None:
    """Evaluate one Dataset and commit; nothing to do when it is gone or has an outcome."""
    async with _wanted(settings) as (kube, dataset):
        if dataset is None:
            return
        folder = _folder(dataset, settings)
        with tempfile.TemporaryDirectory(dir=settings.scratch) as scratch:
            result = await asyncio.to_thread(evaluate_in, dataset, folder, settings, Path(scratch))
        await _commit(kube, dataset, result, folder)
        await _look_back(kube, dataset, folder, settings)


async def cut(settings: RunSettings) -> None:
    """Hand one Dataset over to people; nothing to do when it has been, is gone or has ended."""
    async with _wanted(settings) as (kube, dataset):
        if dataset is None or dataset.status.cut is not None:
            return
        folder = _folder(dataset, settings)
        with tempfile.TemporaryDirectory(dir=settings.scratch) as scratch:
            result = await asyncio.to_thread(cut_in, dataset, folder, settings, Path(scratch))
        if result.cut.figures.row_count:
            with api_errors(), ending.waits():
                handed = await publish_cut(kube, dataset, result, folder.uri)
                ending.is_in_time()
            logger.info("%d items to label%s", result.tasks, "" if handed else ": not wanted")
        else:
            empty = RunResult(result.cut, ItemCounts(), None, result.late_rows)
            await _commit(kube, dataset, empty, folder)
        await _look_back(kube, dataset, folder, settings)


async def _commit(kube: Kube, dataset: Dataset, result: RunResult, folder: Folder) -> None:
    """Say what came out, to the cluster and beside the results; who is told to end in between has
    said both, or only that there is an Evaluation, which the next pod adopts."""
    with api_errors(), ending.waits():
        committed = await publish(kube, dataset, result, folder.uri)
        if committed:
            _mark(dataset, folder)
        ending.is_in_time()
    logger.info("run %s", "committed" if committed else "yields: an outcome stood already")


def _mark(dataset: Dataset, folder: Folder) -> None:
    """For later runs, which read the results alone."""
    folder.write_json(layout.COMMITTED, {"dataset": dataset.metadata.name})


async def _look_back(kube: Kube, dataset: Dataset, folder: Folder, settings: RunSettings) -> None:
    """Count for earlier runs what labels have come since, if the job wants that."""
    if not is_counting(dataset):
        return

    def count(run: Dataset, its_folder: Folder) -> int:
        with (
            tempfile.TemporaryDirectory(dir=settings.scratch) as scratch,
            _opened(run, settings, Path(scratch)) as (table, options),
        ):
            source = Source.open(its_folder)
            return count_new_labels(run, table, source, options.scratch, options.now())

    await tell_new_labels(kube, dataset, folder, count)


@contextlib.asynccontextmanager
async def _wanted(settings: RunSettings) -> AsyncIterator[tuple[Kube, Dataset | None]]:
    """The Dataset that is to be worked on; None when nobody wants that any more."""
    kube = await Kube.connect(settings.kubeconfig)
    try:
        with api_errors():
            dataset = await read_dataset(kube, settings.namespace, settings.dataset)
        if dataset is not None and dataset.status.outcome is not None:
            _make_up(dataset, settings)
            dataset = None
        if dataset is None:
            logger.info("Dataset %s is gone or has an outcome: nothing to do", settings.dataset)
        yield kube, dataset
    finally:
        await kube.close()


def _folder(dataset: Dataset, settings: RunSettings) -> Folder:
    return run_folder(
        dataset.spec.results_uri,
        dataset.spec.evaluation_job.uid,
        dataset.metadata.name,
        TableOptions(credentials=settings.credentials),
    )


def _make_up(dataset: Dataset, settings: RunSettings) -> None:
    """Mark a run whose pod was killed just after it had committed."""
    outcome = dataset.status.outcome
    if outcome is None or outcome.written_by is not Writer.RUN:
        return
    try:
        folder = _folder(dataset, settings)
        if not folder.exists(layout.COMMITTED):
            _mark(dataset, folder)
    except RunError as error:
        logger.warning("later runs do not see that this one has ended: %s", error)


def evaluate_in(
    dataset: Dataset, folder: Folder, settings: RunSettings, scratch: Path
) -> RunResult:
    """The part of a run that works on the table, in the words of runs when it fails."""
    with _opened(dataset, settings, scratch) as (table, options):
        return evaluate_dataset(dataset, table, folder, options)


def cut_in(dataset: Dataset, folder: Folder, settings: RunSettings, scratch: Path) -> CutResult:
    """The same of a run that people label, up to where they are asked."""
    with _opened(dataset, settings, scratch) as (table, options):
        return cut_dataset(dataset, table, folder, options)


@contextlib.contextmanager
def _opened(
    dataset: Dataset, settings: RunSettings, scratch: Path
) -> Iterator[tuple[Table, RunOptions]]:
    source = dataset.spec.input_configs[0].table_source
    if source is None:
        raise InvalidRun("inputConfig: a run reads a tableSource; this version has no other")
    engine = TableOptions(
        threads=settings.threads, temp_directory=scratch, credentials=settings.credentials
    )
    with (
        table_problems(),
        contextlib.closing(open_table(source.input_uri, options=engine)) as table,
    ):
        yield table, RunOptions(scratch, settings.memory_limit, settings.threads, keeps_labels=True)


def check(environment: Mapping[str, str]) -> None:
    """Make a missing table with the right schema, or raise what is wrong with it."""
    settings = check_settings(environment)
    options = TableOptions(credentials=settings.credentials)
    with (
        table_problems(),
        contextlib.closing(open_table(settings.table_uri, options=options)) as table,
    ):
        state = table.ensure()
    if settings.results_uri:
        Folder.open(settings.results_uri, options)
    logger.info(
        "table %s: %s", shown_address(settings.table_uri), "created" if state.is_created else "fits"
    )


@contextlib.contextmanager
def api_errors() -> Iterator[None]:
    """Errors of the API server, as runs speak of them."""
    try:
        yield
    except Forbidden as error:
        raise InvalidRun(
            f"the API server refuses: {error.message}; install the namespace's runner role"
        ) from error
    except Rejected as error:
        raise RunError(f"the API server refuses: {error.message}") from error
    except ApiError as error:
        failure = Unavailable(f"the API server does not answer: {error.message}")
        failure.reason = Reason.API_UNAVAILABLE
        raise failure from error


def _fail(error: RunError, verdict_file: Path) -> int:
    logger.error("%s: %s", error.reason, error.message)
    for failure in error.partial_failures:
        logger.error("%s", failure.message)
    with contextlib.suppress(OSError):
        verdict_file.write_text(termination_message(error))
    return error.exit_code


if __name__ == "__main__":
    main()
