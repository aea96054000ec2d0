"""The machine in words that name nobody's machine."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path


def _field(file: str, pattern: str) -> str:
    try:
        found = re.search(pattern, Path(file).read_text(), re.MULTILINE)
    except OSError:
        return "?"
    return found.group(1).strip().strip('"') if found else "?"


def describe() -> str:
    system = _field("/etc/os-release", r"^PRETTY_NAME=(.*)$")
    model = _field("/proc/cpuinfo", r"^model name\s*:\s*(.*)$")
    memory = _field("/proc/meminfo", r"^MemTotal:\s*(\d+) kB$")
    gib = f"{int(memory) / 2**20:.0f} GiB" if memory.isdigit() else "?"
    return (
        f"{system}, Linux {platform.release().split('-')[0]} {platform.machine()}, "
        f"{os.cpu_count()} cores of {model}, {gib} of memory"
    )


def codename() -> str:
    """Of this machine's Debian, as `bookworm`."""
    return _field("/etc/os-release", r"^VERSION_CODENAME=(.*)$")
