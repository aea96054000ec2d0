"""Which libraries a program gets, decided by the rules of its own loader; nothing is executed.

`resolve` is the one entry point; `glibc` and `musl` own their loader's rules.
"""

from __future__ import annotations

from pants_plugin_minimg.bundler.loader.model import (
    Closure,
    Loaded,
    Missing,
    Opener,
    Opening,
    Refused,
)
from pants_plugin_minimg.bundler.loader.programs import kind, libgcc_trigger, resolve

__all__ = [
    "Closure",
    "Loaded",
    "Missing",
    "Opener",
    "Opening",
    "Refused",
    "kind",
    "libgcc_trigger",
    "resolve",
]
