"""What the page about UPX makes of what was measured."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import upx


def job() -> upx.Job:
    """Bytes on disk and on the wire of each setting, the plain program's being 100 and 60."""
    made = upx.Job(argparse.Namespace(date=None), Path())
    for path in upx.PROGRAMS:
        for setting, (disk, wire) in zip(upx.SETTINGS, ((50, 61), (45, 58), (40, 40), (39, 39))):
            made.rows[path, setting] = {
                "path": path, "plain": 100, "plain_wire": 60, "packed": disk, "packed_wire": wire,
                "pack": 1.0, "plain_seconds": 0.1, "packed_seconds": 0.2, "plain_memory": None,
                "packed_memory": 3e6,
            }  # fmt: skip
    return made


def test_what_true_stands_for_wins_on_disk_and_on_the_wire() -> None:
    (aim,) = job().record().aims
    assert aim.met and aim.measured.startswith("0.40 and 0.67 of plain, ")


def test_another_setting_that_wins_is_a_miss() -> None:
    for size in ("packed", "packed_wire"):
        made = job()
        made.rows[upx.PROGRAMS[0], next(iter(upx.SETTINGS))][size] = 39
        assert [aim.met for aim in made.record().aims] == [False]


def test_what_was_not_seen_is_no_figure() -> None:
    plain = next(line for line in job().page().splitlines() if line.startswith("| plain"))
    assert plain.endswith("| 100 | – |")
