"""Durations as Go reads them."""

from __future__ import annotations

import pytest

from pants_plugin_minimg.bundler.durations import nanoseconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", 30 * 10**9),
        ("1m30s", 90 * 10**9),
        ("1.5s", 1_500_000_000),
        ("500ms", 500_000_000),
        ("0.1ms", 100_000),
        ("2h", 7200 * 10**9),
        ("0s", 0),
    ],
)
def test_durations(text: str, expected: int) -> None:
    assert nanoseconds(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "30", "s", "-1s", "1 s", "1d", "1.s", ".5s", "1s\n", "9999999999h", "999999999h" * 3],
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError):
        nanoseconds(text)
