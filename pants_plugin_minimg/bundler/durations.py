"""Lengths of time as Go writes them (time.ParseDuration), which docker's health checks are in."""

from __future__ import annotations

import re

_NANOSECONDS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PART = r"[0-9]{1,9}(?:\.[0-9]{1,9})?(?:ms|[smh])"
_WHOLE = re.compile(f"(?:{_PART})+")
_PARTS = re.compile(r"([0-9]+)(?:\.([0-9]+))?(ms|[smh])")
#: The largest that Go's type takes.
_MAX = (1 << 63) - 1


def nanoseconds(text: str) -> int:
    """Of `30s`, `1m30s` or `1.5s`. Raises ValueError."""
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is no duration")
    total = 0
    for whole, fraction, unit in _PARTS.findall(text):
        scale = 10 ** len(fraction)
        total += (int(whole) * scale + int(fraction or 0)) * _NANOSECONDS[unit] // scale
    if total > _MAX:
        raise ValueError(f"{text!r} is longer than 292 years")
    return total
