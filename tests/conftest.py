"""For all tests: on a machine that is said to have everything, a test that skips fails."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("MINIMG_TESTS_NO_SKIP") == "1":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} may not skip (MINIMG_TESTS_NO_SKIP=1): {reason}"


def pytest_collectreport(report: pytest.CollectReport) -> None:
    # A module that skips as a whole.
    if report.skipped and os.environ.get("MINIMG_TESTS_NO_SKIP") == "1":
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} may not skip (MINIMG_TESTS_NO_SKIP=1)"
