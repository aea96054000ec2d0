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
def _parse(version: str) -> Any:
    found = _FORM.match(version)
    if found is None or version.endswith("-"):
        raise ValueError(f"{version!r} is not a version")
    epoch = int((found[1] or "0")[-11:])
    if epoch > _MAX_EPOCH or len((found[1] or "0").lstrip("0")) > 10:
        raise ValueError(f"the epoch of {version!r} is too large")
    # Here, where it is needed: each process of a build would pay for the import.
    from debian_inspector.version import Version

    return Version(epoch=epoch, upstream=found[2], revision=found[3] or "0")


def check(version: str) -> str:
    """The version itself. Raises ValueError when it is none (Policy 5.6.12).

    A colon after the epoch's, which the policy allows and no archive has, is refused too.
    """
    _parse(version)
    return version


@cache
def compare(one: str, other: str) -> int:
    """Negative when `one` is earlier, 0 when equal, positive when later. Raises ValueError."""
    from debian_inspector.version import compare_version_objects

    return int(compare_version_objects(_parse(one), _parse(other)))


def satisfies(version: str, relation: str, wanted: str) -> bool:
    """Whether `version RELATION wanted` holds. Raises ValueError."""
    return _HOLDS[relation](compare(version, wanted))
