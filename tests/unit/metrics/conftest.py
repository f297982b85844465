"""The last lines of a test run say how many scenes were compared with pycocotools."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    differences = [
        value
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == "difference from pycocotools"
    ]
    if differences:
        terminalreporter.write_line(
            f"pycocotools: {len(differences)} scenes of 12 figures each; "
            f"the largest difference is {max(differences):.1e}"
        )
