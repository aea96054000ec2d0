"""What a benchmark hands over, there and back."""

from __future__ import annotations

import json

from benchmarks.record import Aim, Chart, Figures, Line, NotRun, Record, from_json

FULL = Record(
    (Aim("a ÷ b ≤ 2", "1.60", True), Aim("c", "not measured", None), Aim("d", "3", False)),
    "| a | b |\n| --- | --- |",
    Chart("t", "images", "seconds", (Line("cold", ((1, 2.5), (10, 4)), floor=True),), log=True),
    (Figures("ours", "50.15", "12.65", "2.35 (2.12)", "5.49"),),
    (NotRun("magicpak", "magicpak not found"),),
)


def test_a_record_is_read_as_it_was_written() -> None:
    dated = FULL.dated("2026-11-25", "a machine")
    assert from_json(dated.to_json()) == dated
    assert (dated.date, dated.machine) == ("2026-11-25", "a machine")


def test_one_without_a_plot_too() -> None:
    bare = Record(FULL.aims)
    assert from_json(bare.to_json()) == bare


def test_its_text_is_for_people_too() -> None:
    text = FULL.to_json()
    assert "a ÷ b ≤ 2" in text
    assert text.endswith("}\n")
    assert json.loads(text)["date"] is None
