"""Which Python runs the sandbox program."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pants_plugin_minimg.subsystems.interpreter import interpreter, own_interpreter


def test_it_is_the_one_that_pants_runs_on_by_the_file_that_its_links_lead_to(
    tmp_path: Path,
) -> None:
    link = tmp_path / "python"
    link.symlink_to(sys.executable)
    found = own_interpreter((3, 9, 18), str(link))
    assert found is not None
    assert found.path == os.path.realpath(sys.executable)
    assert found.fingerprint == "3.9.18"


@pytest.mark.parametrize("version", [(3, 9, 0), (3, 14, 2)])
def test_every_version_that_the_lock_serves_will_do(version: tuple[int, ...]) -> None:
    assert own_interpreter(version, sys.executable) is not None


@pytest.mark.parametrize("version", [(3, 8, 18), (3, 15, 0)])
def test_another_version_leaves_the_search_to_pants(version: tuple[int, ...]) -> None:
    assert own_interpreter(version, sys.executable) is None


def test_processes_elsewhere_do_not_see_it() -> None:
    assert interpreter(local=False) is None
    assert interpreter(local=True) is not None
