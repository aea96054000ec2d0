"""Which wheels the interpreter takes that runs this, as pex reads it of a foreign machine.

The sandbox tool is resolved where Pants runs, also for an interpreter that is elsewhere: there this
program is run by its text, and prints a "complete platform" (`pex3 interpreter inspect` prints the
like). It imports nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator

#: glibc's minor version of the oldest wheels of both architectures (PEP 600), and their older name.
_OLDEST_GLIBC, _OLDEST_NAME = 17, "manylinux2014"
_OLDEST_ABI3 = 2


def glibc_minor() -> int | None:
    """None for another C library."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (AttributeError, OSError, ValueError):
        return None
    return int(version.split(".")[1]) if name == "glibc" else None


def platforms(machine: str, minor: int | None) -> Iterator[str]:
    """The best first."""
    if minor is not None:
        for each in range(minor, _OLDEST_GLIBC - 1, -1):
            yield f"manylinux_2_{each}_{machine}"
        if minor >= _OLDEST_GLIBC:
            yield f"{_OLDEST_NAME}_{machine}"
    yield f"linux_{machine}"


def tags(version: int, machine: str, minor: int | None) -> Iterator[str]:
    """Of CPython 3.`version` (the order of PEP 425: what fits best first)."""
    own = f"cp3{version}"
    where = list(platforms(machine, minor))
    for abi in (own, "abi3", "none"):
        yield from (f"{own}-{abi}-{each}" for each in where)
    for older in range(version - 1, _OLDEST_ABI3 - 1, -1):
        yield from (f"cp3{older}-abi3-{each}" for each in where)
    yield from (f"py3-none-{each}" for each in where)
    yield f"{own}-none-any"
    yield from (f"py3{version}-none-any", "py3-none-any")
    yield from (f"py3{older}-none-any" for older in range(version - 1, -1, -1))


def markers() -> dict[str, str]:
    """PEP 508, without the two that tell of the kernel."""
    return {
        "implementation_name": sys.implementation.name,
        "implementation_version": platform.python_version(),
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_system": platform.system(),
        "python_full_version": platform.python_version(),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "sys_platform": sys.platform,
    }


def complete_platform() -> str:
    """JSON, equal on machines of one architecture, version of Python and C library."""
    found = list(tags(sys.version_info[1], platform.machine(), glibc_minor()))
    return json.dumps({"compatible_tags": found, "marker_environment": markers()}, sort_keys=True)


if __name__ == "__main__":
    print(complete_platform())
