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
WANTED_FILES = 65_536


@dataclass(frozen=True, slots=True)
class Shares:
    """Connections of the listener for traffic, and of the one for probes and metrics."""

    traffic: int
    health: int


def share_files(traffic: int = 0, own: int = OWN_FILES) -> Shares:
    """Fit `traffic` connections and those of the health port beside `own` files.

    The soft limit is raised first, as far as the hard one lets it. Connections stay as few as they
    were asked for: of more, memory would be what ends.
    """
    soft = _raise_limit(max(WANTED_FILES, traffic + HEALTH_CONNECTIONS + own))
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


def _raise_limit(wanted: int) -> int:
    """The soft limit that then holds; `wanted` where there is none."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft
