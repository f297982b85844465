"""How many connections fit into the files that a process may open.

A process that has used them all up can neither connect to anybody nor open what it has written.
So listeners get what is left beside a share that is the program's own.
"""

from __future__ import annotations

import logging
import resource
from dataclasses import dataclass

logger = logging.getLogger(__name__)

OWN_FILES = 256
"""For connections to others, write-ahead files, tables, and what libraries open."""
HEALTH_CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Shares:
    """Connections of the listener for traffic, and of the one for probes and metrics."""

    traffic: int
    health: int


def share_files(traffic: int = 0, own: int = OWN_FILES) -> Shares:
    """Fit `traffic` connections and those of the health port beside `own` files.

    Raises the soft limit as far as that needs and the hard limit lets it, and no further: with
    millions of connections, memory would be what ends.
    """
    soft = _raise_limit(traffic + HEALTH_CONNECTIONS + own)
    shares = fit(soft, traffic, own)
    if shares.traffic < traffic:
        logger.warning(
            "at most %d connections are taken instead of %d: the process may open %d files only; "
            "raise its limit (ulimit -n)",
            shares.traffic,
            traffic,
            soft,
        )
    return shares


def fit(files: int, traffic: int, own: int = OWN_FILES) -> Shares:
    """Shares of so many files: where they are few, half of them stay the program's own."""
    left = files - min(own, files // 2)
    health = max(1, min(HEALTH_CONNECTIONS, left // 4))
    return Shares(max(1, min(traffic, left - health)), health)


def _raise_limit(needed: int) -> int:
    """The soft limit that then holds."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return needed if soft == resource.RLIM_INFINITY else soft
    raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    return raised
