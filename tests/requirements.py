"""What tests need of the machine. Where it is missing they are skipped, with the reason printed.

With `MINIMG_TESTS_NO_SKIP=1` in the environment a missing requirement is a failure: so CI runs.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from typing import NoReturn

import pytest

NO_SKIP = "MINIMG_TESTS_NO_SKIP"


def unavailable(reason: str) -> NoReturn:
    """Skip the test, or fail it where nothing may be skipped."""
    if os.environ.get(NO_SKIP) == "1":
        pytest.fail(f"{reason}, and {NO_SKIP}=1", pytrace=False)
    pytest.skip(reason)


def program(name: str) -> str:
    """The path of a program on PATH."""
    found = shutil.which(name)
    if found is None:
        unavailable(f"there is no {name} on PATH")
    return found


def working(command: Sequence[str]) -> str:
    """The path of a program that a harmless probe (its arguments follow) shows to be usable."""
    path = program(command[0])
    problem = _probe((path, *command[1:]))
    if problem is not None:
        unavailable(f"{' '.join(command)}: {problem}")
    return path


@cache
def _probe(command: tuple[str, ...]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"exit status {done.returncode}"


def debian_mirror(suite: str) -> None:
    """Packages of `suite` are fetched from where this machine's apt fetches them."""
    lists = glob.glob("/etc/apt/sources.list") + glob.glob("/etc/apt/sources.list.d/*")
    if not any(suite in open(path, encoding="utf-8", errors="replace").read() for path in lists):
        unavailable(f"the apt sources of this machine name no mirror for {suite}")


def docker() -> str:
    """The docker client, when a server answers it."""
    return working(["docker", "info"])
