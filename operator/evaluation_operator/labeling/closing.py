"""Projects whose job is gone are closed, as each one's own marker says."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection

from evaluation_operator.labeling.backend import Backend

logger = logging.getLogger(__name__)


async def close_orphans(
    backend: Backend, namespace: str, live_jobs: Callable[[], Awaitable[Collection[str]]]
) -> int:
    """How many of the namespace's projects were closed. Raises the last error when any was not.

    `live_jobs` gives the uids of all EvaluationJobs of the namespace. It is asked after the
    projects were listed: a job that was made in between has none in that list, so no project of a
    job that is there can be taken for an orphan. Projects of other namespaces are not ours.
    """
    projects = [it for it in await backend.list_projects() if it.namespace == namespace]
    if not projects:
        return 0
    live = frozenset(await live_jobs())
    failed: Exception | None = None
    closed = 0
    for project in projects:
        if project.job_uid in live:
            continue
        try:
            await backend.close_project(project)
        except Exception as error:
            # Told at the end: what is wrong with one project keeps no other open.
            failed = error
            continue
        closed += 1
        logger.info("project %s is closed (%s): its job is gone", project.ref, project.on_close)
    if failed is not None:
        raise failed
    return closed
