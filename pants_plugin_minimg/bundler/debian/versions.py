"""Versions of packages: which is later, and whether one satisfies a relation.

The order is deb-version(7)'s, by debian-inspector. Its reader of version strings is not used: it
refuses `1.0~` and `1:2.39.5-.`, which relations hold and dpkg reads.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

_FORM = re.compile(r"(?:([0-9]+):)?([A-Za-z0-9.+~-]+?)(?:-([A-Za-z0-9.+~]+))?\Z")
_MAX_EPOCH = 2**31 - 1  # dpkg reads the epoch into an int
#: The relations of Debian Policy 7.1.
_HOLDS: dict[str, Callable[[int], bool]] = {
    "<<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    "=": lambda order: order == 0,
    ">=": lambda order: order >= 0,
    ">>": lambda order: order > 0,
}


@cache
def _parts(version: str) -> tuple[int, str, str]:
    """Epoch, upstream's version and revision."""
    found = _FORM.match(version)
    if found is None or version.endswith("-"):
        raise ValueError(f"{version!r} is not a version")
    epoch = int((found[1] or "0")[-11:])
    if epoch > _MAX_EPOCH or len((found[1] or "0").lstrip("0")) > 10:
        raise ValueError(f"the epoch of {version!r} is too large")
    return epoch, found[2], found[3] or "0"


def check(version: str) -> str:
    """The version itself. Raises ValueError when it is none (Policy 5.6.12).

    A colon after the epoch's, which the policy allows and no archive has, is refused too.
    """
    _parts(version)
    return version


@cache
def _read(version: str) -> Any:
    # Here, where it is needed: who only reads relations need not pay for the import.
    from debian_inspector.version import Version

    epoch, upstream, revision = _parts(version)
    return Version(epoch=epoch, upstream=upstream, revision=revision)


@cache
def compare(one: str, other: str) -> int:
    """Negative when `one` is earlier, 0 when equal, positive when later. Raises ValueError."""
    from debian_inspector.version import compare_version_objects

    return int(compare_version_objects(_read(one), _read(other)))


def satisfies(version: str, relation: str, wanted: str) -> bool:
    """Whether `version RELATION wanted` holds. Raises ValueError."""
    return _HOLDS[relation](compare(version, wanted))
