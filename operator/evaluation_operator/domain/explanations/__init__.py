"""What every reason means, and what to type: for docs/troubleshooting.md and for the command line.

A module for each place where people meet reasons; `EXPLANATIONS` is all of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from evaluation_operator.domain.explanations.codes import CODES, CodeMeaning
from evaluation_operator.domain.explanations.explanation import PLACEHOLDERS, Explanation, Place
from evaluation_operator.domain.explanations.jobs import OF_JOBS
from evaluation_operator.domain.explanations.people import OF_PEOPLE
from evaluation_operator.domain.explanations.runs import OF_RUNS
from evaluation_operator.domain.explanations.troubles import OF_TROUBLES
from evaluation_operator.domain.explanations.versions import OF_VERSIONS
from evaluation_operator.domain.explanations.watching import (
    OF_LOGGERS,
    OF_QUALITY,
    OF_THE_SAMPLER,
)
from evaluation_operator.domain.reasons import Reason

EXPLANATIONS: Mapping[Reason, Explanation] = {
    **OF_JOBS,
    **OF_TROUBLES,
    **OF_RUNS,
    **OF_QUALITY,
    **OF_THE_SAMPLER,
    **OF_LOGGERS,
    **OF_PEOPLE,
    **OF_VERSIONS,
}

__all__ = [
    "CODES",
    "EXPLANATIONS",
    "OF_JOBS",
    "OF_LOGGERS",
    "OF_PEOPLE",
    "OF_QUALITY",
    "OF_RUNS",
    "OF_THE_SAMPLER",
    "OF_TROUBLES",
    "OF_VERSIONS",
    "PLACEHOLDERS",
    "CodeMeaning",
    "Explanation",
    "Place",
]
