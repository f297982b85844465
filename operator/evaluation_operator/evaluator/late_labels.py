"""Telling earlier runs of a job how many labels have come since they were evaluated.

Only who reads the table can know that, and every scheduled run does so anyway. What goes wrong here
fails nothing: the next run counts again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from evaluation_operator.api.dataset import Dataset, RunResult
from evaluation_operator.domain.naming import is_version_run
from evaluation_operator.evaluator.publish import Status, change_dataset, read_dataset
from evaluation_operator.kube import ApiError, Kube
from evaluation_operator.results import layout
from evaluation_operator.results.ending import ending
from evaluation_operator.results.errors import RunError
from evaluation_operator.results.folder import Folder

EARLIER_RUNS = 30
"""How many earlier runs are looked at, revisions of them included."""

logger = logging.getLogger(__name__)


def is_counting(dataset: Dataset) -> bool:
    """Whether the run also looks at those before it: a scheduled one of a job that wants that."""
    return _is_scheduled(dataset) and dataset.spec.minimum_new_labels is not None


async def tell_new_labels(
    kube: Kube, dataset: Dataset, folder: Folder, count: Callable[[Dataset, Folder], int]
) -> None:
    """Into the status of each earlier run what `count` finds, given the run and its folder. It
    reads the table, so it works in a thread."""
    try:
        for name in _earlier(dataset, folder):
            run = await read_dataset(kube, dataset.metadata.namespace, name)
            if run is None or not _is_evaluated(run):
                continue
            try:
                found = await asyncio.to_thread(count, run, folder.sibling(name))
            except RunError as error:
                logger.warning("labels that came late for %s are not counted: %s", name, error)
                continue
            await _tell(kube, run, found)
    except (ApiError, RunError) as error:
        logger.warning("labels that came late are not counted: %s", error)


def _earlier(dataset: Dataset, folder: Folder) -> list[str]:
    """Committed runs of the job, by time; most of the older ones have no Dataset any more."""
    names = [
        name
        for name in folder.siblings()
        if name != dataset.metadata.name and not is_version_run(name)
    ]
    return [name for name in names[-EARLIER_RUNS:] if folder.sibling(name).exists(layout.COMMITTED)]


def _is_evaluated(run: Dataset) -> bool:
    outcome = run.status.outcome
    return _is_scheduled(run) and outcome is not None and outcome.result is RunResult.SUCCEEDED


def _is_scheduled(run: Dataset) -> bool:
    return run.spec.revision is None and run.spec.evaluation_job_version is None


async def _tell(kube: Kube, run: Dataset, count: int) -> None:
    """The number only grows: another who counts may know of more."""

    def changed(status: Status) -> Status | None:
        stands = status.get("newLabelCount") or 0
        return status | {"newLabelCount": count} if count > stands else None

    with ending.waits():
        await change_dataset(kube, run, changed)
