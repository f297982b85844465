"""How the tests share two processes, and what they have to tell at the end."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Final

import pytest
from xdist.scheduler import LoadScopeScheduling

from evaluation_operator.redaction import Redactor, redact

Tell = Callable[[str], None]

_OF_CLUSTER: Final = "tests/e2e/"
_TOLD: Final = "told"
_DIFFERENCE: Final = "difference from pycocotools"


class _Files(LoadScopeScheduling):  # type: ignore[misc]  # It has no types.
    """There is one cluster, so one process has all of its tests; of others each file is in one, so
    that its fixtures are made once. The groups of xdist 3.8 do nothing with pytest 9.2 (its issue
    1386)."""

    def _split_scope(self, nodeid: str) -> str:
        return _OF_CLUSTER if nodeid.startswith(_OF_CLUSTER) else nodeid.partition("::")[0]


def pytest_collection_finish() -> None:
    """What is imported by now stays: to look through it for garbage costs a tenth of the time."""
    gc.collect()
    gc.freeze()


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    return _Files(config, log)


@pytest.fixture(autouse=True)
def _no_secret_outlives_its_test() -> Iterator[None]:
    """A program learns its secrets for life, and one test's password is another's word."""
    yield
    Redactor.__init__(redact)


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """For figures that are measured, not asserted, and for what a reader wants to see: they stand
    at the end of the run's output."""
    return lambda text: record_property(_TOLD, text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    properties = [
        pair
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        for pair in report.user_properties
    ]
    for name, value in properties:
        if name == _TOLD:
            terminalreporter.write_line(str(value))
    differences = [value for name, value in properties if name == _DIFFERENCE]
    if differences:
        terminalreporter.write_line(
            f"pycocotools: {len(differences)} scenes of 12 figures each; "
            f"the largest difference is {max(differences):.1e}"
        )
