"""What becomes of a child process that is given up, and of what it started."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.isolation.watching import alive, watch

#: Writes its number to the file that is named, and stays.
STAYS = "import os, sys, time; open(sys.argv[1], 'w').write(f'{os.getpid()}.'); time.sleep(600)"


def test_what_outlives_it_is_waited_for() -> None:
    looks = [True, True, False]
    assert watch([sys.executable, "-c", ""], b"", 60, {}, left=lambda: looks.pop(0)).status == 0
    assert looks == []


@pytest.mark.parametrize("interrupted", [False, True])
def test_what_is_given_up_has_ended(tmp_path: Path, interrupted: bool) -> None:
    file = tmp_path / "pid"
    looks = [True, False]

    def enough() -> bool:
        if not file.exists() or not file.read_text().endswith("."):
            return False
        if interrupted:
            raise KeyboardInterrupt
        return True

    command = [sys.executable, "-c", STAYS, str(file)]
    try:
        ended = watch(command, b"", 60, {}, until=enough, left=lambda: looks.pop(0))
        assert not interrupted and ended.status is None and not ended.timed_out
    except KeyboardInterrupt:
        assert interrupted
    assert not alive(int(file.read_text().rstrip(".")))
    assert looks == []


def test_a_process_is_alive_until_it_ends() -> None:
    assert alive(os.getpid())
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert not alive(child)  # it waits for somebody to ask for its status
    os.waitpid(child, 0)
    assert not alive(child)
