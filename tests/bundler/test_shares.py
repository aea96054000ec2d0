"""Work that is shared among processes has the result of work that is not."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable

import pytest

from pants_plugin_minimg.bundler.shares import in_shares


def _work(items: Iterable[int]) -> list[tuple[int, int]]:
    return [(item * item, os.getpid()) for item in items]


@pytest.mark.parametrize("processors", [None, 1, 2, 3, 64])
@pytest.mark.parametrize("count", [0, 1, 9, 10, 19, 20, 21, 100])
def test_order_and_whole(
    processors: int | None, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    done = in_shares(_work, range(count), 10)
    assert [square for square, _ in done] == [number * number for number in range(count)]
    used = len({process for _, process in done})
    assert used <= max(1, min(processors or 1, count // 10, 8))


def test_neighbours_stay_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    done = [process for _, process in in_shares(_work, range(40), 10)]
    assert all(len(set(done[start : start + 7])) == 1 for start in range(0, 28, 7))


def test_a_process_that_dies_is_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    here = os.getpid()

    def dies(items: Iterable[int]) -> list[int]:
        if os.getpid() == here:
            time.sleep(0.05)  # so that others have a block before
        for item in (taken := list(items)):
            if os.getpid() != here and item % 10 == 0:
                os.kill(os.getpid(), 9)
        return taken

    assert in_shares(dies, range(40), 10) == list(range(40))


def test_a_failure_is_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)

    def fails(items: Iterable[int]) -> list[int]:
        taken = list(items)
        if 15 in taken:
            raise ValueError("15")
        return taken

    with pytest.raises(ValueError, match="15"):
        in_shares(fails, range(20), 10)


def test_without_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    monkeypatch.setattr(os, "fork", refuses)
    assert in_shares(list, range(35), 10) == list(range(35))


def test_where_the_system_does_not_tell_how_processes_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert in_shares(list, range(35), 10) == list(range(35))
    finally:
        signal.signal(signal.SIGCHLD, before)
