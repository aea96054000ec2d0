"""No damage to any file that the closure reads does more than the one error type.

How many: MINIMG_MUTANTS.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from . import mutants

MUTANTS = int(os.environ.get("MINIMG_MUTANTS", "2000"))
#: A hang, on a machine that does other work too.
SECONDS = 20


def test_mutants_bring_an_answer_or_the_one_error_type() -> None:
    command = [sys.executable, "-m", mutants.__name__]
    done = subprocess.run(
        [*command, f"--count={MUTANTS}", f"--seconds={SECONDS}", f"--jobs={os.cpu_count() or 1}"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = re.search(r"(\d+) mutants from 0 on: (\d+) programs resolved", done.stdout)
    assert summary is not None and int(summary.group(1)) == MUTANTS
    # As good as nothing resolved would mean that nothing was looked at.
    assert MUTANTS // 2 < int(summary.group(2)) < 2 * MUTANTS


@pytest.mark.parametrize(
    ("fault", "count"),
    [("raise ValueError()", 3), ("bytes(1 << 28)", 250), ("while True: pass", 3)],
)
def test_a_fault_would_be_found(fault: str, count: int) -> None:
    code = f"""
from {mutants.__name__} import symbol_versions
from {mutants.__name__} import examine
def check(*_):
    {fault}
    return [], []
symbol_versions.check = check
outcome = examine(0.5, range({count}))
assert outcome.count == {count}
print(len(outcome.failures))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert int(done.stdout or 0) > 0, done.stderr
