"""Amounts of bytes as people write and read them."""

from __future__ import annotations

import re

_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_UNITS.update({"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30})
_SIZE = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,6}))? ?(B|[kMG]B|[KMG]iB)")


def parse(text: str) -> int:
    """Bytes of `20MB`, `1.5 GiB` or `512B`. Raises ValueError."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no size")
    whole, fraction, unit = match.groups()
    scale = 10 ** len(fraction or "")
    return (int(whole) * scale + int(fraction or 0)) * _UNITS[unit] // scale


def shown(count: int) -> str:
    """`999 B`, `12.3 kB`, `4.56 MB`: three digits, decimal units."""
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB"):
        if amount < 999.5:
            break
        amount, unit = amount / 1000, larger
    if unit == "B":
        return f"{count} B"
    return f"{amount:.{2 if amount < 9.995 else 1 if amount < 99.95 else 0}f} {unit}"
