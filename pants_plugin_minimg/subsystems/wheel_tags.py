"""Which wheels the interpreter takes that runs this, as pex reads it of a foreign machine.

The sandbox tool is resolved where Pants runs, also for an interpreter that is elsewhere: there this
program is run by its text, and prints a "complete platform" (`pex3 interpreter inspect` prints the
like). It imports nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence

#: glibc's minor version of the oldest wheels of both architectures (PEP 600), and their older name.
_OLDEST_GLIBC, _OLDEST_NAME = 17, "manylinux2014"
#: musl's minor version of the wheels (PEP 656).
_OLDEST_MUSL = 2
_OLDEST_ABI3 = 2
#: musl's loader in a line of proc_pid_maps(5): it is the library too, and has either name.
_MUSL_LOADER = re.compile(rb"(/.*/(?:ld-musl-[^/]*|libc\.so))\n\Z")
_MUSL_VERSION = re.compile(rb"musl libc .*\nVersion 1\.([0-9]+)")


def glibc_minor() -> int | None:
    """None for another C library."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (AttributeError, OSError, ValueError):
        return None
    return int(version.split(".")[1]) if name == "glibc" else None


def musl_minor(maps: str = "/proc/self/maps") -> int | None:
    """None for another C library. Its loader says the version where it is given no program."""
    try:
        with open(maps, "rb") as file:
            loaders = [found[1] for found in map(_MUSL_LOADER.search, file) if found]
        said = subprocess.run(loaders[:1], stderr=subprocess.PIPE).stderr if loaders else b""
    except OSError:
        return None
    version = _MUSL_VERSION.match(said)
    return int(version[1]) if version else None


def platforms(machine: str, glibc: int | None, musl: int | None) -> Iterator[str]:
    """The best first. `glibc`, `musl`: the minor version of the C library that it is."""
    if glibc is not None:
        for each in range(glibc, _OLDEST_GLIBC - 1, -1):
            yield f"manylinux_2_{each}_{machine}"
        if glibc >= _OLDEST_GLIBC:
            yield f"{_OLDEST_NAME}_{machine}"
    elif musl is not None:
        for each in range(musl, _OLDEST_MUSL - 1, -1):
            yield f"musllinux_1_{each}_{machine}"
    yield f"linux_{machine}"


def tags(version: int, where: Sequence[str], threaded: bool = False) -> Iterator[str]:
    """Of CPython 3.`version` (the order of PEP 425: what fits best first).

    `threaded`: it is built without a global lock, and takes no modules of the limited API.
    """
    own = f"cp3{version}"
    abis = (f"{own}t",) if threaded else (own, "abi3")
    for abi in (*abis, "none"):
        yield from (f"{own}-{abi}-{each}" for each in where)
    for older in range(version - 1, _OLDEST_ABI3 - 1, -1):
        yield from (f"cp3{older}-abi3-{each}" for each in where if not threaded)
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
    where = list(platforms(platform.machine(), glibc_minor(), musl_minor()))
    found = list(tags(sys.version_info[1], where, "t" in sys.abiflags))
    return json.dumps({"compatible_tags": found, "marker_environment": markers()}, sort_keys=True)


if __name__ == "__main__":
    print(complete_platform())
